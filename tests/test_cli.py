"""The command line: help, and one line for what is wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kube_edu import cli


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["--help"])
    assert done.value.code == 0
    assert "run a cluster on this machine" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["fly"], ["up", "--fly"], ["up", "--nodes", "many"]])
def test_what_is_not_understood_is_a_usage_error(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(words)
    assert done.value.code == 2
    assert "usage: kube-edu" in capsys.readouterr().err


def test_a_command_imports_only_what_it_needs() -> None:
    program = "import sys, kube_edu.cli; print(*{'aiohttp', 'cryptography'} & {*sys.modules})"
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == ""

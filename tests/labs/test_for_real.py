"""What the labs say under "For real" is done as it is written: the commands for the terminal are
run in one, and then the whole notebook, with its cells that need a live cluster."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from kube_edu.classroom.build import FOR_REAL
from kube_edu.classroom.workbook import ROOT

TOOLS = ("kubectl", "etcdctl")
READY = "export KUBECONFIG="
TROUBLE = ("Unable to connect", "not found", "Traceback", "refused", "error:", "Error from server")


def labs() -> list[Any]:
    """All labs nightly, and one of them always."""
    found = sorted(ROOT.glob("solutions/*.ipynb"))
    return [
        pytest.param(path, id=path.stem, marks=[] if "02" in path.stem else pytest.mark.nightly)
        for path in found
    ]


@pytest.mark.parametrize("path", labs())
def test_for_real_does_what_it_says(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if FOR_REAL in cell.metadata.get("tags", ())]
    if not cells:
        pytest.skip("this lab has no cell of the kind")
    tools = [tool for tool in TOOLS if any(tool in cell.source for cell in cells)]
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing and "CI" not in os.environ:
        pytest.skip(f"needs {missing[0]}")
    assert not missing
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    with ExitStack() as running:
        for command in terminal_commands(notebook):
            running.enter_context(in_a_terminal(command))
        client = NotebookClient(
            notebook, timeout=300, kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
        )  # fmt: skip
        client.execute()
    for cell in cells:
        text = "".join(output.get("text", "") for output in cell.outputs)
        assert text, cell.source
        assert not [word for word in TROUBLE if word in text], text


def terminal_commands(notebook: Any) -> list[str]:
    """The commands that the prose tells the reader to start in a terminal."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    inline = re.findall(r"`(kube-edu (?:up|etcd) [^`]*)`", prose)
    blocks = re.findall(r"^    (kube-edu (?:up|etcd) .*)$", prose, re.MULTILINE)
    return list(dict.fromkeys(" ".join(command.split()) for command in [*blocks, *inline]))


@contextmanager
def in_a_terminal(command: str) -> Iterator[None]:
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if line.startswith(READY):
                break
        else:
            raise AssertionError(f"{command}:\n{''.join(said)}")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

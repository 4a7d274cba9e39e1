"""The folder of a live cluster: what keeps `up` from starting there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kube_edu.live.folder import Folder, Settings, UpError

SETTINGS = Settings(etcd_members=3, block=5)


def test_a_new_folder_remembers_its_settings(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    folder = Folder(path)
    assert folder.check() is None
    assert not path.exists(), "checking changes nothing"
    folder.open(SETTINGS)
    folder.close()
    assert (path / "hosts").stat().st_mode & 0o777 == 0o700, "Secrets are in there"
    again = Folder(path)
    assert again.check() == SETTINGS
    again.close()


def test_only_one_up_at_a_time(tmp_path: Path) -> None:
    first = Folder(tmp_path / "dir")
    first.open(SETTINGS)
    with pytest.raises(UpError, match=rf"in use by another kube-edu up \(pid {os.getpid()}\)"):
        Folder(tmp_path / "dir").check()
    first.close()
    assert Folder(tmp_path / "dir").check() == SETTINGS


def test_the_lock_of_a_killed_up_holds_nobody_back(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal, sys\n"
        "from kube_edu.live.folder import Folder, Settings\n"
        "Folder(pathlib.Path(sys.argv[1])).open(Settings(3, 5))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "dir")], check=False)
    assert Folder(tmp_path / "dir").check() == SETTINGS


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "cluster.json"
    file.write_text(json.dumps({"format": 2, "settings": {"moon": "full"}}))
    with pytest.raises(UpError, match=r"written by a newer kube-edu \(format 2; .* up to 1\)"):
        Folder(tmp_path).check()
    assert os.listdir(tmp_path) == ["cluster.json"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 1}', '{"format": 1, "settings": 3}']
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "cluster.json").write_text(content)
    with pytest.raises(UpError, match=r"cluster\.json is damaged"):
        Folder(tmp_path).check()


def test_somebody_elses_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UpError, match="has files in it, but no cluster"):
        Folder(tmp_path).check()
    with pytest.raises(UpError, match="is not a folder"):
        Folder(tmp_path / "thesis.tex").check()


def test_a_place_where_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = Folder(tmp_path / "file" / "below")
    assert folder.check() is None
    with pytest.raises(UpError, match=r"below: cannot write there: Not a directory"):
        folder.open(SETTINGS)

"""What keeps `kube-edu up` from starting: each one clear line, and nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kube_edu.live.addresses import GUARD_PORT, choose
from tests.live.cluster import REPOSITORY, Up, as_nobody, folder_of, free_port


def up(folder: Path, *options: str, said: int = 0) -> str:
    """The one line that it says on stderr, after so many steps that it told of."""
    done = subprocess.run(
        [sys.executable, "-m", "kube_edu.cli", "up", "--dir", str(folder), *options],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done
    assert len(done.stdout.splitlines()) <= said
    (line,) = done.stderr.splitlines()
    return line


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = up(tmp_path / "dir", "--port", str(port))
    assert line == (
        f"kube-edu up: port {port} of 127.0.0.1: Address already in use: choose another with --port"
    )
    assert not (tmp_path / "dir").exists()


def test_a_folder_of_a_newer_version(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text(json.dumps({"format": 99}))
    assert "was written by a newer kube-edu (format 99; this one reads up to 1)" in up(tmp_path)
    assert os.listdir(tmp_path) == ["cluster.json"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = up(tmp_path / "file" / "dir", "--port", str(free_port()))
    assert line == f"kube-edu up: {tmp_path}/file/dir: cannot write there: Not a directory"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_belongs_to_somebody_else() -> None:
    with folder_of("root") as folder:
        folder.parent.chmod(0o755)
        prefix, python, environment = as_nobody()
        done = subprocess.run(
            [
                *(*prefix, python, "-m", "kube_edu.cli", "up"),
                *("--dir", str(folder), "--port", str(free_port())),
            ],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr == f"kube-edu up: {folder}: cannot write there: Permission denied\n"


def test_an_address_of_the_cluster_in_use(tmp_path: Path) -> None:
    second = choose(tmp_path / "dir").node(2)
    with socket.create_server((second, GUARD_PORT)):
        line = up(tmp_path / "dir", "--nodes", "2", "--port", str(free_port()), said=1)
    assert line == f"kube-edu up: [Errno 98] Address already in use: '{second}:10250'"


def test_a_second_up_on_the_same_folder_and_another_number_of_members() -> None:
    with folder_of("root") as folder:
        first = Up(folder, "--nodes", "1", "--etcd-members", "1")
        first.wait("certificates")
        line = up(folder, "--port", "1")
        assert line == (
            f"kube-edu up: {folder} is in use by another kube-edu up (pid {first.process.pid})"
        )
        with folder_of("root") as other:
            beside = Up(other, "--nodes", "1", "--etcd-members", "1")
            beside.wait("node-1")
            assert beside.kubectl("get", "nodes", "-o", "name") == "node/node-1\n"
            beside.stop(signal.SIGINT)
        first.stop()
        line = up(folder, "--etcd-members", "3")
        assert line == (
            f"kube-edu up: {folder} was made with --etcd-members 1: its store cannot start with 3"
        )

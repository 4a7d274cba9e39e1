"""`kube-edu up` as a process of its own, and the machine's kubectl, for tests and benchmarks."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
NOBODY = 65534
SETPRIV = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
READ_ALL = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]


class Up:
    """A running cluster."""

    def __init__(self, folder: Path, *options: str, user: str = "") -> None:
        self.folder = folder
        self.prefix, python, environment = as_nobody() if user == "nobody" else ([], "", {})
        self.process = subprocess.Popen(
            [*self.prefix, python or sys.executable, "-m", "kube_edu.cli", "up",
             "--dir", str(folder), "--port", str(free_port()), *options],
            cwd=REPOSITORY, env={**os.environ, **environment}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.said: list[str] = []
        self.program = "kubectl"

    def wait(self, step: str = "export KUBECONFIG=") -> None:
        """Return when it has told of a step: by default the last."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            if line.startswith(step):
                return
        raise AssertionError("it ended: " + "\n".join(self.said))

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
        output, _ = self.process.communicate(timeout=60)
        self.said += output.splitlines()
        assert self.process.returncode == 0, self.said

    def kubectl(self, *words: str, stdin: str = "") -> str:
        """What kubectl prints; it must succeed."""
        done = self.try_kubectl(*words, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}:\n{done.stderr}"
        return done.stdout

    def try_kubectl(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.folder / "admin.conf"),
            "KUBECACHEDIR": str(self.folder.parent / "kubectl-cache"),
        }
        return subprocess.run(
            [*self.prefix, self.program, *words], input=stdin, env=environment,
            capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip


@contextmanager
def folder_of(user: str) -> Iterator[Path]:
    """A new folder that a user may write to."""
    with tempfile.TemporaryDirectory(prefix="kube-edu-") as name:
        if user == "nobody":
            os.chown(name, NOBODY, NOBODY)
        yield Path(name) / "cluster"


def as_nobody() -> tuple[list[str], str, dict[str, str]]:
    """How to run our program as nobody: a prefix, an interpreter and an environment. Where the
    interpreter or the checkout is not open to all, nobody may read (and only read) everything."""
    paths = [str(REPOSITORY), *(path for path in sys.path if path.endswith("site-packages"))]
    environment = {"PYTHONPATH": os.pathsep.join(paths), "HOME": "/tmp"}
    for python in (sys.executable, "/usr/bin/python3"):
        # setpriv still has root's rights when it starts a program; what "env" starts has not
        prefix = [*SETPRIV, "env"]
        check = [*prefix, python, "-c", "import kube_edu.up"]
        if subprocess.run(check, env=environment, cwd="/", capture_output=True).returncode == 0:
            return prefix, python, environment
    return [*SETPRIV, *READ_ALL, "env"], sys.executable, environment


def kubectl_missing() -> bool:
    return shutil.which("kubectl") is None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

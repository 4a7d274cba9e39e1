"""Members of a store as processes, `kube-edu etcd` or a real etcd, and etcdctl."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

OURS = [sys.executable, "-m", "kube_edu.cli", "etcd"]


class Members:
    """A cluster on loopback. With a certificate, everybody shows it to everybody."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        names: Sequence[str] = ("m1", "m2", "m3"),
        certificate: Path | None = None,
    ) -> None:
        self.folder = folder
        self.names = list(names)
        self.certificate = certificate
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._command = list(command)
        self._ports: dict[str, tuple[int, int, int]] = {}
        self.open_ports(*names)

    def open_ports(self, *names: str) -> None:
        """Where these shall listen."""
        self._ports |= {name: (free_port(), free_port(), free_port()) for name in names}

    def start(self, *names: str, state: str = "new") -> None:
        """Start these, or all, and wait until they listen."""
        for name in names or self.names:
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [*self._command, *self.flags(name, state)],
                    cwd=REPOSITORY,
                    stdout=log,
                    stderr=log,
                )
        for name in names or self.names:
            eventually(lambda name=name: self._listens(name))  # type: ignore[misc]

    def flags(self, name: str, state: str = "new") -> list[str]:
        client, peer = self.client_url(name), self.peer_url(name)
        members = ",".join(f"{each}={self.peer_url(each)}" for each in self.names)
        flags = {
            "name": name,
            "data-dir": str(self.folder / name),
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": members,
            "initial-cluster-state": state,
            "listen-metrics-urls": self.metrics_url(name),
        }
        if self.certificate is not None:
            for prefix in ("", "peer-"):
                flags |= {
                    f"{prefix}cert-file": f"{self.certificate}.crt",
                    f"{prefix}key-file": f"{self.certificate}.key",
                    f"{prefix}trusted-ca-file": f"{self.certificate.parent}/ca.crt",
                    f"{prefix}client-cert-auth": "true",
                }
        return [f"--{flag}={value}" for flag, value in flags.items()]

    def restore(self, snapshot: Path, name: str) -> subprocess.CompletedProcess[str]:
        """Make a member's data directory."""
        wanted = ("name", "data-dir", "initial-advertise-peer-urls", "initial-cluster=")
        flags = [flag for flag in self.flags(name) if flag[2:].startswith(wanted)]
        return subprocess.run(
            [sys.executable, "-m", "kube_edu.cli", "etcd-restore", str(snapshot), *flags],
            cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def client_url(self, name: str) -> str:
        return self._url(name, 0)

    def peer_url(self, name: str) -> str:
        return self._url(name, 1)

    def metrics_url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name][2]}"

    @property
    def urls(self) -> str:
        return ",".join(map(self.client_url, self.names))

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Returns the exit status."""
        self.processes[name].send_signal(number)
        return self.processes[name].wait(timeout=30)

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()

    def etcdctl(self, *words: str, stdin: str = "", among: Sequence[str] = ()) -> str:
        """What it prints; it must succeed."""
        done = self.try_etcdctl(*words, stdin=stdin, among=among)
        assert done.returncode == 0, f"etcdctl {' '.join(words)}:\n{done.stderr}"
        return done.stdout

    def try_etcdctl(
        self, *words: str, stdin: str = "", among: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [needed("etcdctl"), *words], input=stdin, env=self._environment(among),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def open_etcdctl(self, *words: str) -> subprocess.Popen[str]:
        """One that goes on: a watch, a lock."""
        return subprocess.Popen(
            [needed("etcdctl"), *words], env=self._environment(()), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def _environment(self, among: Sequence[str]) -> dict[str, str]:
        environment = {
            "ETCDCTL_API": "3",
            "ETCDCTL_ENDPOINTS": ",".join(map(self.client_url, among or self.names)),
        }
        if self.certificate is not None:
            environment |= {
                "ETCDCTL_CACERT": f"{self.certificate.parent}/ca.crt",
                "ETCDCTL_CERT": f"{self.certificate}.crt",
                "ETCDCTL_KEY": f"{self.certificate}.key",
            }
        return {**os.environ, **environment}

    def _url(self, name: str, which: int) -> str:
        scheme = "http" if self.certificate is None else "https"
        return f"{scheme}://127.0.0.1:{self._ports[name][which]}"

    def _listens(self, name: str) -> bool:
        assert self.processes[name].poll() is None, f"{name} has ended: {self.log(name)}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._ports[name][0])) == 0


def eventually(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def real_etcd() -> list[str]:
    """Debian's."""
    return [needed("etcd")]


def needed(program: str) -> str:
    """Its path. In CI it is there; elsewhere the test is skipped without it."""
    path = shutil.which(program)
    if path is None and os.environ.get("CI"):
        pytest.fail(f"{program} is missing")
    if path is None:
        pytest.skip(f"{program} is missing")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

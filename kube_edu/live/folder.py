"""The folder of a live cluster: who may use it, and what it remembers of its own making.

DIR/
  cluster.json        what `up` was asked for and chose when it made the folder
  lock                held while `up` runs
  pki/, *.conf        certificates and kubeconfigs (kube_edu.live.pki)
  manifests/          static pods of node-1
  hosts/<name>/       the disk of each host
  dial                the dial map (kube_edu.kubelet.cni.loopback)
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from kube_edu.live.disk import replace

FORMAT = 1
"""Goes up when an older kube-edu can no longer read what a newer one writes."""


class UpError(Exception):
    """Why `up` cannot start: one line that says what and where."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What stays the same for the life of a folder."""

    etcd_members: int
    block: int
    """Which addresses inside 127.0.0.0/8 the cluster has (kube_edu.live.addresses)."""


class Folder:
    """A cluster's folder, held by this process from `open` to `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = -1

    def check(self) -> Settings | None:
        """See that `up` may use the folder, without changing anything in it. Returns what it
        remembers; None when there is nothing yet."""
        file = self.path / "cluster.json"
        try:
            if not file.exists():
                self._check_new()
                return None
            made = json.loads(file.read_text())
            if made["format"] > FORMAT:
                raise UpError(
                    f"{self.path} was written by a newer kube-edu (format {made['format']}; "
                    f"this one reads up to {FORMAT})"
                )
            settings = Settings(**made["settings"])
            self._hold()
        except PermissionError as refusal:
            raise UpError(f"{self.path}: {refusal.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise UpError(f"{file} is damaged: it is not what kube-edu writes there") from None
        return settings

    def open(self, settings: Settings) -> None:
        """Make the folder if need be, and keep everybody else out."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._hold()
            content = {"format": FORMAT, "settings": asdict(settings)}
            replace(self.path / "cluster.json", json.dumps(content, indent=2).encode())
            (self.path / "manifests").mkdir(exist_ok=True)
            (self.path / "hosts").mkdir(mode=0o700, exist_ok=True)  # it holds Secrets
        except OSError as refusal:
            raise UpError(f"{self.path}: cannot write there: {refusal.strerror}") from None

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _check_new(self) -> None:
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise UpError(f"{self.path} is not a folder")
        if any(name != "lock" for name in os.listdir(self.path)):
            raise UpError(f"{self.path} has files in it, but no cluster: name a new folder")
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise UpError(f"{self.path}: cannot write there: Permission denied")

    def _hold(self) -> None:
        if self._lock >= 0:
            return
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(lock, 32).decode().strip()
            os.close(lock)
            raise UpError(f"{self.path} is in use by another kube-edu up (pid {owner})") from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._lock = lock

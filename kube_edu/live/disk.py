"""A disk that is a folder of real files."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path


class LiveDisk:
    """Implements `kube_edu.host.Disk` on a folder.

    fsync takes milliseconds, so it runs off the loop. Files that are appended to stay open.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, int] = {}

    def read(self, path: str) -> bytes:
        return (self._root / path).read_bytes()

    def append(self, path: str, data: bytes) -> None:
        if os.write(self._descriptor(path), data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def truncate(self, path: str, size: int) -> None:
        os.truncate(self._root / path, size)

    async def sync(self, path: str) -> None:
        await asyncio.to_thread(os.fsync, self._descriptor(path))

    async def replace(self, path: str, data: bytes) -> None:
        await asyncio.to_thread(replace, self._root / path, data)
        if path in self._open:
            os.close(self._open.pop(path))

    def _descriptor(self, path: str) -> int:
        """A new file's name is durable only once its folder is synced too (man 2 fsync)."""
        if path not in self._open:
            file = self._root / path
            new = not file.exists()
            file.parent.mkdir(parents=True, exist_ok=True)
            self._open[path] = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            if new:
                _fsync_folders(file.parent, self._root)
        return self._open[path]


UNFINISHED = ".unfinished"


def replace(file: Path, data: bytes, mode: int = 0o644) -> None:
    """Put a whole file in place, atomically and durably."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(file.name + UNFINISHED)
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(descriptor)
    unfinished.replace(file)
    _fsync(file.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fsync_folders(folder: Path, root: Path) -> None:
    """A folder and those above it, up to the root of the disk."""
    while True:
        _fsync(folder)
        if folder == root:
            return
        folder = folder.parent

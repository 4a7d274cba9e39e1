"""A disk that is a folder of real files."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path


class LiveDisk:
    """Implements `kube_edu.host.Disk` on a folder.

    fsync takes milliseconds, so it runs off the loop. A new file's name is durable only once its
    folder is synced too (man 2 fsync), so the first sync of a file does both.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._synced: dict[str, bool] = {}

    def read(self, path: str) -> bytes:
        return (self._root / path).read_bytes()

    def list(self, folder: str = "") -> list[str]:
        files = (file for file in (self._root / folder).rglob("*") if file.is_file())
        names = (file.relative_to(self._root).as_posix() for file in files)
        return sorted(name for name in names if not name.endswith(_UNFINISHED))

    def append(self, path: str, data: bytes) -> None:
        file = self._root / path
        if path not in self._synced:
            self._synced[path] = file.exists()
            file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab", buffering=0) as opened:
            opened.write(data)

    def truncate(self, path: str, size: int) -> None:
        os.truncate(self._root / path, size)

    async def sync(self, path: str) -> None:
        file = self._root / path
        await asyncio.to_thread(_fsync, file)
        if not self._synced.get(path, True):
            await asyncio.to_thread(_fsync_folders, file.parent, self._root)
            self._synced[path] = True

    async def replace(self, path: str, data: bytes) -> None:
        await asyncio.to_thread(replace, self._root / path, data)

    def remove(self, path: str) -> None:
        (self._root / path).unlink(missing_ok=True)
        self._synced.pop(path, None)


_UNFINISHED = ".unfinished"


def replace(file: Path, data: bytes, mode: int = 0o644) -> None:
    """Put a whole file in place, atomically and durably."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(file.name + _UNFINISHED)
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

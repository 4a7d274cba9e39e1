"""A disk in memory, with the gap between written and durable that real ones have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

SYNC_SECONDS = 0.001


@dataclass(slots=True)
class _File:
    """What a running process reads (`content`), of which the first `synced` bytes are durable.
    `before` is the durable image that a truncation not yet synced would come back to."""

    content: bytearray = field(default_factory=bytearray)
    synced: int = 0
    before: bytes | None = None


class SimDisk:
    """Implements `kube_edu.host.Disk`.

    What was appended since the last sync survives a power cut only as far as the random source
    says, down to a torn last record. `synced(path, bytes)` is called for every sync that ends.
    """

    def __init__(self, random: Random, synced: Callable[[str, int], None]) -> None:
        self._random = random
        self._synced = synced
        self._files: dict[str, _File] = {}
        self.fail_syncs = False
        """Set to make every sync fail, as a dying disk's does."""

    def read(self, path: str) -> bytes:
        if path not in self._files:
            raise FileNotFoundError(path)
        return bytes(self._files[path].content)

    def append(self, path: str, data: bytes) -> None:
        self._files.setdefault(path, _File()).content.extend(data)

    def truncate(self, path: str, size: int) -> None:
        file = self._files[path]
        if size < file.synced and file.before is None:
            file.before = bytes(file.content[: file.synced])
        file.synced = min(file.synced, size)
        del file.content[size:]

    async def sync(self, path: str) -> None:
        file = self._files[path]
        upto = len(file.content)
        await asyncio.sleep(SYNC_SECONDS)
        self._check(path)
        written = upto - file.synced
        file.synced = min(upto, len(file.content))
        file.before = None
        self._synced(path, written)

    async def replace(self, path: str, data: bytes) -> None:
        await asyncio.sleep(SYNC_SECONDS)
        self._check(path)
        self._files[path] = _File(bytearray(data), len(data))
        self._synced(path, len(data))

    def after_power_cut(self) -> SimDisk:
        """The disk as the machine finds it when power returns: what is durable, and of what was
        only written an unlucky part. Whoever still holds this object writes into the void."""
        disk = SimDisk(self._random, self._synced)
        for path in sorted(self._files):
            file = self._files[path]
            if file.before is not None and self._random.random() < 0.5:
                survivor = file.before
            else:
                tail = len(file.content) - file.synced
                survivor = bytes(file.content[: file.synced + self._random.randint(0, tail)])
            disk._files[path] = _File(bytearray(survivor), len(survivor))
        return disk

    def after_kill(self) -> SimDisk:
        """The disk as the next process finds it: the page cache outlives a process."""
        disk = SimDisk(self._random, self._synced)
        for path, file in self._files.items():
            disk._files[path] = _File(bytearray(file.content), file.synced, file.before)
        return disk

    def _check(self, path: str) -> None:
        if self.fail_syncs:
            raise OSError(5, "Input/output error", path)

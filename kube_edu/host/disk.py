"""A disk: files that survive a crash as far as they were synced."""

from __future__ import annotations

from typing import Protocol


class Disk(Protocol):
    """A component's own folder on its host.

    Paths are relative, with "/" between the parts. What `append` wrote may be lost in a power
    cut, wholly or in part, until `sync` of that file returns; `replace` is atomic and durable
    when it returns. A failed write or sync raises OSError, and nothing may be assumed of the file
    after it (fsync is not retried: see "Can Applications Recover from fsync Failures?", ATC 2020).
    """

    def read(self, path: str) -> bytes:
        """The whole file; raises FileNotFoundError."""

    def append(self, path: str, data: bytes) -> None:
        """Add to the end of a file, which need not exist; not durable until `sync`."""

    def truncate(self, path: str, size: int) -> None:
        """Cut a file to its first `size` bytes; not durable until `sync`."""

    async def sync(self, path: str) -> None:
        """Return when all that was written to the file so far is durable."""

    async def replace(self, path: str, data: bytes) -> None:
        """Put a whole new file in place of `path`, durably: after a crash it is the old one
        or the new one."""

"""Linearizable reads without a log entry: ReadIndex (Raft thesis, section 6.4; etcd raft:
read_only.go).

The leader notes its commit index, asks a round of heartbeats whether it still leads, and lets
the read happen once that index is applied. One confirmed round serves every read before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ReadState:
    """The read `context` may be answered from a store that has applied `index`."""

    index: int
    context: bytes


@dataclass(frozen=True, slots=True)
class PendingRead:
    """A read of member `source`, which may happen at `index` or later. It was `asked` at that tick
    of the leader's."""

    source: str
    index: int
    context: bytes
    asked: int
    acks: dict[str, None] = field(default_factory=dict)


class ReadOnly:
    """Reads that wait for a majority to confirm the leader, in the order in which they came."""

    def __init__(self) -> None:
        self._pending: dict[bytes, PendingRead] = {}

    def add(self, read: PendingRead, leader: str) -> None:
        read.acks[leader] = None
        self._pending.setdefault(read.context, read)

    def acknowledged(
        self, member: str, context: bytes, agreed: Callable[[Collection[str]], bool]
    ) -> list[PendingRead]:
        """A member answered the heartbeat of a read; the reads that may happen now."""
        read = self._pending.get(context)
        if read is None:
            return []
        read.acks[member] = None
        if not agreed(read.acks):
            return []
        done = []
        for earlier in list(self._pending.values()):
            done.append(earlier)
            del self._pending[earlier.context]
            if earlier is read:
                break
        return done

    @property
    def last_context(self) -> bytes:
        """Of the newest read; a regular heartbeat carries it, in case the first was lost."""
        return next(reversed(self._pending), b"")

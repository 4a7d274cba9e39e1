"""The write-ahead log of a member: what Raft must not forget, in one file that only grows.

Each frame is what one `write` made durable:

    magic (4) | length (4) | number (8) | CRC-32 of number and payload (4) | payload

A frame is synced before the next one is appended. So after a power cut only the last frame can be
torn, and it was never acknowledged: it is cut off. A broken frame with a sound one behind it is
damage to what was durable, and the member refuses to start rather than serve it. (A damaged last
frame cannot be told from a torn one: see "Protocol-Aware Recovery for Consensus-Based Storage",
FAST 2018.) When a snapshot makes the past unnecessary, the file is replaced as a whole.
"""

# ruff: noqa: RUF009

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from kube_edu.host import Disk
from kube_edu.raft import ConfState, Entry, HardState, Snapshot
from kube_edu.wire import protobuf
from kube_edu.wire.protobuf import pb

PATH = "member/wal"

_MAGIC = b"\xe7WAL"
_HEADER = struct.Struct("<4sIQI")


class WalError(Exception):
    """The log on the disk cannot be used."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One step of a member: entries replace those that were in their place before."""

    member: str = pb(1, "")
    hard_state: HardState | None = pb(2, None)
    entries: tuple[Entry, ...] = pb(3, ())
    snapshot: Snapshot | None = pb(4, None)
    node: str = pb(5, "")
    """What Raft calls the member, where that is not its own name."""


@dataclass(slots=True)
class Saved:
    """What a member finds when it starts."""

    hard_state: HardState = field(default_factory=HardState)
    snapshot: Snapshot = field(default_factory=Snapshot)
    entries: list[Entry] = field(default_factory=list)
    node: str = ""


def first_state(members: Collection[str], data: bytes) -> Saved:
    """How a cluster begins: with a snapshot that all its members make alike, in place of an entry
    1 that nobody has. So a member that joins is always sent one first, and learns from it who the
    others are (etcd begins with an entry for each member instead)."""
    snapshot = Snapshot(data, index=1, term=1, conf=ConfState(tuple(sorted(members))))
    return Saved(HardState(term=1, commit=1), snapshot)


class Wal:
    """The log of `member` on `disk`."""

    def __init__(self, disk: Disk, member: str) -> None:
        self._disk = disk
        self._member = member
        self._number = 0
        self.node = ""

    def read(self) -> Saved:
        """Everything that was written; cuts off a torn end. Raises WalError."""
        try:
            data = self._disk.read(PATH)
        except FileNotFoundError:
            return Saved()
        saved = Saved()
        position = 0
        while position < len(data):
            payload = _frame_at(data, position, self._number)
            if payload is None:
                self._cut(data, position)
                break
            self._take(saved, protobuf.decode(Frame, payload))
            position += _HEADER.size + len(payload)
            self._number += 1
        self.node = saved.node
        return saved

    async def write(self, entries: Sequence[Entry], hard_state: HardState | None) -> None:
        """Append one frame, durably."""
        frame = Frame(self._member, hard_state, tuple(entries), node=self.node)
        self._disk.append(PATH, self._encode(frame))
        await self._disk.sync(PATH)

    async def replace(
        self, snapshot: Snapshot, entries: Sequence[Entry], hard_state: HardState
    ) -> None:
        """Begin anew with a snapshot and what came after it."""
        self._number = 0
        frame = Frame(self._member, hard_state, tuple(entries), snapshot, self.node)
        await self._disk.replace(PATH, self._encode(frame))

    def _encode(self, frame: Frame) -> bytes:
        payload = protobuf.encode(frame)
        header = _HEADER.pack(_MAGIC, len(payload), self._number, _checksum(self._number, payload))
        self._number += 1
        return header + payload

    def _take(self, saved: Saved, frame: Frame) -> None:
        if frame.member != self._member:
            raise WalError(
                f"{PATH} belongs to member {frame.member!r}, and this is {self._member!r}"
            )
        if frame.snapshot is not None:
            saved.snapshot, saved.entries = frame.snapshot, []
        if frame.entries:
            first = frame.entries[0].index
            while saved.entries and saved.entries[-1].index >= first:
                saved.entries.pop()
            saved.entries.extend(frame.entries)
        saved.node = frame.node
        if frame.hard_state is not None:
            saved.hard_state = frame.hard_state

    def _cut(self, data: bytes, position: int) -> None:
        """The frame at `position` is broken: is it only the end that was being written?"""
        behind = data.find(_MAGIC, position + 1)
        while behind >= 0:
            if _frame_at(data, behind, None) is not None:
                raise WalError(
                    f"{PATH} is damaged at byte {position} (of {len(data)}): frame {self._number} "
                    f"does not match its checksum, and a sound frame follows at byte {behind}. "
                    "Remove this member's data and let it rejoin from the others."
                )
            behind = data.find(_MAGIC, behind + 1)
        self._disk.truncate(PATH, position)


def _frame_at(data: bytes, position: int, number: int | None) -> bytes | None:
    """The payload of the frame at `position`; None if it is not sound, or not this number."""
    start = position + _HEADER.size
    if start > len(data):
        return None
    magic, length, found, checksum = _HEADER.unpack_from(data, position)
    payload = data[start : start + length]
    if magic != _MAGIC or len(payload) < length or (number is not None and found != number):
        return None
    return payload if _checksum(found, payload) == checksum else None


def _checksum(number: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(number.to_bytes(8, "little")))

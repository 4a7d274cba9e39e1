"""The write-ahead log: what it brings back, whatever was torn or damaged."""

from __future__ import annotations

import asyncio

import pytest

from kube_edu.etcd.wal import PATH, Saved, Wal, WalError
from kube_edu.raft import Entry, HardState, Snapshot


class Memory:
    """A disk that keeps what it is given."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self.files = files or {}

    def read(self, path: str) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def list(self, folder: str = "") -> list[str]:
        return sorted(self.files)

    def append(self, path: str, data: bytes) -> None:
        self.files[path] = self.files.get(path, b"") + data

    def truncate(self, path: str, size: int) -> None:
        self.files[path] = self.files[path][:size]

    async def sync(self, path: str) -> None: ...

    async def replace(self, path: str, data: bytes) -> None:
        self.files[path] = data

    def remove(self, path: str) -> None:
        self.files.pop(path, None)


def written(disk: Memory) -> list[Saved]:
    """A log of four frames on this disk; what it says after each."""
    states = []

    async def run() -> None:
        wal = Wal(disk, "etcd-1")
        wal.read()
        steps = [
            ([], HardState(1, "etcd-1", 0)),
            ([Entry(1, 1), Entry(1, 2, b"x" * 300), Entry(1, 3, b"c")], HardState(1, "etcd-1", 1)),
            ([Entry(2, 2, b"other")], HardState(2, "etcd-2", 1)),  # 2 and 3 are replaced
            ([Entry(2, 3, b"\xe7WAL")], None),
        ]
        for entries, hard in steps:
            await wal.write(entries, hard)
            states.append(Wal(Memory(dict(disk.files)), "etcd-1").read())

    asyncio.run(run())
    return states


def test_a_new_disk_has_nothing() -> None:
    assert Wal(Memory(), "etcd-1").read() == Saved()


def test_what_was_written_comes_back_with_the_newest_entries() -> None:
    last = written(Memory())[-1]
    assert last.hard_state == HardState(2, "etcd-2", 1)
    assert last.entries == [Entry(1, 1), Entry(2, 2, b"other"), Entry(2, 3, b"\xe7WAL")]


def test_a_torn_tail_is_cut_at_every_byte_and_writing_goes_on_behind_it() -> None:
    disk = Memory()
    states = written(disk)
    data = disk.files[PATH]
    ends = [0]
    for state in states:
        ends.append(
            next(n for n in range(ends[-1] + 1, len(data) + 1)
                 if Wal(Memory({PATH: data[:n]}), "etcd-1").read() == state)
        )  # fmt: skip
    for size in range(len(data)):
        torn = Memory({PATH: data[:size]})
        whole = max(n for n, end in enumerate(ends) if end <= size)
        wal = Wal(torn, "etcd-1")
        assert wal.read() == ([Saved(), *states][whole])
        assert len(torn.files[PATH]) == ends[whole]
        asyncio.run(wal.write([], HardState(9, "", 0)))
        assert Wal(torn, "etcd-1").read().hard_state.term == 9


def test_damage_in_the_middle_is_refused_at_every_byte() -> None:
    disk = Memory()
    written(disk)
    data = disk.files[PATH]
    last_frame = data.rindex(b"\xe7WAL", 0, len(data) - 8)
    for position in range(last_frame):
        damaged = data[:position] + bytes([data[position] ^ 0x40]) + data[position + 1 :]
        with pytest.raises(WalError, match="is damaged at byte"):
            Wal(Memory({PATH: damaged}), "etcd-1").read()


def test_the_directory_of_another_member_is_refused() -> None:
    disk = Memory()
    written(disk)
    with pytest.raises(WalError, match="belongs to member 'etcd-1', and this is 'etcd-2'"):
        Wal(disk, "etcd-2").read()


def test_a_snapshot_takes_the_place_of_all_before_it() -> None:
    disk = Memory()
    written(disk)

    async def run() -> None:
        wal = Wal(disk, "etcd-1")
        wal.read()
        snapshot = Snapshot(b"state", 2, 2)
        await wal.replace(snapshot, [Entry(2, 3)], HardState(2, "etcd-2", 2))
        await wal.write([Entry(2, 4)], None)
        saved = Wal(disk, "etcd-1").read()
        assert saved == Saved(HardState(2, "etcd-2", 2), snapshot, [Entry(2, 3), Entry(2, 4)])

    asyncio.run(run())

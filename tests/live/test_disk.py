"""A disk of real files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kube_edu.live.disk import LiveDisk


def test_files_are_appended_cut_replaced_and_removed(tmp_path: Path) -> None:
    async def story() -> None:
        disk = LiveDisk(tmp_path / "etcd-1")
        assert disk.list() == []
        disk.append("wal/0", b"abc")
        disk.append("wal/0", b"def")
        await disk.sync("wal/0")
        disk.truncate("wal/0", 4)
        await disk.sync("wal/0")
        await disk.replace("snap", b"one")
        await disk.replace("snap", b"two")
        assert disk.read("wal/0") == b"abcd"
        assert disk.read("snap") == b"two"
        assert disk.list() == ["snap", "wal/0"]
        assert disk.list("wal") == ["wal/0"]
        disk.remove("snap")
        disk.remove("snap")
        assert LiveDisk(tmp_path / "etcd-1").list() == ["wal/0"]
        with pytest.raises(FileNotFoundError):
            disk.read("snap")

    asyncio.run(story())


def test_a_replacement_that_was_cut_short_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "state.unfinished").write_bytes(b"hal")
    disk = LiveDisk(tmp_path)
    assert disk.list() == []
    asyncio.run(disk.replace("state", b"whole"))
    assert disk.list() == ["state"]

"""A disk of real files."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from kube_edu.live.disk import LiveDisk


def test_files_are_appended_cut_and_replaced(tmp_path: Path) -> None:
    async def story() -> None:
        disk = LiveDisk(tmp_path / "etcd-1")
        with pytest.raises(FileNotFoundError):
            disk.read("snap")
        disk.append("wal/0", b"abc")
        disk.append("wal/0", b"def")
        await disk.sync("wal/0")
        disk.truncate("wal/0", 4)
        await disk.sync("wal/0")
        assert disk.read("wal/0") == b"abcd"
        await disk.replace("snap", b"one")
        await disk.replace("snap", b"two")
        assert disk.read("snap") == b"two"

    asyncio.run(story())


def test_what_follows_a_replacement_goes_into_the_new_file(tmp_path: Path) -> None:
    disk = LiveDisk(tmp_path)
    disk.append("wal", b"old")
    asyncio.run(disk.replace("wal", b"new"))
    disk.append("wal", b"+1")
    assert LiveDisk(tmp_path).read("wal") == b"new+1"


def test_a_full_disk_is_an_error_and_no_shorter_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = LiveDisk(tmp_path)
    monkeypatch.setattr(os, "write", lambda descriptor, data: len(data) - 1)
    with pytest.raises(OSError, match="No space left"):
        disk.append("wal", b"abc")


def test_a_replacement_that_was_cut_short_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "state.unfinished").write_bytes(b"hal")
    disk = LiveDisk(tmp_path)
    asyncio.run(disk.replace("state", b"whole"))
    assert disk.read("state") == b"whole"
    assert [file.name for file in tmp_path.iterdir()] == ["state"]

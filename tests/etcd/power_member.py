"""Members of a store as processes of their own, on a disk that can lose its power.

kill -9 is no power cut: what a process has written, the kernel keeps. So a `PowerDisk` notes, in
files that outlive the process, what was durable when; and `cut_power` does to the rest, once the
process is dead, what a disk without power does: all of it is lost, or its end, or sectors within.

Run as a program this is a nursery: it starts a member for every line that it reads, by a fork,
which is quicker than a new interpreter.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from random import Random
from unittest import mock

from kube_edu.etcd import EtcdClient, EtcdError, EtcdServer
from kube_edu.etcd.messages import PutRequest, RangeRequest
from kube_edu.host import Request, Response
from kube_edu.live.disk import UNFINISHED, LiveDisk
from kube_edu.live.member import MemberHost

SECTOR = 512
WRITERS = 4
QUICK_TICK = 0.02


class PowerDisk:
    """Implements `kube_edu.host.Disk` in a folder, with notes about what is durable beside it. One
    that `lies` says that a sync is done, and does not do it."""

    def __init__(self, folder: Path, lies: bool) -> None:
        self._lies = lies
        self._disk = LiveDisk(folder / "disk")
        self._folder = folder
        self.read, self.append = self._disk.read, self._disk.append

    def truncate(self, path: str, size: int) -> None:
        content = self._disk.read(path)
        notes = Notes(self._folder, path)
        if size < notes.durable:
            notes.keep_old(content[: notes.durable])
            notes.durable = size
        self._disk.truncate(path, size)

    async def sync(self, path: str) -> None:
        if self._lies:
            return
        size = len(self._disk.read(path))
        await self._disk.sync(path)
        notes = Notes(self._folder, path)
        notes.durable = size
        notes.forget_old()

    async def replace(self, path: str, data: bytes) -> None:
        notes = Notes(self._folder, path)
        if notes.file.exists():
            notes.keep_old(self._disk.read(path)[: notes.durable])
        await self._disk.replace(path, data)
        notes.durable = len(data)
        notes.forget_old()


class Notes:
    """What is known of a file: how much of it is durable, and what a change that is not yet
    durable has replaced."""

    def __init__(self, folder: Path, path: str) -> None:
        self.file = folder / "disk" / path
        self._size = folder / (path.replace("/", "-") + ".durable")
        self._old = folder / (path.replace("/", "-") + ".old")

    @property
    def durable(self) -> int:
        return int(self._size.read_text()) if self._size.exists() else 0

    @durable.setter
    def durable(self, size: int) -> None:
        unfinished = self._size.with_suffix(".unfinished")
        unfinished.write_text(str(size))
        unfinished.replace(self._size)

    @property
    def old(self) -> bytes | None:
        return self._old.read_bytes() if self._old.exists() else None

    def keep_old(self, content: bytes) -> None:
        unfinished = self._old.with_suffix(".unfinished")
        unfinished.write_bytes(content)
        unfinished.replace(self._old)

    def forget_old(self) -> None:
        self._old.unlink(missing_ok=True)


def cut_power(folder: Path, random: Random) -> None:
    """What a power cut leaves on the disk of a member that was killed."""
    for file in sorted((folder / "disk").rglob("*")):
        if file.is_dir() or file.suffix == UNFINISHED:
            continue
        notes = Notes(folder, file.relative_to(folder / "disk").as_posix())
        content = notes.file.read_bytes()
        if notes.old is not None and random.random() < 0.5:
            survivor = notes.old
        elif notes.old is not None:
            survivor = content  # the change has reached the disk after all
        else:
            survivor = content[: notes.durable] + torn(content[notes.durable :], random)
        notes.file.write_bytes(survivor)
        notes.durable = len(survivor)
        notes.forget_old()


def torn(tail: bytes, random: Random) -> bytes:
    """What is left of bytes that were never synced."""
    kind = random.choice(["lost", "whole", "torn", "reordered"])
    if kind == "lost":
        return b""
    if kind == "whole":
        return tail
    rest = bytearray(tail[: random.randint(0, len(tail))])
    if kind == "reordered":  # a later sector got there, an earlier one did not
        for start in range(0, len(rest), SECTOR):
            if random.random() < 0.5:
                end = min(start + SECTOR, len(rest))
                rest[start:end] = bytes(end - start)
    return bytes(rest)


# -- the member -------------------------------------------------------------------------------


async def member(name: str, folder: Path, ports: dict[str, int], boot: int, lies: bool) -> None:
    """Take part; write down what is found at the beginning, then write without end, and write
    down what is acknowledged."""
    host = MemberHost(
        name,
        folder,
        listen=[("127.0.0.1", ports[name])],
        server_tls=None,
        client_tls=None,
        say=print,
    )
    host.disk = PowerDisk(folder, lies)
    with (
        mock.patch("kube_edu.etcd.driver.TICK", QUICK_TICK),
        mock.patch("kube_edu.etcd.driver.SNAPSHOT_COUNT", 200),
        mock.patch("kube_edu.etcd.driver.KEEP_ENTRIES", 50),
    ):
        server = EtcdServer(host, {each: f"127.0.0.1:{port}" for each, port in ports.items()})
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.run())
            found = await everything(server)
            (folder / "found.unfinished").write_text(json.dumps(found))
            (folder / "found.unfinished").rename(folder / f"found-{boot}")
            for number in range(WRITERS):
                tasks.create_task(write(server, folder, f"{name}-{boot}-{number}"))


async def everything(server: EtcdServer) -> dict[str, str]:
    request = RangeRequest(b"\0", b"\0")
    while True:
        try:
            response = await EtcdClient([Direct(server)]).range(request)
            return {kv.key.decode(): kv.value.decode() for kv in response.kvs}
        except EtcdError:
            await asyncio.sleep(QUICK_TICK)


async def write(server: EtcdServer, folder: Path, key: str) -> None:
    client = EtcdClient([Direct(server)])
    acknowledged = os.open(folder / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in range(1_000_000):
        try:
            await client.put(PutRequest(key.encode(), str(number).encode() * 200))
        except EtcdError:
            await asyncio.sleep(QUICK_TICK)
            continue
        os.write(acknowledged, f"{key} {number}\n".encode())


class Direct:
    """A connection to a member in the same process."""

    def __init__(self, server: EtcdServer) -> None:
        self._server = server

    async def request(self, request: Request) -> Response:
        return await self._server.handle(request)

    async def close(self) -> None: ...


def nursery() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children need not be waited for
    for line in sys.stdin:
        name, folder, ports, boot, lies = json.loads(line)
        pid = os.fork()
        if pid == 0:
            asyncio.run(member(name, Path(folder), ports, boot, lies))
            os._exit(1)
        print(pid, flush=True)


if __name__ == "__main__":
    nursery()

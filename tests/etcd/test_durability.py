"""What a member has on its disk when power fails, at any moment, and what it makes of that."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

import pytest

from kube_edu.etcd import EtcdClient, EtcdError, EtcdServer
from kube_edu.etcd.messages import PutRequest
from kube_edu.etcd.wal import PATH, WalError
from kube_edu.host import Host
from kube_edu.sim import Simulation
from kube_edu.sim.disk import SimDisk


@dataclass
class Image:
    """A disk at the moment at which a sync begins; what the member had answered by then, what of
    that its clients had heard, and what was under way."""

    durable: bytes
    tail: bytes
    answered: dict[bytes, bytes]
    heard: dict[bytes, bytes]
    under_way: dict[bytes, bytes]

    def after(self, tail: bytes) -> bytes:
        return self.durable + tail


class Camera(SimDisk):
    """Takes an image at each sync; fails from a certain sync on."""

    member: Member
    images: list[Image]
    fails_at = 10**9

    async def sync(self, path: str) -> None:
        file = self._files[path]
        durable, content = file.synced, bytes(file.content)
        member = self.member
        self.images.append(
            Image(
                content[:durable],
                content[durable:],
                member.served(),
                dict(member.acknowledged),
                dict(member.under_way),
            )
        )
        self.fail_syncs = self.fail_syncs or len(self.images) > self.fails_at
        await super().sync(path)


class Member:
    """A cluster of one member, on a disk with this log, and clients of it."""

    def __init__(self, log: bytes = b"") -> None:
        self.sim = Simulation(7)
        self.acknowledged: dict[bytes, bytes] = {}
        self.under_way: dict[bytes, bytes] = {}
        self.machine = self.sim.machine("etcd-1", "10.0.0.1")
        self.disk = Camera(self.sim.random("disk"), self.machine._synced)
        self.disk.member, self.disk.images = self, []
        if log:
            self.disk.append(PATH, log)
            self.disk._files[PATH].synced = len(log)
        self.machine.disks["etcd"] = self.disk
        self.clients = self.sim.machine("clients", "10.0.0.2")

    def start(self) -> Member:
        self.machine.start("etcd", self._main)
        return self

    def write(self, clients: int = 3, each: int = 4) -> Member:
        for number in range(clients):
            self.clients.start(f"client-{number}", partial(self._writes, number, each))
        self.sim.run_for(5)
        return self

    def recovered(self) -> dict[bytes, bytes]:
        """What is served once the member leads again."""
        self.start().sim.run_for(0)
        self.sim.run_until(lambda: self.server.node.leadership is not None, 5)
        self.sim.run_for(0.1)
        return self.served()

    def served(self) -> dict[bytes, bytes]:
        store = self.server.store
        return {key: store.get(key).value for key in store.keys(b"\0", b"\0")}  # type: ignore[union-attr]

    async def _main(self, host: Host) -> None:
        self.server = EtcdServer(host, {"etcd-1": "etcd-1:2380"})
        await host.serve(2379, self.server.handle, identity="etcd")
        await self.server.run()

    async def _writes(self, number: int, each: int, host: Host) -> None:
        client = EtcdClient([host.connect("etcd-1:2379", identity="admin")])
        for count in range(each):
            key, value = b"key-%d-%d" % (number, count), b"value of %d" % count
            self.under_way[key] = value
            try:
                async with asyncio.timeout(4):
                    await client.put(PutRequest(key, value))
            except (EtcdError, TimeoutError):
                return
            self.acknowledged[key] = self.under_way.pop(key)


def images() -> list[Image]:
    member = Member().start().write()
    assert len(member.acknowledged) == 12
    return member.disk.images


IMAGES = images()
LOG = IMAGES[-1].after(IMAGES[-1].tail)
WHOLE = [Member(image.after(image.tail)).recovered() for image in IMAGES]
"""What is served after each frame of the log, if it was written to its end."""

BEFORE: list[dict[bytes, bytes]] = [{}, *WHOLE[:-1]]


def test_the_runs_have_enough_syncs_and_groups_in_them() -> None:
    assert len(IMAGES) >= 8
    assert max(len(image.under_way) for image in IMAGES) > 1


@pytest.mark.parametrize("number", range(len(IMAGES)))
def test_what_is_durable_at_a_sync_is_what_was_answered_and_a_part_of_what_is_under_way(
    number: int,
) -> None:
    image = IMAGES[number]
    assert image.heard.items() <= image.answered.items()
    for found in (BEFORE[number], WHOLE[number]):
        assert image.answered.items() <= found.items()
        assert found.items() <= (image.answered | image.under_way).items()


@pytest.mark.parametrize("number", range(len(IMAGES)))
def test_a_frame_that_is_torn_at_any_byte_is_as_if_it_had_never_begun(number: int) -> None:
    image = IMAGES[number]
    for size in range(len(image.tail)):
        found = Member(image.after(image.tail[:size])).recovered()
        assert found == BEFORE[number], f"{size} bytes of the tail"


@pytest.mark.parametrize("number", range(len(IMAGES)))
def test_a_frame_that_was_written_in_another_order_is_cut_too(number: int) -> None:
    """Sectors of a file that was not synced reach the disk in any order: its end may be there and
    its beginning not."""
    image = IMAGES[number]
    for start in range(0, len(image.tail), 16):
        hole = image.tail[:start] + bytes(16) + image.tail[start + 16 :]
        if hole[: len(image.tail)] != image.tail:
            found = Member(image.after(hole[: len(image.tail)])).recovered()
            assert found == BEFORE[number]


def test_damage_in_the_middle_is_refused_at_any_byte_and_never_served() -> None:
    last_frame = len(IMAGES[-1].durable)
    for position in range(last_frame):
        damaged = LOG[:position] + bytes([LOG[position] ^ 0xFF]) + LOG[position + 1 :]
        member = Member(damaged).start()
        with pytest.raises(WalError, match="is damaged at byte"):
            member.sim.run_for(1)
        assert member.disk.read(PATH) == damaged, "a log that is refused is left as it is"


@pytest.mark.parametrize("number", range(len(IMAGES)))
def test_a_failed_sync_stops_the_member_and_it_acknowledges_nothing_after_it(number: int) -> None:
    member = Member()
    member.disk.fails_at = number
    member.start().write()
    at_failure = member.disk.images[number].answered
    assert member.acknowledged == at_failure
    assert len(member.disk.images) == number + 1, "a failed sync is not tried again"
    assert Member(member.disk.images[number].durable).recovered() == BEFORE[number]

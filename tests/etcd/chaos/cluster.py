"""A simulated etcd cluster that things happen to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

from kube_edu.etcd import EtcdError, EtcdServer
from kube_edu.etcd.messages import Event
from kube_edu.etcd.service_messages import (
    MemberAddRequest,
    MemberPromoteRequest,
    MemberRemoveRequest,
)
from kube_edu.host import Host
from kube_edu.sim import Simulation
from kube_edu.sim.disk import SimDisk
from kube_edu.sim.machine import Machine

T = TypeVar("T")


class ChaosCluster:
    """Members etcd-1 ..., and a machine of clients. `disk` makes the members' disks."""

    def __init__(
        self,
        seed: int,
        members: int,
        disk: Callable[[Random, Callable[[str, int], None]], SimDisk] = SimDisk,
    ) -> None:
        self.sim = Simulation(seed)
        self.names: list[str] = []
        self.servers: dict[str, EtcdServer] = {}
        self.changes: list[Event] = []
        self._disk = disk
        self._machines = 0
        first = [f"etcd-{number + 1}" for number in range(members)]
        for name in first:
            self.start(name, first)
        self.clients = self.sim.machine("clients", "10.0.0.100")

    def start(self, name: str, members: list[str], join: bool = False) -> None:
        """A machine with a member of the cluster that these begin, or that one of them joins."""
        self._machines += 1
        self.names.append(name)
        machine = self.sim.machine(name, f"10.0.0.{self._machines}")
        machine.disks["etcd"] = self._disk(self.sim.random(f"{name}/disk"), machine._synced)
        endpoints = {each: f"{each}:2380" for each in members}

        async def member(host: Host) -> None:
            server = self.servers[name] = EtcdServer(host, endpoints, join=join)
            await host.serve(2379, server.handle, identity="etcd")
            await server.run()

        machine.start("etcd", member)

    async def grow(self, learner: bool) -> None:
        """Add a member and start it. Whether it was added may be in doubt."""
        name = f"etcd-{self._machines + 1}"
        request = MemberAddRequest((f"http://{name}:2380",), learner)
        added = await self._ask(self.servers[self.leader()].cluster.member_add(request))
        if added is None:
            return
        self.start(name, [*self.names, name], join=True)
        if learner:
            await asyncio.sleep(1)
            promote = MemberPromoteRequest(added.member.ID)
            await self._ask(self.servers[self.leader()].cluster.member_promote(promote))

    async def shrink(self, name: str) -> None:
        """Remove a member, if three stay."""
        leader = self.servers[self.leader()]
        if len(leader.node.conf.voters) > 3 and name != self.names[0]:
            request = MemberRemoveRequest(self.servers[name].state.member_id)
            if await self._ask(leader.cluster.member_remove(request)) is not None:
                self.names.remove(name)

    async def _ask(self, change: Awaitable[T]) -> T | None:
        try:
            async with asyncio.timeout(5):
                return await change
        except (EtcdError, TimeoutError):
            return None

    @property
    def members(self) -> list[EtcdServer]:
        """Those that belong to it, as its leader knows; one may have been added in doubt, and
        never started."""
        nodes = self.servers[self.leader()].node.conf.members
        return [server for server in self.servers.values() if server.node.name in nodes]

    def machine(self, name: str) -> Machine:
        return self.sim.machines[name]

    def leader(self) -> str:
        """Who leads in the latest term, as far as one can see from outside."""
        leading = [n for n in self.names if n in self.servers and self.servers[n].node.leadership]
        return max(leading, key=lambda n: self.servers[n].node.term, default=self.names[0])

    def repair(self) -> None:
        """Everything is up, thawed, connected and sound again; a member that was removed may have
        to learn that yet."""
        for name in self.servers:
            machine = self.machine(name)
            if machine.state == "paused":
                machine.resume()
            broken = machine.disks["etcd"].fail_syncs
            machine.disks["etcd"].fail_syncs = False
            if machine.state == "down" or broken:
                machine.restart()
            elif not machine.processes["etcd"].alive:
                machine.revive("etcd")
        self.sim.network.heal()

    def collect(self) -> None:
        """Write down what has changed in the store since the last time."""
        newest = max(self.servers.values(), key=lambda server: server.store.revision)
        first = self.changes[-1].kv.mod_revision + 1 if self.changes else 2
        for events in newest.store.changes(first):
            self.changes += [event for event in events if event.kv.mod_revision >= first]

    @property
    def revision(self) -> int:
        """Up to where `changes` goes."""
        return self.changes[-1].kv.mod_revision if self.changes else 1


class LyingDisk(SimDisk):
    """A disk that says of everything that it is durable, and keeps it in its cache."""

    async def sync(self, path: str) -> None:
        await asyncio.sleep(0.001)
        self._synced(path, 0)

"""A simulated etcd cluster that things happen to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from kube_edu.etcd import EtcdServer
from kube_edu.etcd.messages import Event
from kube_edu.host import Host
from kube_edu.sim import Simulation
from kube_edu.sim.disk import SimDisk
from kube_edu.sim.machine import Machine


class ChaosCluster:
    """Members etcd-1 ..., and a machine of clients. `disk` makes the members' disks."""

    def __init__(
        self,
        seed: int,
        members: int,
        disk: Callable[[Random, Callable[[str, int], None]], SimDisk] = SimDisk,
    ) -> None:
        self.sim = Simulation(seed)
        self.names = [f"etcd-{number + 1}" for number in range(members)]
        self.servers: dict[str, EtcdServer] = {}
        self.changes: list[Event] = []
        for number, name in enumerate(self.names):
            machine = self.sim.machine(name, f"10.0.0.{number + 1}")
            machine.disks["etcd"] = disk(self.sim.random(f"{name}/disk"), machine._synced)
            machine.start("etcd", self._member)
        self.clients = self.sim.machine("clients", "10.0.0.100")

    async def _member(self, host: Host) -> None:
        endpoints = {name: f"{name}:2380" for name in self.names}
        server = self.servers[host.name] = EtcdServer(host, endpoints)
        await host.serve(2379, server.handle, identity="etcd")
        await server.run()

    def machine(self, name: str) -> Machine:
        return self.sim.machines[name]

    def leader(self) -> str:
        """Who leads in the latest term, as far as one can see from outside."""
        leading = [n for n in self.names if n in self.servers and self.servers[n].node.leadership]
        return max(leading, key=lambda n: self.servers[n].node.term, default=self.names[0])

    def repair(self) -> None:
        """Everything is up, thawed, connected and sound again."""
        for name in self.names:
            machine = self.machine(name)
            if machine.state == "paused":
                machine.resume()
            if machine.state == "down" or machine.disks["etcd"].fail_syncs:
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

"""A store and its clients, with nothing of Kubernetes around: what lab 03 plays with.

e = EtcdCluster(members=3, seed=7)
print(e.etcdctl("put greeting hello"))
e.revisions("What happened")
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from kube_edu import parts
from kube_edu.classroom.etcd.client import Etcd
from kube_edu.classroom.etcd.etcdctl import etcdctl
from kube_edu.cluster import Output
from kube_edu.etcd import EtcdClient, EtcdServer
from kube_edu.etcd.messages import CompactionRequest, Event, RangeRequest
from kube_edu.host import Host, HttpClient
from kube_edu.sim import Machine, Stage
from kube_edu.viz.figure import Figure
from kube_edu.viz.revisions import Rider, revisions

T = TypeVar("T")

IDENTITY = "apiserver-etcd-client"


class EtcdCluster(Stage):
    """Machines `etcd-1` … with a member each, and a machine for every client that is asked for.
    When the constructor returns, there is a leader."""

    def __init__(self, members: int = 3, seed: int = 7) -> None:
        super().__init__(seed)
        self.members: dict[str, EtcdServer] = {}
        """By name, for a look inside."""
        self._names = [f"etcd-{number + 1}" for number in range(members)]
        self._changes: list[tuple[Event, ...]] = []
        for number, name in enumerate(self._names):
            machine = self._machine(name, f"192.168.0.{20 + number}")
            started = partial(self.members.__setitem__, name)
            machine.start("etcd", partial(parts.etcd, members=self._names, started=started))
        self._laptop = EtcdClient(self.connections("laptop"))
        self.call(self._laptop.range(RangeRequest(b"-")))  # answered once there is a leader

    # --- clients

    def client(self, name: str) -> Etcd:
        """A client on the machine of this name."""
        return Etcd(self.connections(name))

    def connections(self, name: str) -> list[HttpClient]:
        """Of a client's machine, to every member."""
        machine = self._laptop_of(name)
        if "client" not in machine.processes:
            machine.start("client", _idle)
        return self._dial(machine.processes["client"].host)

    def start(self, name: str, main: Callable[[list[HttpClient]], Awaitable[None]]) -> None:
        """Run a program on the machine of this name; it is given its connections."""

        async def run(host: Host) -> None:
            await main(self._dial(host))

        self._laptop_of(name).start("client", run)

    def _dial(self, host: Host) -> list[HttpClient]:
        endpoints = [f"{member}:{parts.ETCD_CLIENT_PORT}" for member in self._names]
        return [host.connect(endpoint, identity=IDENTITY) for endpoint in endpoints]

    def watcher(
        self, name: str, key: str, start_revision: int = 0, *, prefix: bool = False
    ) -> Rider:
        """Start a client that watches, to be drawn by `revisions`."""
        rider = Rider(name, start_revision or len(self.changes()) + 2, [])

        async def run(clients: list[HttpClient]) -> None:
            async for answer in Etcd(clients).watch(key, start_revision, prefix=prefix):
                rider.refused = answer.canceled
                told = [event.kv.mod_revision for event in answer.events]
                rider.told += [revision for revision in told if revision not in rider.told]

        self.start(name, run)
        self.run_for(0.1)
        return rider

    def _laptop_of(self, name: str) -> Machine:
        """The machine of a client."""
        return self.hosts.get(name) or self._machine(name, f"192.168.1.{len(self.hosts)}")

    def etcdctl(self, command: str, stdin: str = "") -> Output:
        """What etcdctl prints: `e.etcdctl("get --prefix color/")`."""
        self.gather()
        return Output(self.call(etcdctl(self._laptop, command, stdin)))

    # --- inside

    @property
    def leader(self) -> str:
        """The member that leads, "" if none does."""
        up = (name for name in self.members if self.hosts[name].state == "up")
        return next((name for name in up if self.members[name].node.leader == name), "")

    def compact(self, revision: int) -> None:
        self.gather()
        self.call(self._laptop.compact(CompactionRequest(revision)))

    # --- what happened

    @property
    def compacted(self) -> int:
        return max(0, *(member.store.compact_revision for member in self.members.values()))

    def changes(self) -> Sequence[tuple[Event, ...]]:
        """The events of every revision from 2 on, those that etcd has forgotten too."""
        self.gather()
        return self._changes

    def revisions(self, title: str, riders: Sequence[Rider] = ()) -> Figure:
        """What happened, drawn: a column a revision."""
        return revisions(title, self.changes(), riders=riders, compacted=self.compacted)

    def gather(self) -> None:
        """Keep what has happened so far, before a compaction lets etcd forget it."""
        store = max((m.store for m in self.members.values()), key=lambda store: store.revision)
        if store.revision > len(self._changes) + 1:
            self._changes += store.changes(len(self._changes) + 2)


async def _idle(host: Host) -> None:
    await asyncio.Event().wait()

"""A store and its clients, with nothing of Kubernetes around: what lab 03 plays with.

e = EtcdCluster(members=3, seed=7)
print(e.etcdctl("put greeting hello"))
e.revisions("What happened")
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from kube_edu import parts
from kube_edu.classroom.etcd_client import Etcd
from kube_edu.classroom.etcdctl import etcdctl
from kube_edu.cluster import Output
from kube_edu.etcd import EtcdClient, EtcdServer
from kube_edu.etcd.messages import CompactionRequest, Event, RangeRequest
from kube_edu.host import Host, HttpClient
from kube_edu.sim import Machine, Simulation
from kube_edu.trace import Trace
from kube_edu.viz.figure import Figure
from kube_edu.viz.revisions import Rider, revisions

T = TypeVar("T")

IDENTITY = "apiserver-etcd-client"


class EtcdCluster:
    """Machines `etcd-1` … with a member each, and a machine for every client that is asked for.
    When the constructor returns, there is a leader."""

    def __init__(self, members: int = 3, seed: int = 7) -> None:
        self.simulation = Simulation(seed)
        weakref.finalize(self, self.simulation.close)
        self.members: dict[str, EtcdServer] = {}
        """By name, for a look inside."""
        self._names = [f"etcd-{number + 1}" for number in range(members)]
        self._changes: list[tuple[Event, ...]] = []
        for number, name in enumerate(self._names):
            machine = self.simulation.machine(name, f"192.168.0.{20 + number}")
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
        machine = self.simulation.machines.get(name) or self._machine(name)
        if "client" not in machine.processes:
            machine.start("client", _idle)
        return self._dial(machine.processes["client"].host)

    def start(self, name: str, main: Callable[[list[HttpClient]], Awaitable[None]]) -> None:
        """Run a program on the machine of this name; it is given its connections."""

        async def run(host: Host) -> None:
            await main(self._dial(host))

        self._machine(name).start("client", run)

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

    def _machine(self, name: str) -> Machine:
        machines = self.simulation.machines
        return machines.get(name) or self.simulation.machine(name, f"192.168.1.{len(machines)}")

    def etcdctl(self, command: str, stdin: str = "") -> Output:
        """What etcdctl prints: `e.etcdctl("get --prefix color/")`."""
        self.gather()
        return Output(self.call(etcdctl(self._laptop, command, stdin)))

    # --- time and failures

    @property
    def now(self) -> float:
        """Virtual seconds since the machines were switched on."""
        return self.simulation.now

    @property
    def trace(self) -> Trace:
        return self.simulation.trace

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Let time pass until a coroutine is done; returns what it does."""
        return self.simulation.call(coroutine, timeout=90)

    def run_for(self, seconds: float) -> None:
        self.simulation.run_for(seconds)

    def run_until(self, condition: Callable[[], bool], timeout: float = 60.0) -> None:
        self.simulation.run_until(condition, timeout)

    def crash(self, name: str) -> None:
        self.simulation.machines[name].crash()

    def restart(self, name: str) -> None:
        self.simulation.machines[name].restart()

    def pause(self, name: str) -> None:
        self.simulation.machines[name].pause()

    def resume(self, name: str) -> None:
        self.simulation.machines[name].resume()

    def up(self, name: str) -> bool:
        """Whether a machine has power and is not frozen."""
        return self.simulation.machines[name].state == "up"

    def partition(self, *groups: list[str]) -> None:
        self.simulation.network.partition(*groups)

    def heal(self) -> None:
        self.simulation.network.heal()

    @property
    def leader(self) -> str:
        """The member that leads, "" if none does."""
        return next((name for name, member in self.members.items()
                     if self.up(name) and member.node.leader == name), "")  # fmt: skip

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

"""Elections in the simulation: how soon five members have a leader, and many runs of a drama."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from kube_edu.etcd import EtcdServer
from kube_edu.host import Host
from kube_edu.sim import Simulation

NAMES = [f"etcd-{number}" for number in range(1, 6)]


def run() -> Iterator[tuple[str, str, str]]:
    times = [first_election(seed) for seed in range(100)]
    yield (
        "raft, a leader among 5 members, median of 100 seeds",
        f"{statistics.median(times) * 1000:.1f} ms",
        "< 10 ms",
    )
    began = time.perf_counter()
    for seed in range(1000):
        re_election(seed)
    yield "raft, 1,000 seeds of a re-election", f"{time.perf_counter() - began:.1f} s", "< 30 s"


def first_election(seed: int) -> float:
    began = time.perf_counter()
    Members(seed).elect()
    return time.perf_counter() - began


def re_election(seed: int) -> None:
    """The power of the leader fails; another is elected; the first comes back, and follows."""
    members = Members(seed)
    first = members.elect()
    members.sim.machines[first].crash()
    second = members.elect()
    members.sim.machines[first].restart()
    members.sim.run_until(lambda: members.servers[first].node.leader == second)


class Members:
    """Five members of a store in a simulation."""

    def __init__(self, seed: int) -> None:
        self.sim = Simulation(seed)
        self.servers: dict[str, EtcdServer] = {}
        for number, name in enumerate(NAMES):
            self.sim.machine(name, f"10.0.0.{number + 1}").start("etcd", self._main)

    async def _main(self, host: Host) -> None:
        server = EtcdServer(host, {name: f"{name}:2380" for name in NAMES})
        self.servers[host.name] = server
        await server.run()

    def elect(self) -> str:
        """Go on until a member that is up leads."""
        self.sim.run_until(lambda: bool(self._leading()))
        return self._leading()[0]

    def _leading(self) -> list[str]:
        return [
            name
            for name, server in self.servers.items()
            if self.sim.machines[name].state == "up" and server.node.leadership is not None
        ]

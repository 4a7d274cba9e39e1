"""What happens to a cluster: each a function that does it to a member (the "victim")."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.etcd.chaos.cluster import ChaosCluster

Fault = Callable[[ChaosCluster, Random, str], None]


def power_cut(cluster: ChaosCluster, random: Random, victim: str) -> None:
    cluster.machine(victim).crash()


def power_cut_of_most(cluster: ChaosCluster, random: Random, victim: str) -> None:
    for name in random.sample(cluster.names, len(cluster.names) // 2 + 1):
        cluster.machine(name).crash()


def power_cut_of_all(cluster: ChaosCluster, random: Random, victim: str) -> None:
    for name in cluster.names:
        cluster.machine(name).crash()


def kill(cluster: ChaosCluster, random: Random, victim: str) -> None:
    cluster.machine(victim).kill("etcd")


def reboot(cluster: ChaosCluster, random: Random, victim: str) -> None:
    cluster.machine(victim).restart()


def pause(cluster: ChaosCluster, random: Random, victim: str) -> None:
    """The nearest that there is to a jump of a member's clock: to it, time leaps forward when it
    wakes up. (Members count time by their loop, which is monotonic and does not jump.)"""
    cluster.machine(victim).pause()


def isolate(cluster: ChaosCluster, random: Random, victim: str) -> None:
    """Clients still reach everybody: a deposed leader is asked, and must not answer."""
    others = [name for name in cluster.names if name != victim]
    cluster.sim.network.partition([victim], others)


def isolate_with_clients(cluster: ChaosCluster, random: Random, victim: str) -> None:
    others = [name for name in cluster.names if name != victim]
    cluster.sim.network.partition([victim, "clients"], others)


def split(cluster: ChaosCluster, random: Random, victim: str) -> None:
    names = random.sample(cluster.names, len(cluster.names))
    middle = len(names) // 2
    cluster.sim.network.partition(names[:middle], names[middle:])


def one_way(cluster: ChaosCluster, random: Random, victim: str) -> None:
    """The victim is heard, and hears nobody, or the other way round."""
    for name in cluster.names:
        if name != victim:
            ends = (victim, name) if random.random() < 0.5 else (name, victim)
            cluster.sim.network.change(*ends, cut=True)


def bad_network(cluster: ChaosCluster, random: Random, victim: str) -> None:
    cluster.sim.network.change(loss=0.2, duplicate=0.1, reorder=0.2)


def slow_network(cluster: ChaosCluster, random: Random, victim: str) -> None:
    cluster.sim.network.change(victim, latency=random.uniform(0.05, 0.4), jitter=0.1)


def failing_disk(cluster: ChaosCluster, random: Random, victim: str) -> None:
    """Every fsync fails: the member stops, until its machine is restarted."""
    cluster.machine(victim).disks["etcd"].fail_syncs = True


def member_joins(cluster: ChaosCluster, random: Random, victim: str) -> None:
    cluster.sim.loop.create_task(cluster.grow(learner=random.random() < 0.5))


def member_leaves(cluster: ChaosCluster, random: Random, victim: str) -> None:
    cluster.sim.loop.create_task(cluster.shrink(victim))


FAULTS: list[Fault] = [
    power_cut,
    power_cut_of_most,
    power_cut_of_all,
    kill,
    reboot,
    pause,
    isolate,
    isolate_with_clients,
    split,
    one_way,
    bad_network,
    slow_network,
    failing_disk,
    member_joins,
    member_joins,
    member_leaves,
    member_leaves,
]

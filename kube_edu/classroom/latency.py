"""Lab 05: how long a write takes, to put the claim to the test that it waits for a heartbeat."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random

from kube_edu import Cluster
from kube_edu.etcd import EtcdClient
from kube_edu.etcd.messages import PutRequest
from kube_edu.host import Host
from kube_edu.parts import ETCD_CLIENT_PORT


@dataclass(frozen=True, slots=True)
class Put:
    """A write of one key: when the client asked for it, and when it was told that it is done."""

    asked: float
    answered: float


def store(seed: int = 7) -> Cluster:
    """A cluster of three etcd members without any nodes, at a moment when one of them leads."""
    cluster = Cluster(nodes=0, etcd_members=3, seed=seed)
    cluster.simulation.machine("client", "192.168.0.99")
    cluster.run_until(lambda: leader_of(cluster) != "")
    cluster.run_for(2)
    return cluster


def leader_of(cluster: Cluster) -> str:
    """The member that leads, or ""."""
    return next((name for name, member in cluster.etcd.items() if member.node.leadership), "")


def lose_messages(cluster: Cluster, share: float) -> None:
    """From now on members lose this share of what they say to one another."""
    for one, other in combinations(cluster.etcd, 2):
        cluster.network.change(one, other, loss=share)
        cluster.network.change(other, one, loss=share)


def put_at_random(cluster: Cluster, count: int) -> list[Put]:
    """Write a key `count` times, each at a moment that chance chooses, through the leader."""
    puts: list[Put] = []
    leader, random = leader_of(cluster), Random(count)

    async def client(host: Host) -> None:
        endpoint = f"{leader}:{ETCD_CLIENT_PORT}"
        etcd = EtcdClient([host.connect(endpoint, identity="apiserver-etcd-client")])
        for number in range(count):
            await asyncio.sleep(0.05 + 0.1 * random.random())
            asked = cluster.now
            await etcd.put(PutRequest(key=b"colour", value=f"{number}".encode()))
            puts.append(Put(asked, cluster.now))

    cluster.simulation.machines["client"].start(f"writes-{cluster.now:.0f}", client)
    cluster.run_until(lambda: len(puts) == count, timeout=60.0 + count)
    return puts


def heartbeats(cluster: Cluster) -> Sequence[float]:
    """The moments at which the leader sent heartbeats."""
    sent = cluster.trace.select("raft.send", type="MsgHeartbeat", host=leader_of(cluster))
    return list(dict.fromkeys(event.time for event in sent))

"""Lab 05: clients of a store of three members, who ask one of them and look at the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random
from typing import TypeVar

from kube_edu import Cluster
from kube_edu.etcd import EtcdClient
from kube_edu.etcd.errors import EtcdError
from kube_edu.etcd.messages import PutRequest, RangeRequest
from kube_edu.host import Host
from kube_edu.parts import ETCD_CLIENT_PORT

T = TypeVar("T")


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


def ask(cluster: Cluster, member: str, request: Callable[[EtcdClient], Awaitable[T]]) -> T | str:
    """Let a client ask one member, and wait for the answer; an error in words."""
    answers: list[T | str] = []

    async def client(host: Host) -> None:
        endpoint = f"{member}:{ETCD_CLIENT_PORT}"
        etcd = EtcdClient([host.connect(endpoint, identity="apiserver-etcd-client")])
        try:
            answers.append(await request(etcd))
        except EtcdError as error:
            answers.append(str(error))

    cluster.simulation.machines["client"].start(f"client-{cluster.now:.6f}", client)
    cluster.run_until(lambda: bool(answers), timeout=600.0)
    return answers[0]


def put(cluster: Cluster, member: str, value: str) -> str:
    """Write the key `colour` through this member."""

    async def request(etcd: EtcdClient) -> str:
        await etcd.put(PutRequest(key=b"colour", value=value.encode()))
        return "written"

    return ask(cluster, member, request)


def get(cluster: Cluster, member: str, serializable: bool = False) -> str:
    """Read it; what `serializable` means is etcd's: from this member's own state, as it is."""

    async def request(etcd: EtcdClient) -> str:
        found = await etcd.range(RangeRequest(key=b"colour", serializable=serializable))
        return found.kvs[0].value.decode() if found.kvs else "(nothing)"

    return ask(cluster, member, request)


def put_at_random(cluster: Cluster, count: int) -> list[Put]:
    """Write a key `count` times, each at a moment that chance chooses, through the leader."""
    puts: list[Put] = []
    random = Random(count)

    async def request(etcd: EtcdClient) -> None:
        for number in range(count):
            await asyncio.sleep(0.05 + 0.1 * random.random())
            asked = cluster.now
            await etcd.put(PutRequest(key=b"colour", value=f"{number}".encode()))
            puts.append(Put(asked, cluster.now))

    ask(cluster, leader_of(cluster), request)
    return puts


def heartbeats(cluster: Cluster) -> Sequence[float]:
    """The moments at which the leader sent heartbeats."""
    sent = cluster.trace.select("raft.send", type="MsgHeartbeat", host=leader_of(cluster))
    return list(dict.fromkeys(event.time for event in sent))

"""Clients that write down what they asked and what they were answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from kube_edu.classroom.checkers.history import Action, Delete, Get, History, Put, Txn
from kube_edu.classroom.checkers.watch_guarantees import Received, Watched
from kube_edu.etcd import EtcdClient, EtcdError
from kube_edu.etcd.messages import (
    CompactionRequest,
    Compare,
    CompareTarget,
    DeleteRangeRequest,
    LeaseGrantRequest,
    LeaseKeepAliveRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    ResponseOp,
    TxnRequest,
    WatchCreateRequest,
)
from kube_edu.host import Host, HttpClient, Request, Response
from kube_edu.sim import Simulation
from tests.etcd.chaos.cluster import ChaosCluster

KEYS = ("a", "b", "c")
PATIENCE = 1.0
"""Seconds until a client gives up. What it asked for may happen all the same."""

THINK = 0.25
"""Seconds between two requests of a client, at the most."""


@dataclass(slots=True)
class Lease:
    """A lease with a key of its own, and since when its time surely runs."""

    key: str
    ttl: int
    since: float
    put: bool = False


@dataclass(slots=True)
class Notes:
    """All that clients saw. Serializable reads may be old, and are kept apart."""

    sim: Simulation
    history: History = field(init=False)
    serializable: History = field(init=False)
    watches: list[Watched] = field(default_factory=list)
    leases: list[Lease] = field(default_factory=list)
    compacted: int = 0

    def __post_init__(self) -> None:
        self.history = History(lambda: self.sim.now)
        self.serializable = History(lambda: self.sim.now)


async def traffic(cluster: ChaosCluster, notes: Notes, host: Host) -> None:
    """One client with its mix of reads and writes, without end."""
    random, name = host.random, f"client {host.random.randrange(1000)}"
    client = connected(cluster, host)
    known: dict[str, str | None] = {}
    for number in range(1_000_000):
        await asyncio.sleep(random.uniform(0, THINK))
        action = chosen(random, known, f"{name.split()[1]}.{number}")
        serializable = isinstance(action, Get) and random.random() < 0.2
        history = notes.serializable if serializable else notes.history
        call = history.call(name, action)
        try:
            async with asyncio.timeout(PATIENCE):
                answer, revision = await done(client, action, serializable)
        except (EtcdError, TimeoutError):
            client = connected(cluster, host)  # others may be members now
            continue  # and this is in doubt
        history.answer(call, answer, revision)
        if isinstance(action, Get):
            known[action.key] = answer


def chosen(random: Random, known: dict[str, str | None], value: str) -> Action:
    """What to do next. Every value is written but once."""
    key, other = random.sample(KEYS, 2)
    dice = random.random()
    if dice < 0.35:
        return Put(key, value)
    if dice < 0.65 or key not in known:
        return Get(key)
    if dice < 0.75:
        return Delete(key)
    compare = ((key, known[key]),)  # what it was when this client saw it last
    if dice < 0.9:
        return Txn(compare, (Put(key, value),), (Get(key),))
    return Txn(compare, (Delete(key), Put(other, value)), (Get(key), Get(other)))


async def done(client: EtcdClient, action: Action, serializable: bool) -> tuple[Any, int]:
    """The answer to an action, and the revision that it is of."""
    response: Any
    if isinstance(action, Txn):
        response = await client.txn(transaction(action))
        answer: Any = (response.succeeded, tuple(map(told, response.responses)))
    elif isinstance(action, Put):
        response = await client.put(PutRequest(action.key.encode(), action.value.encode()))
        answer = True
    elif isinstance(action, Delete):
        response = await client.delete_range(DeleteRangeRequest(action.key.encode()))
        answer = response.deleted > 0
    else:
        request = RangeRequest(action.key.encode(), serializable=serializable)
        response = await client.range(request)
        answer = response.kvs[0].value.decode() if response.kvs else None
    return answer, response.header.revision


def transaction(action: Txn) -> TxnRequest:
    compare = tuple(
        Compare(target=CompareTarget.CREATE, key=key.encode(), create_revision=0)
        if value is None
        else Compare(target=CompareTarget.VALUE, key=key.encode(), value=value.encode())
        for key, value in action.compare
    )
    success, failure = (tuple(map(operation, ops)) for ops in (action.success, action.failure))
    return TxnRequest(compare, success, failure)


def operation(action: Get | Put | Delete) -> RequestOp:
    key = action.key.encode()
    if isinstance(action, Put):
        return RequestOp(request_put=PutRequest(key, action.value.encode()))
    if isinstance(action, Delete):
        return RequestOp(request_delete_range=DeleteRangeRequest(key))
    return RequestOp(request_range=RangeRequest(key))


def told(response: ResponseOp) -> Any:
    if response.response_put is not None:
        return True
    if response.response_delete_range is not None:
        return response.response_delete_range.deleted > 0
    assert response.response_range is not None
    kvs = response.response_range.kvs
    return kvs[0].value.decode() if kvs else None


async def leases(cluster: ChaosCluster, notes: Notes, host: Host) -> None:
    """Keys that hang on leases, which are kept alive for a while."""
    client = connected(cluster, host)
    for number in range(1, 1_000_000):
        ttl = host.random.randint(2, 4)
        lease = Lease(f"lease-{number}", ttl, notes.sim.now)
        try:
            granted = await client.lease_grant(LeaseGrantRequest(ttl, number))
            request = PutRequest(lease.key.encode(), b"1", granted.ID)
            notes.leases.append(lease)
            await client.put(request)
            for _ in range(host.random.randrange(4)):
                await asyncio.sleep(ttl / 3)
                asked = notes.sim.now
                if (await client.lease_keep_alive(LeaseKeepAliveRequest(number))).TTL:
                    lease.since = asked
        except EtcdError:
            pass
        await asyncio.sleep(ttl / 2)


async def compactor(cluster: ChaosCluster, notes: Notes, host: Host) -> None:
    """Forgets the past now and then; the notes have it."""
    client = connected(cluster, host)
    while True:
        await asyncio.sleep(host.random.uniform(2, 6))
        revision = cluster.revision - host.random.randrange(20)
        if revision > notes.compacted + 10:
            notes.compacted = revision
            with suppress(EtcdError):
                await client.compact(CompactionRequest(revision))


async def watcher(cluster: ChaosCluster, notes: Notes, host: Host) -> None:
    """Watches without end, and begins anew where a watch was canceled. What it sees is noted, and
    so is what each member sent it on each stream."""
    random = host.random
    request = WatchCreateRequest(
        *random.choice([(b"a", b""), (b"a", b"c"), (b"\0", b"\0")]),
        start_revision=random.choice([0, 1]),
        prev_kv=random.random() < 0.5,
        progress_notify=random.random() < 0.5,
        filters=random.choice([(), (), (0,), (1,)]),
    )
    client = connected(cluster, host, notes)
    while True:
        watched = Watched("the client", request)
        notes.watches.append(watched)
        async with aclosing(client.watch(request)) as responses:
            async for response in responses:
                watched.received.append(Received(notes.sim.now, response))
                if response.canceled:
                    request = replace(request, start_revision=response.compact_revision)
        await asyncio.sleep(0.1)


def connected(cluster: ChaosCluster, host: Host, notes: Notes | None = None) -> EtcdClient:
    """A client of all members, which asks a random one first."""
    names = host.random.sample(cluster.names, len(cluster.names))
    clients = [host.connect(f"{name}:2379", identity="admin") for name in names]
    if notes is None:
        return EtcdClient(clients)
    return EtcdClient([Tap(*pair, notes) for pair in zip(names, clients, strict=True)])


class Tap:
    """A connection on which the watches are noted."""

    def __init__(self, name: str, client: HttpClient, notes: Notes) -> None:
        self._name = name
        self._client = client
        self._notes = notes

    async def request(self, request: Request) -> Response:
        response = await self._client.request(request)
        if response.stream is not None:
            watched = Watched(self._name, request.body.create_request)
            self._notes.watches.append(watched)
            response.stream = TappedStream(response.stream, watched, self._notes.sim)
        return response

    async def close(self) -> None:
        await self._client.close()


class TappedStream:
    def __init__(self, stream: AsyncIterator[Any], watched: Watched, sim: Simulation) -> None:
        self._stream = stream
        self._watched = watched
        self._sim = sim

    def __aiter__(self) -> TappedStream:
        return self

    async def __anext__(self) -> Any:
        message = await anext(self._stream)
        self._watched.received.append(Received(self._sim.now, message))
        return message

    async def aclose(self) -> None:
        await self._stream.aclose()  # type: ignore[attr-defined]

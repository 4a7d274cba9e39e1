"""Locks and elections, made of keys, leases and watches (etcd: client/v3/concurrency, and the
services v3lock and v3election).

Who wants the lock puts a key `<name>/<lease in hex>` under a lease. Keys line up in the order of
their creation: the first one holds the lock, and each waits only for the one before it, so that a
release wakes one and not all. A holder that dies loses its key with its lease.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from kube_edu.etcd.client import EtcdClient
from kube_edu.etcd.errors import EtcdError
from kube_edu.etcd.messages import (
    Compare,
    CompareTarget,
    DeleteRangeRequest,
    Event,
    EventType,
    KeyValue,
    LeaseGrantRequest,
    PutRequest,
    RangeRequest,
    RangeResponse,
    RequestOp,
    ResponseHeader,
    SortOrder,
    SortTarget,
    TxnRequest,
    WatchCreateRequest,
    prefix_end,
)
from kube_edu.etcd.service_messages import (
    CampaignRequest,
    CampaignResponse,
    HeaderOnly,
    LeaderKey,
    LeaderRequest,
    LeaderResponse,
    LockRequest,
    LockResponse,
    ProclaimRequest,
    ResignRequest,
    UnlockRequest,
)

SESSION_TTL = 60
"""Seconds, for those who bring no lease of their own; like etcd, we do not keep it alive."""


class Lock:
    """The service v3lockpb.Lock."""

    def __init__(self, client: EtcdClient) -> None:
        self._client = client

    async def lock(self, request: LockRequest) -> LockResponse:
        """Return when the lock is held. Who gives up waiting gives up the place in the line."""
        place = await enter(self._client, request.name, request.lease, b"")
        await wait_for_turn(self._client, request.name, place)
        still = await self._client.range(RangeRequest(place.key))
        if not still.kvs:
            raise EtcdError("Unknown", "mutex: session is expired")
        return LockResponse(still.header, place.key)

    async def unlock(self, request: UnlockRequest) -> HeaderOnly:
        deleted = await self._client.delete_range(DeleteRangeRequest(request.key))
        return HeaderOnly(deleted.header)


class Election:
    """The service v3electionpb.Election: a lock whose holder says something by its value."""

    def __init__(self, client: EtcdClient) -> None:
        self._client = client

    async def campaign(self, request: CampaignRequest) -> CampaignResponse:
        """Return when elected."""
        place = await enter(self._client, request.name, request.lease, request.value)
        leader = LeaderKey(request.name, place.key, place.create_revision, place.lease)
        if place.value != request.value:  # it stood already, and says something else now
            await self.proclaim(ProclaimRequest(leader, request.value))
        await wait_for_turn(self._client, request.name, place)
        header = (await self._client.range(RangeRequest(place.key))).header
        return CampaignResponse(header, leader)

    async def proclaim(self, request: ProclaimRequest) -> HeaderOnly:
        """The leader says something new."""
        leader = _given(request.leader)
        put = RequestOp(request_put=PutRequest(leader.key, request.value, leader.lease))
        answer = await self._client.txn(TxnRequest((_unchanged(leader),), (put,)))
        if not answer.succeeded:
            raise EtcdError("Unknown", "election: not leader")
        return HeaderOnly(answer.header)

    async def leader(self, request: LeaderRequest) -> LeaderResponse:
        found = await _first(self._client, request.name)
        if not found.kvs:
            raise EtcdError("Unknown", "election: no leader")
        return LeaderResponse(found.header, found.kvs[0])

    async def observe(self, request: LeaderRequest) -> AsyncIterator[LeaderResponse]:
        """All that the leaders say, one leader after the other."""
        return self._observe(request.name)

    async def _observe(self, name: bytes) -> AsyncIterator[LeaderResponse]:
        while True:
            found = await _first(self._client, name)
            key, end = (found.kvs[0].key, b"") if found.kvs else _line(name)
            if found.kvs:
                yield LeaderResponse(found.header, found.kvs[0])
            async with aclosing(_events(self._client, key, end, found.header)) as events:
                async for header, event in events:
                    if not found.kvs or event.type is EventType.DELETE:
                        break  # there is a leader now, or there is none any more
                    yield LeaderResponse(header, event.kv)

    async def resign(self, request: ResignRequest) -> HeaderOnly:
        leader = _given(request.leader)
        delete = RequestOp(request_delete_range=DeleteRangeRequest(leader.key))
        answer = await self._client.txn(TxnRequest((_unchanged(leader),), (delete,)))
        return HeaderOnly(answer.header)


# -- the line ---------------------------------------------------------------------------------


async def enter(client: EtcdClient, name: bytes, lease: int, value: bytes) -> KeyValue:
    """Take a place at the end of the line, or find the one that this lease has already."""
    lease = lease or (await client.lease_grant(LeaseGrantRequest(SESSION_TTL))).ID
    key = name + b"/%x" % lease
    absent = Compare(target=CompareTarget.CREATE, key=key, create_revision=0)
    put = RequestOp(request_put=PutRequest(key, value, lease))
    get = RequestOp(request_range=RangeRequest(key))
    answer = await client.txn(TxnRequest((absent,), (put, get), (get,)))
    found = answer.responses[-1].response_range
    assert found is not None
    return found.kvs[0]


async def wait_for_turn(client: EtcdClient, name: bytes, place: KeyValue) -> None:
    """Return when nobody is before this place."""
    key, end = _line(name)
    before = RangeRequest(
        key,
        end,
        limit=1,
        sort_order=SortOrder.DESCEND,
        sort_target=SortTarget.CREATE,
        max_create_revision=place.create_revision - 1,
    )
    try:
        while (found := await client.range(before)).kvs:
            async with aclosing(_events(client, found.kvs[0].key, b"", found.header)) as events:
                async for _, event in events:
                    if event.type is EventType.DELETE:
                        break
    except BaseException:
        await client.delete_range(DeleteRangeRequest(place.key))
        raise


async def _events(
    client: EtcdClient, key: bytes, end: bytes, seen: ResponseHeader | None
) -> AsyncGenerator[tuple[ResponseHeader | None, Event], None]:
    """What happens to some keys after what was seen."""
    assert seen is not None
    watch = WatchCreateRequest(key, end, seen.revision + 1)
    async with aclosing(client.watch(watch)) as responses:
        async for response in responses:
            for event in response.events:
                yield response.header, event


async def _first(client: EtcdClient, name: bytes) -> RangeResponse:
    """Who holds the lock, or leads."""
    first = RangeRequest(
        *_line(name), limit=1, sort_order=SortOrder.ASCEND, sort_target=SortTarget.CREATE
    )
    return await client.range(first)


def _line(name: bytes) -> tuple[bytes, bytes]:
    return name + b"/", prefix_end(name + b"/")


def _unchanged(leader: LeaderKey) -> Compare:
    return Compare(target=CompareTarget.CREATE, key=leader.key, create_revision=leader.rev)


def _given(leader: LeaderKey | None) -> LeaderKey:
    if leader is None:
        raise EtcdError("Unknown", '"leader" field must be provided')
    return leader

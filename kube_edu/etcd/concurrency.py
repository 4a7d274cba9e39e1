"""Locks and elections, made of keys, leases and watches (etcd: client/v3/concurrency, and the
services v3lock and v3election).

Who wants the lock puts a key `<name>/<lease in hex>` under a lease. Keys line up in the order of
their creation: the first one holds the lock, and each waits only for the one before it, so that a
release wakes one and not all. A holder that dies loses its key with its lease.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from kube_edu.etcd import messages as rpc
from kube_edu.etcd import service_messages as ops
from kube_edu.etcd.client import EtcdClient
from kube_edu.etcd.errors import EtcdError

SESSION_TTL = 60
"""Seconds, for those who bring no lease of their own; like etcd, we do not keep it alive."""


class Lock:
    """The service v3lockpb.Lock."""

    def __init__(self, client: EtcdClient) -> None:
        self._client = client

    async def lock(self, request: ops.LockRequest) -> ops.LockResponse:
        """Return when the lock is held. Who gives up waiting gives up the place in the line."""
        place = await enter(self._client, request.name, request.lease, b"")
        await wait_for_turn(self._client, request.name, place)
        still = await self._client.range(rpc.RangeRequest(place.key))
        if not still.kvs:
            raise EtcdError("Unknown", "mutex: session is expired")
        return ops.LockResponse(still.header, place.key)

    async def unlock(self, request: ops.UnlockRequest) -> ops.HeaderOnly:
        deleted = await self._client.delete_range(rpc.DeleteRangeRequest(request.key))
        return ops.HeaderOnly(deleted.header)


class Election:
    """The service v3electionpb.Election: a lock whose holder says something by its value."""

    def __init__(self, client: EtcdClient) -> None:
        self._client = client

    async def campaign(self, request: ops.CampaignRequest) -> ops.CampaignResponse:
        """Return when elected."""
        place = await enter(self._client, request.name, request.lease, request.value)
        leader = ops.LeaderKey(request.name, place.key, place.create_revision, place.lease)
        if place.value != request.value:  # it stood already, and says something else now
            await self.proclaim(ops.ProclaimRequest(leader, request.value))
        await wait_for_turn(self._client, request.name, place)
        header = (await self._client.range(rpc.RangeRequest(place.key))).header
        return ops.CampaignResponse(header, leader)

    async def proclaim(self, request: ops.ProclaimRequest) -> ops.HeaderOnly:
        """The leader says something new."""
        leader = _given(request.leader)
        put = rpc.RequestOp(request_put=rpc.PutRequest(leader.key, request.value, leader.lease))
        answer = await self._client.txn(rpc.TxnRequest((_unchanged(leader),), (put,)))
        if not answer.succeeded:
            raise EtcdError("Unknown", "election: not leader")
        return ops.HeaderOnly(answer.header)

    async def leader(self, request: ops.LeaderRequest) -> ops.LeaderResponse:
        found = await _first(self._client, request.name)
        if not found.kvs:
            raise EtcdError("Unknown", "election: no leader")
        return ops.LeaderResponse(found.header, found.kvs[0])

    async def observe(self, request: ops.LeaderRequest) -> AsyncIterator[ops.LeaderResponse]:
        """All that the leaders say, one leader after the other."""
        return self._observe(request.name)

    async def _observe(self, name: bytes) -> AsyncIterator[ops.LeaderResponse]:
        while True:
            found = await _first(self._client, name)
            key, end = (found.kvs[0].key, b"") if found.kvs else _line(name)
            if found.kvs:
                yield ops.LeaderResponse(found.header, found.kvs[0])
            async with aclosing(_events(self._client, key, end, found.header)) as events:
                async for header, event in events:
                    if not found.kvs or event.type is rpc.EventType.DELETE:
                        break  # there is a leader now, or there is none any more
                    yield ops.LeaderResponse(header, event.kv)

    async def resign(self, request: ops.ResignRequest) -> ops.HeaderOnly:
        leader = _given(request.leader)
        delete = rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(leader.key))
        answer = await self._client.txn(rpc.TxnRequest((_unchanged(leader),), (delete,)))
        return ops.HeaderOnly(answer.header)


# -- the line ---------------------------------------------------------------------------------


async def enter(client: EtcdClient, name: bytes, lease: int, value: bytes) -> rpc.KeyValue:
    """Take a place at the end of the line, or find the one that this lease has already."""
    lease = lease or (await client.lease_grant(rpc.LeaseGrantRequest(SESSION_TTL))).ID
    key = name + b"/%x" % lease
    absent = rpc.Compare(target=rpc.CompareTarget.CREATE, key=key, create_revision=0)
    put = rpc.RequestOp(request_put=rpc.PutRequest(key, value, lease))
    get = rpc.RequestOp(request_range=rpc.RangeRequest(key))
    answer = await client.txn(rpc.TxnRequest((absent,), (put, get), (get,)))
    found = answer.responses[-1].response_range
    assert found is not None
    return found.kvs[0]


async def wait_for_turn(client: EtcdClient, name: bytes, place: rpc.KeyValue) -> None:
    """Return when nobody is before this place."""
    key, end = _line(name)
    before = rpc.RangeRequest(
        key,
        end,
        limit=1,
        sort_order=rpc.SortOrder.DESCEND,
        sort_target=rpc.SortTarget.CREATE,
        max_create_revision=place.create_revision - 1,
    )
    try:
        while (found := await client.range(before)).kvs:
            async with aclosing(_events(client, found.kvs[0].key, b"", found.header)) as events:
                async for _, event in events:
                    if event.type is rpc.EventType.DELETE:
                        break
    except BaseException:
        await client.delete_range(rpc.DeleteRangeRequest(place.key))
        raise


async def _events(
    client: EtcdClient, key: bytes, end: bytes, seen: rpc.ResponseHeader | None
) -> AsyncGenerator[tuple[rpc.ResponseHeader | None, rpc.Event], None]:
    """What happens to some keys after what was seen."""
    assert seen is not None
    watch = rpc.WatchCreateRequest(key, end, seen.revision + 1)
    async with aclosing(client.watch(watch)) as responses:
        async for response in responses:
            for event in response.events:
                yield response.header, event


async def _first(client: EtcdClient, name: bytes) -> rpc.RangeResponse:
    """Who holds the lock, or leads."""
    first = rpc.RangeRequest(
        *_line(name), limit=1, sort_order=rpc.SortOrder.ASCEND, sort_target=rpc.SortTarget.CREATE
    )
    return await client.range(first)


def _line(name: bytes) -> tuple[bytes, bytes]:
    return name + b"/", rpc.prefix_end(name + b"/")


def _unchanged(leader: ops.LeaderKey) -> rpc.Compare:
    return rpc.Compare(target=rpc.CompareTarget.CREATE, key=leader.key, create_revision=leader.rev)


def _given(leader: ops.LeaderKey | None) -> ops.LeaderKey:
    if leader is None:
        raise EtcdError("Unknown", '"leader" field must be provided')
    return leader

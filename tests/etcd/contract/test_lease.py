"""Leases, and what is made of them: locks and elections."""

from __future__ import annotations

import asyncio

import pytest

from kube_edu.etcd import EtcdError
from kube_edu.etcd.messages import (
    LeaseGrantRequest,
    LeaseKeepAliveRequest,
    LeaseRevokeRequest,
    LeaseTimeToLiveRequest,
)
from kube_edu.etcd.service_messages import (
    CampaignRequest,
    CampaignResponse,
    Empty,
    HeaderOnly,
    LeaderRequest,
    LeaderResponse,
    LeaseLeasesResponse,
    LockRequest,
    LockResponse,
    ProclaimRequest,
    ResignRequest,
    UnlockRequest,
)
from tests.etcd.contract.stores import Run, Store, keys, revision


async def grant(store: Store, ttl: int = 100, id: int = 0) -> int:
    return (await store.client.lease_grant(LeaseGrantRequest(ttl, id))).ID


async def leases(store: Store) -> list[int]:
    answer = await store.ask("etcdserverpb.Lease/LeaseLeases", Empty(), LeaseLeasesResponse)
    return sorted(lease.ID for lease in answer.leases)


def test_a_lease_knows_its_keys_and_takes_them_along_in_one_revision(store: Run) -> None:
    async def test(store: Store) -> None:
        lease = await grant(store, id=0x1234)
        assert lease == 0x1234
        for key in ("b", "a", "c"):
            await store.put(key, lease=lease)
        now = await store.put("c")  # no longer its key
        about = await store.client.lease_time_to_live(LeaseTimeToLiveRequest(lease, True))
        assert (about.grantedTTL, sorted(about.keys)) == (100, [b"a", b"b"])
        assert 90 < about.TTL <= 100
        assert await leases(store) == [lease]
        watches = await store.watches()
        watches.create("\0", "\0")
        await watches.next()
        revoked = await store.client.lease_revoke(LeaseRevokeRequest(lease))
        assert revision(revoked.header) == now + 1
        assert sorted(e.kv.key for e in (await watches.next()).events) == [b"a", b"b"]
        assert keys(await store.get("\0", "\0")) == ["c"]
        assert await leases(store) == []
        await watches.close()

    store(test)


def test_a_lease_that_nobody_keeps_alive_ends(store: Run) -> None:
    async def test(store: Store) -> None:
        kept, left = await grant(store, 2), await grant(store, 2)
        await store.put("kept", lease=kept)
        await store.put("left", lease=left)
        for _ in range(5):
            answer = await store.client.lease_keep_alive(LeaseKeepAliveRequest(kept))
            assert (kept, 2) == (answer.ID, answer.TTL)
            await asyncio.sleep(1)
        assert keys(await store.get("\0", "\0")) == ["kept"]
        answer = await store.client.lease_keep_alive(LeaseKeepAliveRequest(left))
        assert answer.TTL == 0
        about = await store.client.lease_time_to_live(LeaseTimeToLiveRequest(left))
        assert (left, -1) == (about.ID, about.TTL)

    store(test)


def test_a_short_lease_is_made_longer_and_a_lease_without_an_id_gets_one(store: Run) -> None:
    async def test(store: Store) -> None:
        answer = await store.client.lease_grant(LeaseGrantRequest(TTL=1))
        assert answer.TTL == 2
        assert answer.ID > 0

    store(test)


def test_wrong_leases_are_refused(store: Run) -> None:
    async def test(store: Store) -> None:
        await grant(store, id=5)
        for refused, text in (
            (LeaseGrantRequest(10, 5), "FailedPrecondition: etcdserver: lease already exists"),
            (LeaseGrantRequest(9_000_000_001), "OutOfRange: etcdserver: too large lease TTL"),
            (LeaseRevokeRequest(6), "NotFound: etcdserver: requested lease not found"),
        ):
            with pytest.raises(EtcdError) as error:
                if isinstance(refused, LeaseGrantRequest):
                    await store.client.lease_grant(refused)
                else:
                    await store.client.lease_revoke(refused)
            assert str(error.value) == text

    store(test)


def test_a_lock_goes_from_one_to_the_next_in_the_order_of_asking(store: Run) -> None:
    async def test(store: Store) -> None:
        one, two = await grant(store), await grant(store)

        async def lock(lease: int) -> bytes:
            request = LockRequest(b"door", lease)
            return (await store.ask("v3lockpb.Lock/Lock", request, LockResponse)).key

        key = await lock(one)
        assert key == b"door/%x" % one
        assert await lock(one) == key  # it is held already
        waiting = asyncio.create_task(lock(two))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        await store.ask("v3lockpb.Lock/Unlock", UnlockRequest(key), HeaderOnly)
        assert await waiting == b"door/%x" % two
        await store.client.lease_revoke(LeaseRevokeRequest(two))
        assert await lock(one) == key

    store(test)


def test_who_gives_up_waiting_gives_up_the_place_in_the_line(store: Run) -> None:
    async def test(store: Store) -> None:
        one, two = await grant(store), await grant(store)
        await store.ask("v3lockpb.Lock/Lock", LockRequest(b"door", one), LockResponse)
        waiting = asyncio.create_task(
            store.ask("v3lockpb.Lock/Lock", LockRequest(b"door", two), LockResponse)
        )
        await asyncio.sleep(0.5)
        assert len((await store.get("door/", "door0")).kvs) == 2
        waiting.cancel()
        await asyncio.sleep(0.5)
        assert len((await store.get("door/", "door0")).kvs) == 1

    store(test)


def test_an_election_has_one_leader_at_a_time_and_all_can_watch(store: Run) -> None:
    async def test(store: Store) -> None:
        one, two = await grant(store), await grant(store)

        async def campaign(lease: int, value: bytes) -> CampaignResponse:
            request = CampaignRequest(b"crown", lease, value)
            return await store.ask("v3electionpb.Election/Campaign", request, CampaignResponse)

        async def leader() -> bytes:
            method, request = "v3electionpb.Election/Leader", LeaderRequest(b"crown")
            kv = (await store.ask(method, request, LeaderResponse)).kv
            assert kv is not None
            return kv.value

        with pytest.raises(EtcdError) as error:
            await leader()
        assert str(error.value) == "Unknown: election: no leader"
        first = (await campaign(one, b"one")).leader
        assert first is not None
        assert (first.name, first.key, first.lease) == (b"crown", b"crown/%x" % one, one)
        assert await leader() == b"one"
        observed = store.stream(
            "v3electionpb.Election/Observe", LeaderRequest(b"crown"), LeaderResponse
        )
        values = [(await anext(observed)).kv]
        waiting = asyncio.create_task(campaign(two, b"two"))
        await asyncio.sleep(0.3)
        proclaim = ProclaimRequest(first, b"one again")
        await store.ask("v3electionpb.Election/Proclaim", proclaim, HeaderOnly)
        values.append((await anext(observed)).kv)
        await store.ask("v3electionpb.Election/Resign", ResignRequest(first), HeaderOnly)
        values.append((await anext(observed)).kv)
        assert [kv and kv.value for kv in values] == [b"one", b"one again", b"two"]
        second = (await waiting).leader
        assert second is not None
        assert second.lease == two
        with pytest.raises(EtcdError) as error:
            await store.ask("v3electionpb.Election/Proclaim", proclaim, HeaderOnly)
        assert str(error.value) == "Unknown: election: not leader"
        await observed.aclose()  # type: ignore[attr-defined]

    store(test)

"""What operators ask, and what a member says to a method that it does not have."""

from __future__ import annotations

import pytest

from kube_edu.etcd import EtcdError
from kube_edu.etcd.messages import CompactionRequest, PutRequest
from kube_edu.etcd.service_messages import (
    Empty,
    HashKVRequest,
    HashKVResponse,
    HashResponse,
    HeaderOnly,
    MemberListResponse,
    MoveLeaderRequest,
    SnapshotResponse,
    StatusResponse,
)
from tests.etcd.contract.stores import SERVED, Run, Store, revision

MAINTENANCE = "etcdserverpb.Maintenance"


def test_status_tells_who_leads_and_how_far_the_member_is(store: Run) -> None:
    async def test(store: Store) -> None:
        now = await store.put("a")
        status = await store.ask(f"{MAINTENANCE}/Status", Empty(), StatusResponse)
        header = status.header
        assert header is not None
        assert status.version.startswith("3.")
        assert status.leader != 0
        assert status.raftTerm == header.raft_term > 0
        assert status.raftIndex >= status.raftAppliedIndex > 0
        assert status.dbSize >= status.dbSizeInUse > 0
        assert (status.errors, status.isLearner) == ((), False)
        assert revision((await store.get("a")).header) == now
        assert header.cluster_id != 0
        assert header.member_id != 0

    store(test)


def test_a_hash_is_of_what_is_stored_and_of_nothing_else(store: Run) -> None:
    async def test(store: Store) -> None:
        async def hash_at(revision: int) -> int:
            request = HashKVRequest(revision)
            return (await store.ask(f"{MAINTENANCE}/HashKV", request, HashKVResponse)).hash

        first = await store.put("a", "1")
        before = await hash_at(0)
        await store.put("a", "2")
        assert await hash_at(first) == before
        assert await hash_at(0) != before
        whole = await store.ask(f"{MAINTENANCE}/Hash", Empty(), HashResponse)
        assert whole == await store.ask(f"{MAINTENANCE}/Hash", Empty(), HashResponse)
        await store.client.compact(CompactionRequest(first + 1))
        for wrong, text in (
            (first, "etcdserver: mvcc: required revision has been compacted"),
            (first + 100, "etcdserver: mvcc: required revision is a future revision"),
        ):
            with pytest.raises(EtcdError) as error:
                await hash_at(wrong)
            assert str(error.value) == f"OutOfRange: {text}"

    store(test)


def test_there_are_no_alarms_and_a_store_can_be_defragmented(store: Run) -> None:
    async def test(store: Store) -> None:
        now = await store.put("a")
        for method in ("Alarm", "Defragment"):
            answer = await store.ask(f"{MAINTENANCE}/{method}", Empty(), HeaderOnly)
            assert answer.header is None or answer.header.revision in (0, now)

    store(test)


def test_a_snapshot_is_a_stream_that_says_how_much_is_left(store: Run) -> None:
    async def test(store: Store) -> None:
        await store.put("a", "x" * 200_000)
        stream = store.stream(f"{MAINTENANCE}/Snapshot", Empty(), SnapshotResponse)
        parts = [part async for part in stream]
        whole = sum(len(part.blob) for part in parts)
        assert whole > 200_000
        assert whole % 512 == 32  # pages, and a SHA-256 behind them
        sent = 0
        for part in parts[:-1]:
            sent += len(part.blob)
            assert part.remaining_bytes in (whole - sent, whole - sent - 32)

    store(test)


def test_leadership_goes_to_members_only(store: Run) -> None:
    async def test(store: Store) -> None:
        with pytest.raises(EtcdError) as error:
            await store.ask(f"{MAINTENANCE}/MoveLeader", MoveLeaderRequest(12345), HeaderOnly)
        assert str(error.value) in (
            "FailedPrecondition: etcdserver: bad leader transferee",
            "FailedPrecondition: etcdserver: not leader",
        )

    store(test)


def test_authentication_is_not_enabled(store: Run) -> None:
    async def test(store: Store) -> None:
        with pytest.raises(EtcdError) as error:
            await store.ask("etcdserverpb.Auth/Authenticate", Empty(), HeaderOnly)
        text = "FailedPrecondition: etcdserver: authentication is not enabled"
        assert str(error.value) == text

    store(test)


def test_a_method_that_there_is_not(store: Run) -> None:
    async def test(store: Store) -> None:
        with pytest.raises(EtcdError) as error:
            await store.ask("etcdserverpb.KV/Fly", Empty(), HeaderOnly)
        assert error.value.code == "Unimplemented"

    store(test)


@pytest.mark.parametrize("store", SERVED, indirect=True)
def test_a_member_is_listed_with_its_urls(store: Run) -> None:
    async def test(store: Store) -> None:
        answer = await store.ask("etcdserverpb.Cluster/MemberList", Empty(), MemberListResponse)
        [member] = answer.members
        assert answer.header is not None
        assert (member.name, member.ID) == ("solo", answer.header.member_id)
        assert [url[:17] for url in member.peerURLs] == ["http://127.0.0.1:"]
        assert [url[:17] for url in member.clientURLs] == ["http://127.0.0.1:"]

    store(test)


@pytest.mark.parametrize("store", SERVED, indirect=True)
def test_what_grpc_itself_refuses(store: Run) -> None:
    """More than 2 MiB never reaches the store, and neither does what is no message."""

    async def test(store: Store) -> None:
        with pytest.raises(EtcdError) as error:
            await store.client.put(PutRequest(b"a", b"x" * 2 * 1024 * 1024))
        assert error.value.code == "ResourceExhausted"
        with pytest.raises(EtcdError) as error:
            await store.ask("etcdserverpb.KV/Put", b"\x0a\xff", HeaderOnly)
        assert error.value.code == "Internal"

    store(test)

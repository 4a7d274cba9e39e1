"""Transactions."""

from __future__ import annotations

from typing import Any

import pytest

from kube_edu.etcd import EtcdError
from kube_edu.etcd.messages import (
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRangeRequest,
    LeaseGrantRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    TxnRequest,
)
from tests.etcd.contract.stores import Run, Store, keys, revision


def put(key: str, value: str = "", **options: Any) -> RequestOp:
    return RequestOp(request_put=PutRequest(key.encode(), value.encode(), **options))


def get(key: str, end: str = "", **options: Any) -> RequestOp:
    return RequestOp(request_range=RangeRequest(key.encode(), end.encode(), **options))


def delete(key: str, end: str = "") -> RequestOp:
    return RequestOp(request_delete_range=DeleteRangeRequest(key.encode(), end.encode()))


def nested(*success: RequestOp, compare: tuple[Compare, ...] = ()) -> RequestOp:
    return RequestOp(request_txn=TxnRequest(compare, success))


def absent(key: str) -> Compare:
    return Compare(target=CompareTarget.CREATE, key=key.encode(), create_revision=0)


async def holds(store: Store, compare: Compare) -> bool:
    return (await store.client.txn(TxnRequest((compare,)))).succeeded


def test_a_lock_is_taken_once(store: Run) -> None:
    async def test(store: Store) -> None:
        take = TxnRequest((absent("a"),), (put("a", "me"),), (get("a"),))
        first = await store.client.txn(take)
        second = await store.client.txn(take)
        assert (first.succeeded, second.succeeded) == (True, False)
        assert revision(first.header) == revision(second.header)
        found = second.responses[0].response_range
        assert found is not None
        assert found.kvs[0].value == b"me"

    store(test)


def test_changes_of_one_transaction_share_a_revision_and_reading_makes_none(store: Run) -> None:
    async def test(store: Store) -> None:
        before = await store.put("a")
        both = await store.client.txn(TxnRequest(success=(put("b"), put("c"), delete("a"))))
        assert revision(both.header) == before + 1
        assert {kv.mod_revision for kv in (await store.get("b", "d")).kvs} == {before + 1}
        for nothing in (TxnRequest(), TxnRequest(success=(get("a"),))):
            assert revision((await store.client.txn(nothing)).header) == before + 1

    store(test)


@pytest.mark.parametrize(
    ("target", "field"),
    [
        (CompareTarget.VERSION, "version"),
        (CompareTarget.CREATE, "create_revision"),
        (CompareTarget.MOD, "mod_revision"),
        (CompareTarget.VALUE, "value"),
        (CompareTarget.LEASE, "lease"),
    ],
)
def test_every_target_with_every_result(store: Run, target: CompareTarget, field: str) -> None:
    async def test(store: Store) -> None:
        lease = (await store.client.lease_grant(LeaseGrantRequest(TTL=100, ID=77))).ID
        await store.put("other")
        await store.put("a", "v", lease=lease)
        await store.put("a", "v", lease=lease)
        [kv] = (await store.get("a")).kvs
        actual = getattr(kv, field)
        lower, higher = (b"u", b"w") if field == "value" else (actual - 1, actual + 1)
        for wanted, true in (
            (lower, {"GREATER", "NOT_EQUAL"}),
            (actual, {"EQUAL"}),
            (higher, {"LESS", "NOT_EQUAL"}),
        ):
            for result in CompareResult:
                compare = Compare(result, target, b"a", **{field: wanted})
                assert await holds(store, compare) == (result.name in true), compare

    store(test)


def test_a_missing_key_counts_as_zero_but_its_value_compares_with_nothing(store: Run) -> None:
    async def test(store: Store) -> None:
        for result in CompareResult:
            value = Compare(result, CompareTarget.VALUE, b"gone", value=b"")
            assert not await holds(store, value)
            version = Compare(result, CompareTarget.VERSION, b"gone", version=0)
            assert await holds(store, version) == (result is CompareResult.EQUAL)

    store(test)


def test_an_interval_must_hold_for_each_key_and_an_empty_one_is_like_a_missing_key(
    store: Run,
) -> None:
    async def test(store: Store) -> None:
        def versions(wanted: int, key: bytes, end: bytes) -> Compare:
            target = CompareTarget.VERSION
            return Compare(target=target, key=key, range_end=end, version=wanted)

        for key in ("a", "b", "c", "c"):
            await store.put(key)
        assert await holds(store, versions(1, b"a", b"c"))
        assert not await holds(store, versions(1, b"a", b"d"))
        assert await holds(store, versions(0, b"x", b"y"))
        assert not await holds(store, versions(1, b"x", b"y"))

    store(test)


def test_later_operations_see_earlier_ones_and_nested_decisions_come_first(store: Run) -> None:
    async def test(store: Store) -> None:
        decided = nested(put("b"), compare=(absent("a"),))
        answer = await store.client.txn(TxnRequest(success=(put("a"), get("a"), decided)))
        found = answer.responses[1].response_range
        inner = answer.responses[2].response_txn
        assert found is not None
        assert inner is not None
        assert (keys(found), inner.succeeded) == (["a"], True)
        assert keys(await store.get("a", "c")) == ["a", "b"]

    store(test)


def test_one_operation_that_fails_undoes_all(store: Run) -> None:
    async def test(store: Store) -> None:
        now = await store.put("z")
        for bad, text in (
            (put("b", lease=4711), "requested lease not found"),
            (put("b", ignore_value=True), "key not found"),
            (get("a", revision=now + 10), "mvcc: required revision is a future revision"),
        ):
            with pytest.raises(EtcdError) as error:
                await store.client.txn(TxnRequest(success=(put("a"), bad)))
            assert error.value.message == f"etcdserver: {text}"
        assert keys(await store.get("a", "c")) == []
        assert revision((await store.get("z")).header) == now

    store(test)


@pytest.mark.parametrize(
    ("success", "text"),
    [
        ((put("a"), put("a")), "duplicate key given in txn request"),
        ((delete("a", "c"), put("b")), "duplicate key given in txn request"),
        ((put("b"), delete("b")), "duplicate key given in txn request"),
        ((put("a"), nested(put("a"))), "duplicate key given in txn request"),
        ((put(""),), "key is not provided"),
        ((RequestOp(),), "key not found"),
        (tuple(put(f"{n}") for n in range(129)), "too many operations in txn request"),
    ],
)
def test_what_makes_no_sense_is_refused(
    store: Run, success: tuple[RequestOp, ...], text: str
) -> None:
    async def test(store: Store) -> None:
        with pytest.raises(EtcdError) as error:
            await store.client.txn(TxnRequest(success=success))
        assert str(error.value) == f"InvalidArgument: etcdserver: {text}"

    store(test)


def test_both_branches_may_put_a_key_and_128_operations_are_taken(store: Run) -> None:
    async def test(store: Store) -> None:
        either = TxnRequest((absent("a"),), (put("a", "1"),), (put("a", "2"),))
        assert (await store.client.txn(either)).succeeded
        assert not (await store.client.txn(either)).succeeded
        many = TxnRequest(success=tuple(put(f"{n:03}") for n in range(128)))
        assert len((await store.client.txn(many)).responses) == 128

    store(test)

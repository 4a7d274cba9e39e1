"""The store without a network: revisions, ranges, transactions, compaction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_edu.etcd.check import check
from kube_edu.etcd.errors import EtcdError
from kube_edu.etcd.messages import (
    CompactionRequest,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRangeRequest,
    KeyValue,
    LeaseGrantRequest,
    LeaseRevokeRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    SortOrder,
    SortTarget,
    TxnRequest,
    prefix_end,
)
from kube_edu.etcd.state import State


def filled(*items: str) -> State:
    """A store after these steps: "a=1" puts, "-a" deletes."""
    state = State()
    for item in items:
        if item.startswith("-"):
            state.apply(DeleteRangeRequest(item[1:].encode()))
        else:
            key, value = item.encode().split(b"=")
            state.apply(PutRequest(key, value))
    return state


def keys(state: State, key: bytes = b"\0", end: bytes = b"\0", **options: object) -> list[bytes]:
    return [kv.key for kv in state.apply(RangeRequest(key, end, **options)).kvs]


def put(key: str, value: str = "", **options: object) -> RequestOp:
    return RequestOp(request_put=PutRequest(key.encode(), value.encode(), **options))


def get(key: str) -> RequestOp:
    return RequestOp(request_range=RangeRequest(key.encode()))


def delete(key: str, end: str = "") -> RequestOp:
    return RequestOp(request_delete_range=DeleteRangeRequest(key.encode(), end.encode()))


class TestRevisions:
    def test_an_empty_store_is_at_revision_1_and_the_first_write_makes_2(self) -> None:
        state = State()
        assert state.apply(RangeRequest(b"a")).header.revision == 1
        assert state.apply(PutRequest(b"a", b"1")).header.revision == 2

    def test_a_key_counts_its_versions_since_it_was_created(self) -> None:
        state = filled("a=1", "a=2", "b=1", "a=3")
        assert state.store.get(b"a") == KeyValue(b"a", 2, 5, 3, b"3")
        state = filled("a=1", "-a", "a=2")
        assert state.store.get(b"a") == KeyValue(b"a", 4, 4, 1, b"2")

    def test_deleting_nothing_makes_no_revision(self) -> None:
        assert State().apply(DeleteRangeRequest(b"a")).header.revision == 1

    def test_an_empty_or_reading_transaction_makes_no_revision(self) -> None:
        state = filled("a=1")
        assert state.apply(TxnRequest()).header.revision == 2
        assert state.apply(TxnRequest(success=(get("a"),))).header.revision == 2

    def test_all_changes_of_a_transaction_share_one(self) -> None:
        state = filled("a=1")
        state.apply(TxnRequest(success=(put("b"), put("c"), delete("a"))))
        assert state.store.revision == 3
        assert {kv.mod_revision for kv in state.apply(RangeRequest(b"a", b"z")).kvs} == {3}

    def test_prev_kv_is_what_was_there_and_absent_if_nothing_was(self) -> None:
        state = State()
        assert state.apply(PutRequest(b"a", b"1", prev_kv=True)).prev_kv is None
        assert state.apply(PutRequest(b"a", b"2", prev_kv=True)).prev_kv.value == b"1"
        response = state.apply(DeleteRangeRequest(b"a", prev_kv=True))
        assert (response.deleted, response.prev_kvs[0].value) == (1, b"2")


class TestRange:
    def test_one_key_an_interval_a_prefix_and_from_a_key_on(self) -> None:
        state = filled("a=1", "ab=1", "b=1", "c=1")
        assert keys(state, b"a", b"") == [b"a"]
        assert keys(state, b"a", b"b") == [b"a", b"ab"]
        assert keys(state, b"a", prefix_end(b"a")) == [b"a", b"ab"]
        assert keys(state, b"b", b"\0") == [b"b", b"c"]
        assert keys(state, b"z", b"a") == []

    def test_the_end_of_a_prefix_of_last_bytes(self) -> None:
        assert prefix_end(b"a\xff") == b"b"
        assert prefix_end(b"\xff") == b"\0"

    def test_count_is_of_the_interval_and_more_says_that_the_limit_cut(self) -> None:
        state = filled("a=1", "b=1", "c=1")
        cut = state.apply(RangeRequest(b"a", b"z", limit=2))
        assert (len(cut.kvs), cut.count, cut.more) == (2, 3, True)
        whole = state.apply(RangeRequest(b"a", b"z", limit=3))
        assert (len(whole.kvs), whole.count, whole.more) == (3, 3, False)
        filtered = state.apply(RangeRequest(b"a", b"z", min_mod_revision=4))
        assert (len(filtered.kvs), filtered.count) == (1, 3)

    def test_keys_only_and_count_only(self) -> None:
        state = filled("a=1", "b=1")
        assert [kv.value for kv in state.apply(RangeRequest(b"a", b"z", keys_only=True)).kvs] == [
            b"",
            b"",
        ]
        counted = state.apply(RangeRequest(b"a", b"z", count_only=True))
        assert (counted.kvs, counted.count) == ((), 2)

    def test_sorting(self) -> None:
        state = filled("a=3", "b=1", "c=2", "b=1")
        by = {
            (SortTarget.KEY, SortOrder.DESCEND): [b"c", b"b", b"a"],
            (SortTarget.VALUE, SortOrder.ASCEND): [b"b", b"c", b"a"],
            (SortTarget.MOD, SortOrder.DESCEND): [b"b", b"c", b"a"],
            (SortTarget.CREATE, SortOrder.DESCEND): [b"c", b"b", b"a"],
            (SortTarget.VERSION, SortOrder.NONE): [b"a", b"c", b"b"],
        }
        for (target, order), expected in by.items():
            assert keys(state, sort_target=target, sort_order=order) == expected
        assert keys(state, sort_order=SortOrder.DESCEND, limit=1) == [b"c"]

    def test_the_past_is_as_it_was(self) -> None:
        state = filled("a=1", "b=1", "-a", "a=2")
        assert keys(state, revision=2) == [b"a"]
        assert keys(state, revision=4) == [b"b"]
        assert state.apply(RangeRequest(b"a", revision=3)).kvs[0].value == b"1"

    def test_a_future_revision_is_refused(self) -> None:
        with pytest.raises(EtcdError, match="required revision is a future revision"):
            filled("a=1").apply(RangeRequest(b"a", revision=3))


class TestCompaction:
    def test_reads_at_the_compacted_revision_stay_and_older_ones_go(self) -> None:
        state = filled("a=1", "a=2", "-b", "b=1", "a=3")
        state.apply(CompactionRequest(3))
        assert state.apply(RangeRequest(b"a", revision=3)).kvs[0].value == b"2"
        with pytest.raises(EtcdError, match="required revision has been compacted"):
            state.apply(RangeRequest(b"a", revision=2))

    def test_twice_at_the_same_revision_is_refused(self) -> None:
        state = filled("a=1", "a=2")
        state.apply(CompactionRequest(2))
        for revision in (1, 2):
            with pytest.raises(EtcdError) as caught:
                state.apply(CompactionRequest(revision))
            assert caught.value.code == "OutOfRange"
        with pytest.raises(EtcdError, match="future"):
            state.apply(CompactionRequest(9))

    def test_at_revision_0_is_a_compaction_too(self) -> None:
        state = filled("a=1")
        state.apply(CompactionRequest(0))
        assert state.apply(RangeRequest(b"a", revision=2)).kvs
        assert list(state.store.changes(2))
        with pytest.raises(EtcdError, match="compacted"):
            state.apply(CompactionRequest(0))

    def test_deleted_keys_leave_nothing_behind(self) -> None:
        state = filled("a=1", "-a", "b=1")
        state.apply(CompactionRequest(4))
        assert [kv.key for kv in state.store.versions()] == [b"b"]

    @given(
        st.lists(st.sampled_from(["a=1", "b=2", "-a", "-b", "c=3", "-c"]), min_size=2), st.data()
    )
    def test_compaction_changes_nothing_that_can_still_be_read(
        self, steps: list[str], data: st.DataObject
    ) -> None:
        whole, compacted = filled(*steps), filled(*steps)
        if whole.store.revision < 3:
            return
        floor = 0
        for _ in range(2):
            if floor < whole.store.revision:
                floor = data.draw(st.integers(floor + 1, whole.store.revision))
                compacted.apply(CompactionRequest(floor))
        restored = State()
        restored.restore(compacted.snapshot())
        for revision in range(floor, whole.store.revision + 1):
            request = RangeRequest(b"a", b"z", revision=revision)
            assert compacted.apply(request) == whole.apply(request) == restored.apply(request)
        assert list(restored.store.changes(floor)) == list(compacted.store.changes(floor))
        assert list(compacted.store.changes(floor + 1)) == list(whole.store.changes(floor + 1))
        assert restored.snapshot() == compacted.snapshot()


class TestTxn:
    def compare(self, target: CompareTarget, result: CompareResult, **value: object) -> Compare:
        return Compare(result, target, b"a", **value)

    def test_a_lock_is_taken_once(self) -> None:
        absent = Compare(target=CompareTarget.CREATE, key=b"lock", create_revision=0)
        take = TxnRequest((absent,), success=(put("lock", "me"),), failure=(get("lock"),))
        state = State()
        assert state.apply(take).succeeded
        second = state.apply(take)
        assert not second.succeeded
        assert second.responses[0].response_range.kvs[0].value == b"me"

    @pytest.mark.parametrize(
        ("target", "value", "result", "holds"),
        [
            (CompareTarget.VERSION, {"version": 2}, CompareResult.EQUAL, True),
            (CompareTarget.CREATE, {"create_revision": 2}, CompareResult.LESS, False),
            (CompareTarget.MOD, {"mod_revision": 2}, CompareResult.GREATER, True),
            (CompareTarget.VALUE, {"value": b"1"}, CompareResult.NOT_EQUAL, True),
            (CompareTarget.LEASE, {"lease": 0}, CompareResult.EQUAL, True),
        ],
    )
    def test_each_target(self, target, value, result, holds) -> None:  # type: ignore[no-untyped-def]
        state = filled("a=1", "a=2")
        compare = self.compare(target, result, **value)
        assert state.apply(TxnRequest((compare,))).succeeded is holds

    def test_the_value_of_a_missing_key_compares_with_nothing(self) -> None:
        for result in CompareResult:
            compare = self.compare(CompareTarget.VALUE, result, value=b"x")
            assert not State().apply(TxnRequest((compare,))).succeeded

    def test_an_interval_must_hold_for_every_key_and_an_empty_one_is_a_missing_key(self) -> None:
        once = Compare(target=CompareTarget.VERSION, key=b"a", version=1, range_end=b"z")
        never = Compare(target=CompareTarget.VERSION, key=b"a", version=0, range_end=b"z")
        assert filled("a=1", "b=1").apply(TxnRequest((once,))).succeeded
        assert not filled("a=1", "b=1", "b=2").apply(TxnRequest((once,))).succeeded
        assert State().apply(TxnRequest((never,))).succeeded
        assert not State().apply(TxnRequest((once,))).succeeded

    def test_later_operations_see_earlier_ones(self) -> None:
        response = State().apply(TxnRequest(success=(put("a", "1"), get("a"), delete("b"))))
        assert response.responses[1].response_range.kvs[0].value == b"1"
        assert response.header.revision == 2

    def test_but_not_when_they_ask_for_the_revision_before(self) -> None:
        before = RequestOp(request_range=RangeRequest(b"a", revision=2))
        response = filled("a=1").apply(TxnRequest(success=(put("a", "2"), before)))
        assert response.responses[1].response_range.kvs[0].value == b"1"

    def test_nested_decisions_are_made_before_the_first_change(self) -> None:
        exists = Compare(CompareResult.GREATER, CompareTarget.VERSION, b"a", version=0)
        inner = RequestOp(request_txn=TxnRequest((exists,), (put("yes"),), (put("no"),)))
        state = State()
        response = state.apply(TxnRequest(success=(put("a"), inner)))
        assert not response.responses[1].response_txn.succeeded
        assert keys(state) == [b"a", b"no"]

    def test_one_that_fails_changes_nothing(self) -> None:
        state = State()
        with pytest.raises(EtcdError, match="key not found"):
            state.apply(TxnRequest(success=(put("a"), put("b", ignore_value=True))))
        assert (state.store.revision, keys(state)) == (1, [])


class TestChecks:
    @pytest.mark.parametrize(
        ("request_", "error"),
        [
            (RangeRequest(), "key is not provided"),
            (PutRequest(), "key is not provided"),
            (PutRequest(b"a", b"v", ignore_value=True), "value is provided"),
            (PutRequest(b"a", lease=1, ignore_lease=True), "lease is provided"),
            (TxnRequest(success=(put("a"), put("a"))), "duplicate key"),
            (TxnRequest(success=(put("b"), delete("a", "c"))), "duplicate key"),
            (TxnRequest(success=tuple(put(str(i)) for i in range(129))), "too many operations"),
            (TxnRequest((Compare(),)), "key is not provided"),
            (
                TxnRequest(success=(put("a"), RequestOp(request_txn=TxnRequest((), (put("a"),))))),
                "duplicate key",
            ),
        ],
    )
    def test_a_request_that_makes_no_sense_is_refused(self, request_: object, error: str) -> None:
        with pytest.raises(EtcdError, match=error):
            check(request_)

    def test_two_branches_may_put_the_same_key(self) -> None:
        check(TxnRequest((), (put("a"),), (put("a"),)))
        both = TxnRequest((), (put("a"),), (put("a"),))
        check(TxnRequest(success=(RequestOp(request_txn=both),)))

    def test_ignore_value_and_lease_keep_what_was_there(self) -> None:
        state = State()
        state.apply(LeaseGrantRequest(60, 7))
        state.apply(PutRequest(b"a", b"1", lease=7))
        state.apply(PutRequest(b"a", ignore_value=True, lease=7))
        assert state.store.get(b"a").value == b"1"
        state.apply(PutRequest(b"a", b"2", ignore_lease=True))
        assert state.store.get(b"a") == KeyValue(b"a", 2, 4, 3, b"2", 7)


class TestLeases:
    def test_a_short_lease_is_made_longer(self) -> None:
        assert State().apply(LeaseGrantRequest(1, 7)).TTL == 2

    def test_all_keys_of_a_lease_go_in_one_revision(self) -> None:
        state = State()
        state.apply(LeaseGrantRequest(60, 7))
        for key in (b"b", b"a", b"c"):
            state.apply(PutRequest(key, b"", lease=7))
        state.apply(PutRequest(b"c", b""))  # no longer on the lease
        before = state.store.revision
        assert state.apply(LeaseRevokeRequest(7)).header.revision == before + 1
        assert keys(state) == [b"c"]

    def test_wrong_leases_are_refused(self) -> None:
        state = State()
        state.apply(LeaseGrantRequest(60, 7))
        for request, code in (
            (LeaseGrantRequest(60, 7), "FailedPrecondition"),
            (LeaseGrantRequest(10**10, 8), "OutOfRange"),
            (LeaseRevokeRequest(9), "NotFound"),
            (PutRequest(b"a", b"", lease=9), "NotFound"),
        ):
            with pytest.raises(EtcdError) as caught:
                state.apply(request)
            assert caught.value.code == code

    def test_only_a_leader_counts_the_time_and_a_new_one_begins_anew(self) -> None:
        state = State()
        state.apply(LeaseGrantRequest(5, 7))
        state.apply(LeaseGrantRequest(9, 8))
        leases = state.leases
        leases.promote(100.0, term=1)
        assert leases.tick(104.9) == []
        assert leases.renew(7, 104.9) == 5
        assert leases.tick(109.5) == [8]
        assert leases.tick(110.0) == [7]
        assert leases.renew(7, 110.0) == 0
        leases.demote()
        leases.promote(200.0, term=3)
        assert leases.tick(204.0) == []

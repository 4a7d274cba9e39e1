"""Keys and revisions."""

from __future__ import annotations

import pytest

from kube_edu.etcd import EtcdError
from kube_edu.etcd.messages import (
    CompactionRequest,
    DeleteRangeRequest,
    PutRequest,
    RangeRequest,
    SortOrder,
    SortTarget,
    prefix_end,
)
from tests.etcd.contract.stores import Run, Store, keys, revision


def refusal(error: pytest.ExceptionInfo[EtcdError]) -> str:
    return str(error.value)


def test_each_write_is_one_revision_and_a_key_counts_its_versions(store: Run) -> None:
    async def test(store: Store) -> None:
        first = await store.put("a", "1")
        assert await store.put("b", "1") == first + 1
        assert await store.put("a", "2") == first + 2
        [kv] = (await store.get("a")).kvs
        assert (kv.create_revision, kv.mod_revision, kv.version) == (first, first + 2, 2)
        assert (kv.value, kv.lease) == (b"2", 0)
        await store.delete("a")
        again = await store.put("a", "3")
        [kv] = (await store.get("a")).kvs
        assert (kv.create_revision, kv.mod_revision, kv.version) == (again, again, 1)

    store(test)


def test_reading_and_deleting_nothing_makes_no_revision(store: Run) -> None:
    async def test(store: Store) -> None:
        now = await store.put("a")
        assert revision((await store.delete("b")).header) == now
        assert revision((await store.get("a")).header) == now

    store(test)


def test_prev_kv_is_what_was_there_and_absent_where_nothing_was(store: Run) -> None:
    async def test(store: Store) -> None:
        put = PutRequest(b"a", b"1", prev_kv=True)
        assert (await store.client.put(put)).prev_kv is None
        previous = (await store.client.put(put)).prev_kv
        assert previous is not None
        assert (previous.value, previous.version) == (b"1", 1)
        deleted = await store.delete("a", "c", prev_kv=True)
        assert (deleted.deleted, [kv.version for kv in deleted.prev_kvs]) == (1, [2])
        assert (await store.delete("a", prev_kv=True)).prev_kvs == ()

    store(test)


def test_ignore_value_and_ignore_lease_keep_what_was_there(store: Run) -> None:
    async def test(store: Store) -> None:
        with pytest.raises(EtcdError) as error:
            await store.client.put(PutRequest(b"a", ignore_value=True))
        assert refusal(error) == "InvalidArgument: etcdserver: key not found"
        await store.put("a", "1")
        await store.client.put(PutRequest(b"a", ignore_value=True))
        [kv] = (await store.get("a")).kvs
        assert (kv.value, kv.version) == (b"1", 2)

    store(test)


def test_one_key_an_interval_a_prefix_and_from_a_key_on(store: Run) -> None:
    async def test(store: Store) -> None:
        for key in ("a", "a/1", "a/2", "b", "c"):
            await store.put(key)
        assert keys(await store.get("a")) == ["a"]
        assert keys(await store.get("a", "b")) == ["a", "a/1", "a/2"]
        prefix = RangeRequest(b"a/", prefix_end(b"a/"))
        assert keys(await store.client.range(prefix)) == ["a/1", "a/2"]
        assert keys(await store.get("a/2", "\0")) == ["a/2", "b", "c"]
        assert keys(await store.get("\0", "\0")) == ["a", "a/1", "a/2", "b", "c"]
        assert keys(await store.get("c", "a")) == []

    store(test)


def test_count_is_of_the_whole_interval_and_more_says_that_the_limit_cut(store: Run) -> None:
    async def test(store: Store) -> None:
        revisions = [await store.put(key) for key in "abcd"]
        cut = await store.get("a", "e", limit=3)
        assert (keys(cut), cut.count, cut.more) == (["a", "b", "c"], 4, True)
        whole = await store.get("a", "e", limit=4)
        assert (len(whole.kvs), whole.count, whole.more) == (4, 4, False)
        assert len((await store.get("a", "e", limit=-1)).kvs) == 4
        newer = await store.get("a", "e", min_mod_revision=revisions[2])
        assert (keys(newer), newer.count) == (["c", "d"], 4)
        older = await store.get("a", "e", max_create_revision=revisions[0])
        assert (keys(older), older.count) == (["a"], 4)
        counted = await store.get("a", "e", count_only=True)
        assert (counted.kvs, counted.count) == ((), 4)
        await store.put("a", "value")
        [only] = (await store.get("a", keys_only=True)).kvs
        assert (only.key, only.value, only.version) == (b"a", b"", 2)

    store(test)


@pytest.mark.parametrize(
    ("target", "ascending"),
    [
        (SortTarget.KEY, "abc"),
        (SortTarget.VALUE, "cab"),
        (SortTarget.VERSION, "abc"),
        (SortTarget.CREATE, "bac"),
        (SortTarget.MOD, "bac"),
    ],
)
def test_sorting(store: Run, target: SortTarget, ascending: str) -> None:
    async def test(store: Store) -> None:
        for key, value in (("b", "3"), ("a", "2"), ("c", "1")):
            await store.put(key, value)
        if target is SortTarget.VERSION:  # a has one version, b two, c three
            for key in "bcc":
                await store.put(key)
        for order, wanted in (
            (SortOrder.ASCEND, ascending),
            (SortOrder.DESCEND, ascending[::-1]),
        ):
            found = await store.get("a", "d", sort_target=target, sort_order=order)
            assert "".join(keys(found)) == wanted
            first = await store.get("a", "d", sort_target=target, sort_order=order, limit=1)
            assert (keys(first), first.more, first.count) == ([wanted[0]], True, 3)

    store(test)


def test_the_past_is_as_it_was_and_the_future_is_refused(store: Run) -> None:
    async def test(store: Store) -> None:
        past = await store.put("a", "1")
        await store.put("a", "2")
        gone = revision((await store.delete("a")).header)
        then = await store.get("a", "b", revision=past)
        assert ([kv.value for kv in then.kvs], then.count) == ([b"1"], 1)
        assert revision(then.header) == gone
        assert (await store.get("a", revision=gone)).count == 0
        with pytest.raises(EtcdError) as error:
            await store.get("a", revision=gone + 1)
        future = "etcdserver: mvcc: required revision is a future revision"
        assert refusal(error) == f"OutOfRange: {future}"

    store(test)


def test_compaction_keeps_reads_at_its_revision_and_refuses_older_ones(store: Run) -> None:
    async def test(store: Store) -> None:
        first = await store.put("a", "1")
        second = await store.put("a", "2")
        await store.put("a", "3")
        await store.client.compact(CompactionRequest(second))
        [kv] = (await store.get("a", revision=second)).kvs
        assert kv.value == b"2"
        gone = "OutOfRange: etcdserver: mvcc: required revision has been compacted"
        for refused in (
            store.get("a", revision=first),
            store.client.compact(CompactionRequest(second)),
            store.client.compact(CompactionRequest(first)),
        ):
            with pytest.raises(EtcdError) as error:
                await refused
            assert refusal(error) == gone
        with pytest.raises(EtcdError) as error:
            await store.client.compact(CompactionRequest(second + 100))
        assert error.value.message == "etcdserver: mvcc: required revision is a future revision"

    store(test)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (PutRequest(b""), "InvalidArgument: etcdserver: key is not provided"),
        (RangeRequest(b""), "InvalidArgument: etcdserver: key is not provided"),
        (DeleteRangeRequest(b""), "InvalidArgument: etcdserver: key is not provided"),
        (
            PutRequest(b"a", b"1", ignore_value=True),
            "InvalidArgument: etcdserver: value is provided",
        ),
        (
            PutRequest(b"a", lease=1, ignore_lease=True),
            "InvalidArgument: etcdserver: lease is provided",
        ),
        (PutRequest(b"a", lease=12345), "NotFound: etcdserver: requested lease not found"),
        (
            PutRequest(b"a", b"x" * 1536 * 1024),
            "InvalidArgument: etcdserver: request is too large",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(store: Run, request_: object, answer: str) -> None:
    async def test(store: Store) -> None:
        now = await store.put("z")
        calls = {
            PutRequest: store.client.put,
            RangeRequest: store.client.range,
            DeleteRangeRequest: store.client.delete_range,
        }
        with pytest.raises(EtcdError) as error:
            await calls[type(request_)](request_)  # type: ignore[index]
        assert refusal(error) == answer
        assert revision((await store.get("z")).header) == now

    store(test)


def test_a_request_of_almost_the_limit_is_taken(store: Run) -> None:
    async def test(store: Store) -> None:
        await store.put("a", "x" * (1536 * 1024 - 256))
        [kv] = (await store.get("a")).kvs
        assert len(kv.value) == 1536 * 1024 - 256

    store(test)

"""Watches."""

from __future__ import annotations

from contextlib import aclosing

from kube_edu.etcd.messages import (
    CompactionRequest,
    FilterType,
    PutRequest,
    RequestOp,
    TxnRequest,
    WatchCreateRequest,
)
from tests.etcd.contract.stores import Run, Store, described, revision
from tests.etcd.contract.test_txn import delete, put


def test_a_watch_sees_what_comes_after_it_and_only_its_keys(store: Run) -> None:
    async def test(store: Store) -> None:
        now = await store.put("a", "0")
        watches = await store.watches()
        watches.create("a", "b")
        created = await watches.next()
        assert (created.created, created.watch_id, created.events) == (True, 0, ())
        assert revision(created.header) == now
        await store.put("b", "1")
        await store.put("a/x", "1")
        await store.put("a", "1")
        await store.delete("a")
        assert await watches.events(3) == ["put a/x=1", "put a=1", "delete a"]
        await watches.close()

    store(test)


def test_a_watch_from_the_past_goes_on_into_the_present_without_a_gap(store: Run) -> None:
    async def test(store: Store) -> None:
        start = await store.put("a", "1")
        await store.put("a", "2")
        watches = await store.watches()
        watches.create("a", start_revision=start)
        assert (await watches.next()).created
        await store.put("a", "3")
        assert await watches.events(3) == ["put a=1", "put a=2", "put a=3"]
        watches.create("a", start_revision=start + 5)
        assert (await watches.next()).created
        await store.put("b")
        await store.put("a", "5")
        await store.put("a", "6")
        seen = [await watches.next() for _ in range(3)]
        later = [described(response)[0] for response in seen if response.watch_id == 1]
        assert later == ["put a=6"]
        await watches.close()

    store(test)


def test_events_of_one_revision_come_in_one_response_in_their_order(store: Run) -> None:
    async def test(store: Store) -> None:
        await store.put("b")
        watches = await store.watches()
        watches.create("\0", "\0")
        await watches.next()
        await store.client.txn(TxnRequest(success=(put("z", "1"), delete("b"), put("a", "2"))))
        assert described(await watches.next()) == ["put z=1", "delete b", "put a=2"]
        await watches.close()

    store(test)


def test_a_delete_carries_the_key_and_its_revision_and_prev_kv_for_who_asks(store: Run) -> None:
    async def test(store: Store) -> None:
        made = await store.put("a", "1")
        watches = await store.watches()
        watches.create("a", prev_kv=True)
        await watches.next()
        await store.put("a", "2")
        gone = revision((await store.delete("a")).header)
        await store.put("a", "3")
        events = [(await watches.next()).events[0] for _ in range(3)]
        previous = [event.prev_kv and event.prev_kv.value for event in events]
        assert previous == [b"1", b"2", None]
        kv = events[1].kv
        assert (kv.key, kv.mod_revision, kv.create_revision, kv.version) == (b"a", gone, 0, 0)
        assert [event.kv.create_revision for event in events] == [made, 0, gone + 1]
        watches.create("a", start_revision=gone)
        await watches.next()
        assert [event.prev_kv for event in (await watches.next()).events] == [None, None]
        await watches.close()

    store(test)


def test_filters_leave_out_a_kind(store: Run) -> None:
    async def test(store: Store) -> None:
        watches = await store.watches()
        watches.create("a", filters=(FilterType.NOPUT,))
        watches.create("a", filters=(FilterType.NODELETE,))
        assert [(await watches.next()).watch_id for _ in range(2)] == [0, 1]
        await store.put("a", "1")
        first = await watches.next()
        assert (first.watch_id, described(first)) == (1, ["put a=1"])
        await store.delete("a")
        second = await watches.next()
        assert (second.watch_id, described(second)) == (0, ["delete a"])
        await watches.close()

    store(test)


def test_below_the_compacted_revision_it_is_created_and_then_canceled(store: Run) -> None:
    async def test(store: Store) -> None:
        first = await store.put("a", "1")
        second = await store.put("a", "2")
        await store.put("a", "3")
        await store.client.compact(CompactionRequest(second))
        watch = WatchCreateRequest(b"a", start_revision=first)
        seen = [response async for response in store.client.watch(watch)]
        assert [(r.created, r.canceled, r.compact_revision) for r in seen] == [
            (True, False, 0),
            (False, True, second),
        ]
        watches = await store.watches()
        watches.create("a", start_revision=second)
        await watches.next()
        assert await watches.events(2) == ["put a=2", "put a=3"]
        await watches.close()

    store(test)


def test_many_watches_on_a_stream_one_of_which_is_canceled(store: Run) -> None:
    async def test(store: Store) -> None:
        watches = await store.watches()
        for key in ("a", "b", "a"):
            watches.create(key)
        assert [(await watches.next()).watch_id for _ in range(3)] == [0, 1, 2]
        await store.put("a", "1")
        both = [await watches.next() for _ in range(2)]
        assert sorted(response.watch_id for response in both) == [0, 2]
        watches.cancel(0)
        canceled = await watches.next()
        assert (canceled.canceled, canceled.watch_id) == (True, 0)
        assert canceled.compact_revision == 0
        await store.put("a", "2")
        await store.put("b", "3")
        seen = [await watches.next() for _ in range(2)]
        assert [(r.watch_id, *described(r)) for r in seen] == [(2, "put a=2"), (1, "put b=3")]
        watches.create("b")
        assert (await watches.next()).watch_id == 3
        await watches.close()

    store(test)


def test_a_client_may_choose_the_number_of_a_watch_once(store: Run) -> None:
    async def test(store: Store) -> None:
        watches = await store.watches()
        watches.create("a", watch_id=7)
        assert (await watches.next()).watch_id == 7
        watches.create("b", watch_id=7)
        refused = await watches.next()
        assert (refused.watch_id, refused.canceled) == (-1, True)
        watches.create("b")
        assert (await watches.next()).watch_id == 0
        await watches.close()

    store(test)


def test_progress_is_told_on_request_and_never_before_the_events(store: Run) -> None:
    async def test(store: Store) -> None:
        watches = await store.watches()
        watches.create("a")
        await watches.next()
        await store.put("a", "1")
        now = await store.put("b", "2")
        assert await watches.events(1) == ["put a=1"]
        watches.progress()
        progress = await watches.next()
        assert (progress.watch_id, progress.events) == (-1, ())
        assert revision(progress.header) == now
        await watches.close()

    store(test)


def test_large_responses_come_in_fragments_for_who_asks(store: Run) -> None:
    async def test(store: Store) -> None:
        value = "x" * 400_000
        watches = await store.watches()
        start = await store.put("start")
        for number in range(6):
            await store.put(f"k{number}", value)
        watches.create("k", "l", start_revision=start, fragment=True)
        await watches.next()
        parts = [await watches.next()]
        while parts[-1].fragment:
            parts.append(await watches.next())
        assert len(parts) > 1
        assert [e.kv.key.decode() for part in parts for e in part.events] == [
            f"k{number}" for number in range(6)
        ]
        await watches.close()

    store(test)


def test_the_client_goes_on_where_it_was(store: Run) -> None:
    async def test(store: Store) -> None:
        start = await store.put("a", "1")
        watch = WatchCreateRequest(b"a", start_revision=start)
        async with aclosing(store.client.watch(watch)) as responses:
            assert (await anext(responses)).created
            assert described(await anext(responses)) == ["put a=1"]
            op = RequestOp(request_put=PutRequest(b"a", b"2"))
            await store.client.txn(TxnRequest(success=(op,)))
            assert described(await anext(responses)) == ["put a=2"]

    store(test)

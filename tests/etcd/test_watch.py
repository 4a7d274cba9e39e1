"""Watches, without a network."""

from __future__ import annotations

import asyncio

from kube_edu.etcd.messages import (
    CompactionRequest,
    DeleteRangeRequest,
    EventType,
    FilterType,
    KeyValue,
    PutRequest,
    TxnRequest,
    WatchCreateRequest,
)
from kube_edu.etcd.state import State
from kube_edu.etcd.watch import Watcher
from tests.etcd.test_state import delete, filled, put


def seen(watcher: Watcher) -> list[str]:
    """What there is to read: "2 put a", "3 delete a"."""
    return [
        f"{event.kv.mod_revision} {event.type.name.lower()} {event.kv.key.decode()}"
        for response in watcher.waiting()
        for event in response.events
    ]


def test_the_first_response_says_created_at_the_present_revision() -> None:
    watcher = filled("a=1").watches.watch(WatchCreateRequest(b"a"))
    [created] = watcher.waiting()
    assert (created.created, created.header.revision, created.events) == (True, 2, ())


def test_a_watch_sees_what_comes_after_it_and_only_its_keys() -> None:
    state = filled("a=1")
    one = state.watches.watch(WatchCreateRequest(b"a"))
    prefix = state.watches.watch(WatchCreateRequest(b"a", b"b"))
    for key in (b"a", b"ab", b"b"):
        state.apply(PutRequest(key, b"2"))
    state.apply(DeleteRangeRequest(b"a"))
    assert seen(one) == ["3 put a", "6 delete a"]
    assert seen(prefix) == ["3 put a", "4 put ab", "6 delete a"]


def test_a_watch_from_the_past_goes_on_into_the_present_without_a_gap() -> None:
    state = filled("a=1", "b=1", "a=2")
    watcher = state.watches.watch(WatchCreateRequest(b"a", b"z", start_revision=3))
    state.apply(PutRequest(b"c", b""))
    assert seen(watcher) == ["3 put b", "4 put a", "5 put c"]


def test_a_watch_from_the_future_waits_for_it() -> None:
    state = filled("a=1")
    watcher = state.watches.watch(WatchCreateRequest(b"a", start_revision=4))
    state.apply(PutRequest(b"a", b"2"))
    state.apply(PutRequest(b"a", b"3"))
    assert seen(watcher) == ["4 put a"]


def test_events_of_one_revision_come_in_one_response_in_their_order() -> None:
    state = filled("a=1")
    watcher = state.watches.watch(WatchCreateRequest(b"\0", b"\0"))
    watcher.waiting()
    state.apply(TxnRequest(success=(put("z"), delete("a"), put("b"))))
    [response] = watcher.waiting()
    assert [event.kv.key for event in response.events] == [b"z", b"a", b"b"]


def test_a_delete_carries_the_key_and_its_revision_alone() -> None:
    state = filled("a=1")
    plain = state.watches.watch(WatchCreateRequest(b"a"))
    full = state.watches.watch(WatchCreateRequest(b"a", prev_kv=True))
    state.apply(DeleteRangeRequest(b"a"))
    event = plain.waiting()[1].events[0]
    assert (event.kv, event.prev_kv) == (KeyValue(b"a", mod_revision=3), None)
    assert full.waiting()[1].events[0].prev_kv == KeyValue(b"a", 2, 2, 1, b"1")


def test_filters_leave_out_a_kind() -> None:
    state = State()
    deletes = state.watches.watch(WatchCreateRequest(b"a", filters=(FilterType.NOPUT,)))
    puts = state.watches.watch(WatchCreateRequest(b"a", filters=(FilterType.NODELETE,)))
    state.apply(PutRequest(b"a"))
    state.apply(DeleteRangeRequest(b"a"))
    assert (seen(puts), seen(deletes)) == (["2 put a"], ["3 delete a"])


def test_below_the_compacted_revision_it_is_created_and_then_canceled() -> None:
    state = filled("a=1", "a=2", "a=3")
    state.apply(CompactionRequest(3))
    created, canceled = state.watches.watch(WatchCreateRequest(b"a", start_revision=2)).waiting()
    assert created.created
    assert (canceled.canceled, canceled.compact_revision) == (True, 3)
    assert seen(state.watches.watch(WatchCreateRequest(b"a", start_revision=3))) == [
        "3 put a",
        "4 put a",
    ]


def test_watchers_of_one_change_share_one_event() -> None:
    state = filled("a=1")
    watchers = [state.watches.watch(WatchCreateRequest(b"a", b"b")) for _ in range(3)]
    state.apply(PutRequest(b"a", b"2"))
    events = [watcher.waiting()[1].events[0] for watcher in watchers]
    assert events[0] is events[1] is events[2]


def test_progress_goes_to_those_that_asked() -> None:
    state = filled("a=1")
    asked = state.watches.watch(WatchCreateRequest(b"a", progress_notify=True))
    other = state.watches.watch(WatchCreateRequest(b"a"))
    state.apply(PutRequest(b"b"))
    state.watches.progress()
    assert asked.waiting()[1].header.revision == 3
    assert len(other.waiting()) == 1


def test_a_closed_watch_gets_nothing_more_and_an_ended_one_stops() -> None:
    async def run() -> None:
        state = State()
        watcher = state.watches.watch(WatchCreateRequest(b"a"))
        await watcher.aclose()
        state.apply(PutRequest(b"a"))
        assert len(watcher.waiting()) == 1
        other = state.watches.watch(WatchCreateRequest(b"a"))
        state.watches.end_all()
        assert [response.created async for response in other] == [True]

    asyncio.run(run())


def test_a_snapshot_of_another_member_brings_the_events_in_between() -> None:
    behind, ahead = filled("a=1"), filled("a=1", "b=1", "a=2")
    watcher = behind.watches.watch(WatchCreateRequest(b"a", b"z"))
    behind.restore(ahead.snapshot())
    behind.apply(PutRequest(b"c"))
    assert seen(watcher) == ["3 put b", "4 put a", "5 put c"]
    assert EventType.PUT in {event.type for events in behind.store.changes(5) for event in events}

"""Watches that keep the nine guarantees, and for each a watch that breaks it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kube_edu.classroom.checkers.watch_guarantees import (
    GUARANTEES,
    Changes,
    Received,
    Watched,
    check,
)
from kube_edu.etcd.messages import DeleteRangeRequest as Delete
from kube_edu.etcd.messages import (
    Event,
    EventType,
    FilterType,
    KeyValue,
    PutRequest,
    RangeRequest,
    ResponseHeader,
    TxnRequest,
    WatchCreateRequest,
    WatchResponse,
)
from kube_edu.etcd.messages import RequestOp as Op
from kube_edu.etcd.state import State


def store() -> State:
    """Revisions 2 to 7: a=1, b=1, a=2, {a=3 b=2}, delete b, b=3."""
    state = State()
    for request in (
        PutRequest(b"a", b"1"),
        PutRequest(b"b", b"1"),
        PutRequest(b"a", b"2"),
        TxnRequest(
            success=(
                Op(request_put=PutRequest(b"a", b"3")),
                Op(request_put=PutRequest(b"b", b"2")),
            )
        ),
        Delete(b"b"),
        PutRequest(b"b", b"3"),
    ):
        state.apply(request)
    assert state.apply(RangeRequest(b"a")).header.revision == 7
    return state


EVENTS = [event for events in store().store.changes(2) for event in events]
CHANGES = Changes(EVENTS)
A1, B1, A2, A3, B2, B_GONE, B3 = EVENTS
ALL = WatchCreateRequest(b"a", b"c", start_revision=2, prev_kv=True)


def watched(*responses: Any, **request: Any) -> Watched:
    """A watch that was sent these responses: tuples of events, or the revision of a progress
    notification."""
    received = [WatchResponse(ResponseHeader(revision=1), created=True)]
    for response in responses:
        if isinstance(response, int):
            received.append(WatchResponse(ResponseHeader(revision=response)))
        elif isinstance(response, WatchResponse):
            received.append(response)
        else:
            received.append(WatchResponse(ResponseHeader(revision=7), events=response))
    times = [Received(float(number), response) for number, response in enumerate(received)]
    return Watched("client-1", replace(ALL, **request), times)


def bare(*events: Event) -> tuple[Event, ...]:
    return tuple(replace(event, prev_kv=None) for event in events)


GOOD = {
    "all, one by one": watched((A1,), (B1,), (A2,), (A3, B2), (B_GONE,), (B3,)),
    "all at once": watched(tuple(EVENTS)),
    "one key": watched((A1,), (A2, A3), range_end=b"", prev_kv=True),
    "from the middle": watched((A3, B2), (B_GONE,), start_revision=5),
    "puts only": watched((A1, B1, A2, A3, B2, B3), filters=(FilterType.NODELETE,)),
    "without what was before": watched(bare(*EVENTS), prev_kv=False),
    "with progress": watched((A1,), 2, (B1, A2), 4, 4, (A3, B2)),
    "a revision in fragments": watched(
        WatchResponse(ResponseHeader(revision=7), fragment=True, events=(A1, B1, A2, A3)),
        (B2, B_GONE),
    ),
    "from now on": watched((A1, B1), start_revision=0),
    "nothing yet": watched(),
}

B1_AS_CREATED = replace(B_GONE, type=EventType.PUT, kv=replace(B3.kv, mod_revision=6))
NEVER = replace(A2, kv=replace(A2.kv, value=b"9"))
A2_AS_NEW = replace(A2, kv=KeyValue(b"a", 4, 4, 1, b"2"))
B3_AS_OLD = replace(B3, kv=KeyValue(b"b", 3, 7, 3, b"3"))

BAD = {
    "another key": (
        "filtered",
        watched((A1, B1), range_end=b""),
        '"put b=1" of revision 3 was not asked for',
    ),
    "a kind that is filtered out": (
        "filtered",
        watched((A1, B1), filters=(FilterType.NOPUT,)),
        '"put a=1" of revision 2 was not asked for',
    ),
    "an older event after a newer one": (
        "ordered",
        watched((A1,), (A2,), (B1,)),
        '"put b=1" of revision 3 came after "put a=2" of revision 4',
    ),
    "the same event again": (
        "unique",
        watched((A1, B1), (B1,), (A2,)),
        '"put b=1" of revision 3 came twice',
    ),
    "twice in one response": ("unique", watched((A1, B1, B1)), "came twice"),
    "half a revision": (
        "atomic",
        watched((A1, B1, A2, A3), (B2,)),
        '"put b=2" of revision 5 came apart from the others of its revision',
    ),
    "a late beginning": (
        "resumable",
        watched((A2,), start_revision=3),
        'it begins at revision 3, and "put b=1" of revision 3 was left out',
    ),
    "an early beginning": (
        "resumable",
        watched((A1, B1), start_revision=3),
        '"put a=1" of revision 2 is older than revision 3, where the watch begins',
    ),
    "an event behind its bookmark": (
        "bookmarkable",
        watched((A1,), 3, (B1,), range_end=b"c"),
        'progress up to 3 was notified, and "put b=1" of revision 3 not sent',
    ),
    "an event after its bookmark": (
        "bookmarkable",
        watched((A1, B1), 3, (B1, A2)),
        '"put b=1" of revision 3 came after the progress notification of 3',
    ),
    "a gap": (
        "reliable",
        watched((A1,), (A2,), (A3, B2)),
        '"put b=1" of revision 3 was left out',
    ),
    "half of a revision never": (
        "reliable",
        watched((A1, B1, A2), (A3,), (B_GONE,)),
        '"put b=2" of revision 5 was left out',
    ),
    "what never happened": ("reliable", watched((A1, B1, NEVER)), "never happened"),
    "a change that says it is the first": (
        "IsCreate right",
        watched((A1, B1, A2_AS_NEW)),
        "has create revision 4 and version 1, and the key existed",
    ),
    "a creation after a deletion that does not say so": (
        "IsCreate right",
        watched((A1, B1, A2, A3, B2, B_GONE, B3_AS_OLD)),
        "has create revision 3 and version 3, and the key did not exist",
    ),
    "a wrong value before": (
        "PrevKV right",
        watched((A1, B1, replace(A2, prev_kv=B1.kv))),
        "says that it was '1': it was '1'",
    ),
    "no value before": (
        "PrevKV right",
        watched(bare(A1, B1, A2)),
        "says that it was absent: it was '1'",
    ),
    "a value before that was not asked for": (
        "PrevKV right",
        watched((A1, B1, A2), prev_kv=False),
        "says that it was '1': it was absent",
    ),
}


def test_there_are_nine() -> None:
    assert len(GUARANTEES) == 9
    assert {promise for promise, _, _ in BAD.values()} == set(GUARANTEES)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_watch_is_accepted_by_all(name: str) -> None:
    assert check(GOOD[name], CHANGES) is None


@pytest.mark.parametrize("name", BAD)
def test_a_bad_watch_is_refused_with_the_reason(name: str) -> None:
    promise, watch, reason = BAD[name]
    found = GUARANTEES[promise](watch, CHANGES)
    assert found is not None
    assert found.promise == promise
    assert reason in found.reason
    assert found.host == "client-1"
    assert found.time == found.event > 0


def test_what_was_compacted_need_not_be_told() -> None:
    watch = watched(bare(A2), (A3, B2), start_revision=4)
    assert check(watch, CHANGES) is not None
    assert check(watch, Changes(EVENTS, compacted=4)) is None

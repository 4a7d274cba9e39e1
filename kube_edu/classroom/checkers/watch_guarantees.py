"""What etcd promises of watches: nine guarantees, one checker each.

The names are those of etcd's robustness tests (tests/robustness/validate/watch.go) and of its
documentation ("API guarantees", Watch APIs). A checker compares what one watch was sent with all
that has ever changed in the store.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from operator import attrgetter

from kube_edu.classroom.checkers.violation import Violation
from kube_edu.etcd.messages import (
    Event,
    EventType,
    KeyValue,
    WatchCreateRequest,
    WatchResponse,
)


@dataclass(frozen=True, slots=True)
class Received:
    """A response, and when it came."""

    time: float
    response: WatchResponse


@dataclass(slots=True)
class Watched:
    """One watch, as the client on `host` saw it: responses in the order in which they came."""

    host: str
    request: WatchCreateRequest
    received: list[Received] = field(default_factory=list)

    def wants(self, event: Event) -> bool:
        """Whether the event matches what was asked for."""
        key, start, end = event.kv.key, self.request.key, self.request.range_end
        inside = key == start if not end else start <= key and (end == b"\0" or key < end)
        return inside and int(event.type) not in [int(kind) for kind in self.request.filters]

    def events(self) -> Iterator[tuple[int, Event]]:
        """Every event, with the number of its response."""
        for number, received in enumerate(self.received):
            for event in received.response.events:
                yield number, event

    @property
    def first_revision(self) -> int:
        """From which revision on it has to be sent everything."""
        if self.request.start_revision:
            return self.request.start_revision
        created = self.received[0].response if self.received else WatchResponse()
        return created.header.revision + 1 if created.created and created.header else 0

    def violation(self, promise: str, number: int, reason: str) -> Violation:
        return Violation(promise, reason, number, self.received[number].time, self.host)


class Changes:
    """All that has ever changed in a store, in order; before `compacted` the values that were
    replaced may be unknown."""

    def __init__(self, events: Iterable[Event], compacted: int = 0) -> None:
        self.events = list(events)
        self.compacted = compacted
        self._versions: dict[bytes, list[KeyValue]] = {}
        for event in self.events:
            self._versions.setdefault(event.kv.key, []).append(event.kv)

    def at(self, key: bytes, revision: int) -> KeyValue | None:
        """A key as it was at a revision; None if it did not exist."""
        versions = self._versions.get(key, [])
        position = bisect_right(versions, revision, key=attrgetter("mod_revision"))
        kv = versions[position - 1] if position else None
        return kv if kv is not None and kv.version else None

    def between(self, first: int, last: int) -> list[Event]:
        """The events of revisions `first` to `last`."""
        start = bisect_left(self.events, first, key=_revision)
        return self.events[start : bisect_right(self.events, last, key=_revision)]


def filtered(watch: Watched, changes: Changes) -> Violation | None:
    """A watch is sent what it asked for, and nothing else."""
    for number, event in watch.events():
        if not watch.wants(event):
            return watch.violation("filtered", number, f"{said(event)} was not asked for")
    return None


def ordered(watch: Watched, changes: Changes) -> Violation | None:
    """Events come in the order of their revisions."""
    newest: Event | None = None
    for number, event in watch.events():
        if newest is not None and _revision(event) < _revision(newest):
            reason = f"{said(event)} came after {said(newest)}"
            return watch.violation("ordered", number, reason)
        newest = event
    return None


def unique(watch: Watched, changes: Changes) -> Violation | None:
    """No event comes twice."""
    had: dict[tuple[int, bytes], int] = {}
    for number, event in watch.events():
        before = had.setdefault((_revision(event), event.kv.key), number)
        if before != number or _times(watch, number, event) > 1:
            return watch.violation("unique", number, f"{said(event)} came twice")
    return None


def atomic(watch: Watched, changes: Changes) -> Violation | None:
    """The events of one revision come together, in one response (or in fragments of one)."""
    last_of: dict[int, int] = {}
    for number, event in watch.events():
        before = last_of.get(_revision(event), number)
        parts = watch.received[before:number]
        if not all(part.response.fragment for part in parts):
            reason = f"{said(event)} came apart from the others of its revision"
            return watch.violation("atomic", number, reason)
        last_of[_revision(event)] = number
    return None


def resumable(watch: Watched, changes: Changes) -> Violation | None:
    """A watch that begins at a revision begins there: the first that it is sent is the first that
    happened from there on, and no later one. So a broken watch goes on without a gap."""
    for number, event in watch.events():
        first = watch.first_revision
        if _revision(event) < first:
            reason = f"{said(event)} is older than revision {first}, where the watch begins"
            return watch.violation("resumable", number, reason)
        for missed in changes.between(first, _revision(event) - 1):
            if watch.wants(missed):
                reason = (
                    f"it begins at revision {first}, and {said(missed)} was left out: the first "
                    f"that came is {said(event)}"
                )
                return watch.violation("resumable", number, reason)
        return None
    return None


def bookmarkable(watch: Watched, changes: Changes) -> Violation | None:
    """A progress notification says that everything up to its revision was sent."""
    sent: dict[tuple[int, bytes], None] = {}
    bookmark = 0
    for number, received in enumerate(watch.received):
        response = received.response
        for event in response.events:
            if _revision(event) <= bookmark:
                reason = f"{said(event)} came after the progress notification of {bookmark}"
                return watch.violation("bookmarkable", number, reason)
            sent[_revision(event), event.kv.key] = None
        if response.events or response.created or response.canceled or response.header is None:
            continue
        bookmark = max(bookmark, response.header.revision)
        for event in changes.between(watch.first_revision, bookmark):
            if watch.wants(event) and (_revision(event), event.kv.key) not in sent:
                reason = f"progress up to {bookmark} was notified, and {said(event)} not sent"
                return watch.violation("bookmarkable", number, reason)
    return None


def reliable(watch: Watched, changes: Changes) -> Violation | None:
    """Nothing is left out between two events, and nothing comes that never happened."""
    events = list(watch.events())
    if not events:
        return None
    had = {(_revision(event), event.kv.key) for _, event in events}
    for number, event in events:
        if not any(_same(event, true) for true in changes.between(*[_revision(event)] * 2)):
            return watch.violation("reliable", number, f"{said(event)} never happened")
    first, last = _revision(events[0][1]), _revision(events[-1][1])
    for event in changes.between(first, last):
        if watch.wants(event) and (_revision(event), event.kv.key) not in had:
            number = next(n for n, later in events if _revision(later) >= _revision(event))
            return watch.violation("reliable", number, f"{said(event)} was left out")
    return None


def is_create_right(watch: Watched, changes: Changes) -> Violation | None:
    """An event says that it created its key (its create revision is its own, its version is 1) if
    the key did not exist, and only then."""
    for number, event in watch.events():
        if event.type is not EventType.PUT:
            continue
        created = event.kv.create_revision == event.kv.mod_revision
        existed = changes.at(event.kv.key, _revision(event) - 1) is not None
        if created == existed or created != (event.kv.version == 1):
            reason = (
                f"{said(event)} has create revision {event.kv.create_revision} and version "
                f"{event.kv.version}, and the key {'existed' if existed else 'did not exist'}"
            )
            return watch.violation("IsCreate right", number, reason)
    return None


def prev_kv_right(watch: Watched, changes: Changes) -> Violation | None:
    """An event carries what its key was before, if the watch asked for that and it is not
    compacted."""
    for number, event in watch.events():
        true = changes.at(event.kv.key, _revision(event) - 1) if watch.request.prev_kv else None
        unknown = event.prev_kv is None and _revision(event) <= changes.compacted
        if event.prev_kv != true and not unknown:
            reason = f"{said(event)} says that it was {_was(event.prev_kv)}: it was {_was(true)}"
            return watch.violation("PrevKV right", number, reason)
    return None


Guarantee = Callable[[Watched, Changes], Violation | None]

GUARANTEES: dict[str, Guarantee] = {
    "filtered": filtered,
    "ordered": ordered,
    "unique": unique,
    "atomic": atomic,
    "resumable": resumable,
    "bookmarkable": bookmarkable,
    "reliable": reliable,
    "IsCreate right": is_create_right,
    "PrevKV right": prev_kv_right,
}


def check(watch: Watched, changes: Changes) -> Violation | None:
    """The first guarantee that a watch breaks."""
    for guarantee in GUARANTEES.values():
        violation = guarantee(watch, changes)
        if violation is not None:
            return violation
    return None


def said(event: Event) -> str:
    """An event in words."""
    key, value = event.kv.key.decode(errors="replace"), event.kv.value.decode(errors="replace")
    what = f"put {key}={value}" if event.type is EventType.PUT else f"delete {key}"
    return f'"{what}" of revision {event.kv.mod_revision}'


def _revision(event: Event) -> int:
    return event.kv.mod_revision


def _same(event: Event, true: Event) -> bool:
    """Whether an event tells of this change; how often it existed before is not asked here."""
    kv = replace(event.kv, create_revision=true.kv.create_revision, version=true.kv.version)
    return (event.type, kv) == (true.type, true.kv)


def _times(watch: Watched, number: int, event: Event) -> int:
    events = watch.received[number].response.events
    return sum(e.kv.key == event.kv.key and _revision(e) == _revision(event) for e in events)


def _was(kv: KeyValue | None) -> str:
    return "absent" if kv is None else repr(kv.value.decode(errors="replace"))

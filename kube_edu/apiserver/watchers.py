"""Who watches a resource, and how a change finds them.

Watchers that want to see the same share one look at each change, and one chain of events: one
more of them costs nothing until it reads. Groups of them are filed under the keys' prefix and a
field that they select by, so a change of a pod is looked at for its own node's kubelet, not for
all of them. A watcher that does not read is dropped, for the server must not wait for it
(apiserver, pkg/storage/cacher/cache_watcher.go).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from kube_edu.apiserver.selection import Selection
from kube_edu.apiserver.stored import Change, Event, Stored

QUEUE = 1000
"""Events that may wait for one watcher before it is dropped as too slow."""


class Audience:
    """All watchers of one resource."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._groups: dict[tuple[str, str], dict[Selection, Group]] = {}

    def join(
        self,
        selection: Selection,
        since: int,
        initial: Sequence[Stored],
        missed: Iterable[Change],
    ) -> Watcher:
        """A new watcher, who gets some objects, changes that are past, and all to come."""
        place = (selection.prefix, selection.term)
        groups = self._groups.setdefault(place, {})
        group = groups.get(selection) or groups.setdefault(selection, Group(selection, groups))
        events = [Event("ADDED", stored) for stored in initial]
        events += filter(None, map(selection.seen, missed))
        return group.join(since, events)

    def tell(self, change: Change) -> None:
        for place in self._places(change):
            for group in list(self._groups.get(place, {}).values()):
                group.tell(change)

    def dismiss(self) -> None:
        """Everybody has to begin anew."""
        for groups in self._groups.values():
            for group in list(groups.values()):
                group.dismiss()

    def _places(self, change: Change) -> Iterator[tuple[str, str]]:
        """Where groups are filed that a change may concern."""
        namespace, _, name = change.key.removeprefix(self._prefix).rpartition("/")
        terms = {"": None, f"metadata.name={name}": None}
        if self._prefix == "/registry/pods/":
            for stored in (change.before, change.now):
                if stored is not None:
                    terms[f"spec.nodeName={node_of(stored)}"] = None
        for term in terms:
            yield self._prefix, term
            if namespace:
                yield f"{self._prefix}{namespace}/", term


class Link:
    """One event in a chain. Who reads holds the link that was read last, so what everybody has
    read is held by nobody."""

    __slots__ = ("event", "next", "number")

    def __init__(self, number: int, event: Event | None = None) -> None:
        self.number = number
        self.event = event
        self.next: Link | None = None


class Group:
    """Watchers that want to see the same: one chain of events, along which each goes at its own
    pace. An empty group leaves its place."""

    def __init__(self, selection: Selection, place: dict[Selection, Group]) -> None:
        self.last = Link(0)
        self.news = asyncio.Event()  # never stays set: it wakes those who wait
        self._selection = selection
        self._place = place
        self._watchers: dict[Watcher, None] = {}

    def join(self, since: int, events: list[Event]) -> Watcher:
        watcher = Watcher(self, since, events)
        self._watchers[watcher] = None
        return watcher

    def leave(self, watcher: Watcher) -> None:
        if watcher in self._watchers:
            del self._watchers[watcher]
            if not self._watchers:
                del self._place[self._selection]
            self.wake()

    def tell(self, change: Change) -> None:
        if (event := self._selection.seen(change)) is None:
            return
        too_far = self.last.number - QUEUE
        for slow in [watcher for watcher in self._watchers if watcher.at.number <= too_far]:
            slow.stop()
        self.last.next = Link(self.last.number + 1, event)
        self.last = self.last.next
        self.wake()

    def wake(self) -> None:
        self.news.set()
        self.news.clear()

    def dismiss(self) -> None:
        for watcher in list(self._watchers):
            watcher.stop()


class Watcher:
    """One reader of a group's chain, who has some events of its own to read first."""

    def __init__(self, group: Group, since: int, first: list[Event]) -> None:
        self.since = since  # may be ahead of the cache
        self.at = group.last
        self.stopped = False
        self._group = group
        self._first = first

    def stop(self) -> None:
        """Nothing more will come; what waits may still be read."""
        if not self.stopped:
            self.stopped = True
            self._first = self.take(len(self._first) + QUEUE)
            self.at = Link(0)
            self._group.leave(self)

    async def next(self, deadline: float) -> Event | None:
        """The next event, or None when none came before the loop's time `deadline` or none will
        come any more (`stopped`)."""
        events = self.take(1)
        if not events:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    while not (events := self.take(1)) and not self.stopped:
                        await self._group.news.wait()
            events = events or self.take(1)  # one may have come in the very moment
        return events[0] if events else None

    def take(self, most: int) -> list[Event]:
        """The next events that are there, so many at most."""
        events = self._first[:most]
        del self._first[:most]
        while len(events) < most and (link := self.at.next) is not None:
            self.at = link
            if link.event is not None and link.event.stored.revision > self.since:
                events.append(link.event)
        return events


def node_of(pod: Stored) -> str:
    """The node that a pod is bound to."""
    node: str = pod.decoded().get("spec", {}).get("nodeName", "")
    return node

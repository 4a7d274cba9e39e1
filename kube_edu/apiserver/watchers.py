"""Who watches a resource, and how a change finds them.

Watchers that want to see the same share one look at each change, and one event. Groups of them
are filed under the keys' prefix and a field that they select by, so a change of a pod is looked at
for its own node's kubelet, not for all of them. A watcher that does not read is dropped, for the
server must not wait for it (apiserver, pkg/storage/cacher/cache_watcher.go).
"""

from __future__ import annotations

import asyncio
from collections import deque
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


class Group:
    """Watchers that want to see the same. An empty one leaves its place."""

    def __init__(self, selection: Selection, place: dict[Selection, Group]) -> None:
        self._selection = selection
        self._place = place
        self._watchers: dict[int, Watcher] = {}
        self._last_number = 0

    def join(self, since: int, events: list[Event]) -> Watcher:
        self._last_number += 1
        watcher = Watcher(self, self._last_number, since, events)
        self._watchers[watcher.number] = watcher
        return watcher

    def leave(self, watcher: Watcher) -> None:
        if self._watchers.pop(watcher.number, None) is not None and not self._watchers:
            del self._place[self._selection]

    def tell(self, change: Change) -> None:
        if (event := self._selection.seen(change)) is not None:
            for watcher in list(self._watchers.values()):
                watcher.put(event, change.revision)

    def dismiss(self) -> None:
        for watcher in list(self._watchers.values()):
            watcher.stop()


class Watcher:
    """One reader's queue of events."""

    def __init__(self, group: Group, number: int, since: int, events: list[Event]) -> None:
        self.number = number
        self.since = since  # may be ahead of the cache
        self.stopped = False
        self._group = group
        self._events = deque(events)
        self._room = len(events) + QUEUE
        self._news = asyncio.Event()

    def put(self, event: Event, revision: int) -> None:
        if revision <= self.since:
            return
        if self.full:
            self.stop()
            return
        if not self._events:
            self._news.set()
        self._events.append(event)

    @property
    def full(self) -> bool:
        """Whether one event more would be too many."""
        return len(self._events) >= self._room

    def stop(self) -> None:
        """Nothing more will come; what waits may still be read."""
        self.stopped = True
        self._group.leave(self)
        self._news.set()

    async def next(self, deadline: float) -> Event | None:
        """The next event, or None when none came before the loop's time `deadline` or none will
        come any more (`stopped`)."""
        if not self._events:
            with suppress(TimeoutError):  # one may have come in the very moment
                async with asyncio.timeout_at(deadline):
                    while not self._events and not self.stopped:
                        self._news.clear()
                        await self._news.wait()
        return self._events.popleft() if self._events else None

    def take(self, most: int) -> list[Event]:
        """The next events that are there, so many at most."""
        if len(self._events) > most:
            return [self._events.popleft() for _ in range(most)]
        events = list(self._events)
        self._events.clear()
        return events


def node_of(pod: Stored) -> str:
    """The node that a pod is bound to."""
    node: str = pod.decoded().get("spec", {}).get("nodeName", "")
    return node

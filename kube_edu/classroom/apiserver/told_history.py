"""A resource and all that ever happened to it, as lab 06 plays with it: what a list shows, and what
a watch is told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kube_edu.api.meta import Object
from kube_edu.api.status import too_old_resource_version
from kube_edu.etcd.messages import Event, EventType, KeyValue
from kube_edu.viz.revisions import Rider

ELSEWHERE = "(elsewhere)"
"""Stands for every other resource: the resourceVersion counts their writes, too."""


@dataclass(frozen=True)
class Happened:
    """One change: the object as it is then, or as it was when it was deleted."""

    version: int
    type: str
    name: str
    object: Object

    def as_event(self) -> Event:
        """As the figure of a store's history wants it."""
        kind = EventType.DELETE if self.type == "DELETED" else EventType.PUT
        value = "" if self.name == ELSEWHERE else f"v{self.version}"
        version = 1 if self.type == "ADDED" else 2
        kv = KeyValue(self.name.encode(), self.version, self.version, version, value.encode())
        return Event(kind, kv)


class History:
    """`away` is a server that refuses connections; before `oldest` it has forgotten everything."""

    def __init__(self) -> None:
        self.version = 1
        self.oldest = 0
        self.away = False
        self.objects: dict[str, Object] = {}
        self.changes: list[Happened] = []
        self._open: list[ToldWatch] = []

    def put(self, name: str) -> None:
        kind = "MODIFIED" if name in self.objects else "ADDED"
        self.objects[name] = self._happens(kind, name)

    def delete(self, name: str) -> None:
        if self.objects.pop(name, None):
            self._happens("DELETED", name)

    def elsewhere(self) -> None:
        self._happens("MODIFIED", ELSEWHERE)

    def bookmark(self) -> None:
        meta = {"resourceVersion": str(self.version), "creationTimestamp": None}
        obj = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta}
        for watch in self._open:
            watch.push("BOOKMARK", obj)

    def compact(self) -> None:
        self.oldest = self.version

    def last_change(self, name: str) -> int:
        """The version of the last one of an object."""
        return max(change.version for change in self.changes if change.name == name)

    def list(self) -> Object:
        meta = {"resourceVersion": str(self.version)}
        items = [self.objects[name] for name in sorted(self.objects)]
        return {"kind": "ConfigMapList", "apiVersion": "v1", "metadata": meta, "items": items}

    def close(self, *, broken: bool) -> None:
        """End all watches, as the server does in its time, or as a broken connection does."""
        for watch in self._open:
            watch.end(ConnectionResetError("connection reset by peer") if broken else None)
        self._open = []

    def open(self, watch: ToldWatch) -> None:
        """Raises ApiError 410 where what the watch wants is forgotten."""
        if watch.since and watch.since < self.oldest:
            raise too_old_resource_version(watch.since, self.oldest)
        for change in self.changes if watch.since else ():
            if change.version > watch.since and change.name != ELSEWHERE:
                watch.push(change.type, change.object)
        for obj in self.objects.values() if not watch.since else ():
            watch.push("ADDED", obj)
        self._open.append(watch)

    def _happens(self, type: str, name: str) -> Object:
        self.version += 1
        meta = {"name": name, "namespace": "default", "resourceVersion": str(self.version)}
        obj = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta}
        self.changes.append(Happened(self.version, type, name, obj))
        for watch in self._open if name != ELSEWHERE else ():
            if self.version > watch.since:
                watch.push(type, obj)
        return obj


class ToldWatch:
    """What `source.watch(version)` gives: changes, one after the other. `rider` remembers them."""

    def __init__(
        self, history: History, since: int, name: str, reach: Callable[[], Awaitable[None]]
    ) -> None:
        self.since = since
        self.rider = Rider(name, since + 1, [])
        self.known = 0
        """The latest version that the client had been told when it asked."""
        self.forgotten = 0
        """Where it is refused: what the server has forgotten by then."""
        self._history = history
        self._reach = reach
        self.reached = False
        """Whether the server was there at all."""
        self._opened = False
        self._waiting: deque[tuple[str, Object] | Exception | None] = deque()
        self._news = asyncio.Event()

    def push(self, type: str, obj: Object) -> None:
        self._waiting.append((type, obj))
        self._news.set()

    def end(self, error: Exception | None) -> None:
        self._waiting.append(error)
        self._news.set()

    def __aiter__(self) -> ToldWatch:
        return self

    async def __anext__(self) -> tuple[str, Object]:
        if not self._opened:
            await self._begin()
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        told = self._waiting.popleft()
        if isinstance(told, tuple):
            self.rider.told.append(int(told[1]["metadata"]["resourceVersion"]))
            return told
        self.rider.ended = True
        if told is None:
            raise StopAsyncIteration
        raise told

    async def aclose(self) -> None:
        self.rider.ended = True

    async def _begin(self) -> None:
        self._opened = True
        try:
            await self._reach()
            self.reached = True
            self._history.open(self)
        except Exception as refusal:
            self.rider.ended = True
            self.rider.refused = not isinstance(refusal, ConnectionError)
            self.forgotten = self._history.oldest
            raise

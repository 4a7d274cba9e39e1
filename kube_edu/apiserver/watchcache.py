"""The watch cache: one etcd watch a resource, shared by everyone who watches or lists it.

It holds the current object of every key and a ring of the latest changes, so a watch can start
at any recent revision without asking etcd. Each change is decoded once; the object in it is one
object for all readers, and never changed. A watcher that does not read is dropped, for the
server must not wait for it (apiserver, pkg/storage/cacher).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import aclosing, suppress
from typing import NamedTuple

from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError, too_many_requests, too_old_resource_version
from kube_edu.apiserver.storage import Storage, at, decode, with_revision
from kube_edu.etcd.errors import EtcdError
from kube_edu.etcd.messages import Event, EventType

RING = 1000
"""Changes that are kept for watches that start in the past."""

QUEUE = 1000
"""Changes that may wait for one watcher before it is dropped as too slow."""

RETRY = 1.0
"""Seconds between attempts to reach the store."""


class Change(NamedTuple):
    """One change of one key. `object` is the new object, for DELETED the last one, with the
    revision of the deletion; `previous` what stood there before."""

    type: str
    key: str
    object: Object
    previous: Object | None
    revision: int


class WatchCache:
    """Objects below one prefix, their latest changes, and who watches them."""

    def __init__(self, storage: Storage, prefix: str) -> None:
        self.objects: dict[str, Object] = {}
        self.revision = 0
        self.ready = asyncio.Event()
        self._storage = storage
        self._prefix = prefix
        self._ring: deque[Change] = deque()
        self._oldest = 0  # the ring holds every change after this revision
        self._watchers: dict[int, Watcher] = {}
        self._next_watcher = 0

    async def run(self) -> None:
        """Follow the store for ever: go on from the last revision after a broken stream, list
        anew when that has been compacted away."""
        while True:
            try:
                if not self.ready.is_set():
                    await self._list()
                await self._follow()
            except (EtcdError, ApiError, ConnectionError):
                pass
            await asyncio.sleep(RETRY)

    def watch(self, since: int) -> Watcher:
        """Everyone watching gets all changes after revision `since`; raises ApiError 410 when
        the ring does not reach back so far, 429 while it is not known what has changed."""
        self.check_ready()
        if since < self._oldest:
            raise too_old_resource_version(since, self._oldest)
        self._next_watcher += 1
        watcher = Watcher(self, self._next_watcher, since, self._ring)
        self._watchers[watcher.number] = watcher
        return watcher

    def check_ready(self) -> None:
        """Raises ApiError 429 until the state has been read (again)."""
        if not self.ready.is_set():
            raise too_many_requests("storage is (re)initializing", 1)

    def forget(self, watcher: Watcher) -> None:
        self._watchers.pop(watcher.number, None)

    async def _list(self) -> None:
        page = await self._storage.page(self._prefix)
        self.objects = dict(page.objects)
        self.revision = self._oldest = page.revision
        self._ring.clear()
        self.ready.set()

    async def _follow(self) -> None:
        async with aclosing(self._storage.watch(self._prefix, self.revision)) as responses:
            async for response in responses:
                if response.canceled:
                    if response.compact_revision:
                        self._restart()
                    return
                for event in response.events:
                    self._apply(event)
                if response.events:
                    self.revision = response.events[-1].kv.mod_revision
                elif not response.created:  # a progress notification: nothing is missing so far
                    self.revision = max(self.revision, at(response.header))

    def _restart(self) -> None:
        """The gap cannot be filled: every watcher has to list anew, and so has the cache."""
        self.ready.clear()
        for watcher in list(self._watchers.values()):
            watcher.stop()

    def _apply(self, event: Event) -> None:
        key, revision = event.kv.key.decode(), event.kv.mod_revision
        previous = self.objects.get(key)
        if event.type == EventType.DELETE:
            if previous is None:
                return
            del self.objects[key]
            change = Change("DELETED", key, with_revision(previous, revision), previous, revision)
        else:
            obj = self.objects[key] = decode(event.kv)
            change = Change("MODIFIED" if previous else "ADDED", key, obj, previous, revision)
        self._ring.append(change)
        if len(self._ring) > RING:
            self._oldest = self._ring.popleft().revision
        for watcher in list(self._watchers.values()):
            watcher.put(change)


class Watcher:
    """One reader's queue of changes."""

    def __init__(
        self, cache: WatchCache, number: int, since: int, changes: Iterable[Change]
    ) -> None:
        self.number = number
        self.stopped = False
        self._cache = cache
        self._since = since  # may be ahead of the cache
        self._changes = deque(change for change in changes if change.revision > since)
        self._room = len(self._changes) + QUEUE
        self._news = asyncio.Event()

    def put(self, change: Change) -> None:
        if change.revision <= self._since:
            return
        if len(self._changes) >= self._room:
            self.stop()
            return
        self._changes.append(change)
        self._news.set()

    def stop(self) -> None:
        """Nothing more will come; what waits may still be read."""
        self.stopped = True
        self._cache.forget(self)
        self._news.set()

    async def next(self, deadline: float) -> Change | None:
        """The next change, or None when none came before the loop's time `deadline` or none will
        come any more (`stopped`)."""
        with suppress(TimeoutError):  # a change may have come in the very moment
            async with asyncio.timeout_at(deadline):
                while not self._changes and not self.stopped:
                    self._news.clear()
                    await self._news.wait()
        return self._changes.popleft() if self._changes else None

"""The watch cache: one etcd watch a resource, shared by everyone who watches or lists it.

It holds the current state of every key and a ring of the latest changes, so a watch can start at
any recent revision, and a list can show one, without asking etcd: the ring runs backwards, too.
How far the cache has come is told by the changes that arrive; where none do, the store is asked
(apiserver, pkg/storage/cacher; KEP-2340 for reads that must not be old).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import aclosing
from itertools import takewhile
from typing import NamedTuple

from sortedcontainers import SortedDict

from kube_edu.api.status import ApiError, too_many_requests, too_old_resource_version
from kube_edu.apiserver.selection import Selection
from kube_edu.apiserver.storage import Storage, at
from kube_edu.apiserver.stored import Change, Stored
from kube_edu.apiserver.watchers import Audience, Watcher, node_of
from kube_edu.etcd.errors import EtcdError
from kube_edu.etcd.messages import Event, EventType

RING = 1000
"""Changes that are kept for watches and lists that start in the past."""

RETRY = 1.0
"""Seconds between attempts to reach the store."""

PATIENCE = 3.0
"""Seconds that a read waits for the cache to come up to a revision (cacher, blockTimeout)."""

ASK_EVERY = 0.1
"""Seconds between questions how far the store has come, while a read waits for that (cacher,
progressRequestPeriod)."""


class Found(NamedTuple):
    """What a list has found, at one revision."""

    items: list[Stored]
    revision: int
    next: str = ""
    """The key from which to go on, where `limit` cut the list short."""
    remaining: int = 0
    """So many keys follow, matching or not."""


class WatchCache:
    """Objects below one prefix, their latest changes, and who watches them."""

    def __init__(self, storage: Storage, prefix: str) -> None:
        self.revision = 0
        self.ready = asyncio.Event()
        self.tells_progress = False
        self._storage = storage
        self._prefix = prefix
        self._objects = SortedDict()  # Stored by key
        self._by_node: dict[str, dict[str, None]] = {}  # the keys of a node's pods
        self._ring: deque[Change] = deque()
        self._oldest = 0  # the ring holds every change after this revision
        self._audience = Audience(prefix)
        self._advanced = asyncio.Event()
        self._progress = asyncio.Event()  # set when somebody wants to know how far the store is

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

    # -- reading ------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: str) -> Stored | None:
        stored: Stored | None = self._objects.get(key)
        return stored

    def holds(self, revision: int) -> bool:
        """Whether the state at a revision can be shown."""
        return self.ready.is_set() and self._oldest <= revision <= self.revision

    async def reach(self, revision: int) -> bool:
        """Wait until everything up to a revision is here; False if that takes too long."""
        now = asyncio.get_running_loop().time
        end = now() + PATIENCE
        while self.ready.is_set() and self.revision < revision and now() < end:
            self._progress.set()
            self._advanced.clear()
            try:
                async with asyncio.timeout(ASK_EVERY):
                    await self._advanced.wait()
            except TimeoutError:
                pass
        return self.ready.is_set() and self.revision >= revision

    def select(
        self, selection: Selection, *, start: str = "", limit: int = 0, revision: int = 0
    ) -> Found:
        """What is selected, from a key on, as it was at a revision that the cache holds (0: as it
        is now)."""
        past = self._undone(revision) if revision else {}
        keys = self._candidates(selection, start)
        if past:
            first = start or selection.prefix
            keys = sorted({*keys, *(key for key in past if first <= key < selection.end)})
        items: list[Stored] = []
        for position, key in enumerate(keys):
            if limit and len(items) == limit:
                return Found(items, revision or self.revision, key, len(keys) - position)
            stored = past[key] if key in past else self._objects[key]
            if stored is not None and selection.matches(stored):
                items.append(stored)
        return Found(items, revision or self.revision)

    def _undone(self, revision: int) -> dict[str, Stored | None]:
        """What stood at a revision under the keys that have changed since."""
        return {change.key: change.before for change in self._since(revision)}

    def _since(self, revision: int) -> Iterator[Change]:
        """The changes after a revision, the latest first."""
        return takewhile(lambda change: change.revision > revision, reversed(self._ring))

    def _candidates(self, selection: Selection, start: str) -> list[str]:
        """Keys, in order, among which is all that is selected now."""
        first, end = start or selection.prefix, selection.end
        field, _, value = selection.term.partition("=")
        if field == "spec.nodeName":
            return sorted(key for key in self._by_node.get(value, ()) if first <= key < end)
        return list(self._objects.irange(first, end, inclusive=(True, False)))

    def watch(self, selection: Selection, since: int, *, initial: list[Stored]) -> Watcher:
        """Somebody watches: they get some initial objects, and all changes after a revision.
        Raises ApiError 410 when the ring does not reach back so far, 429 while it is not known
        what has changed."""
        self.check_ready()
        if since < self._oldest:
            raise too_old_resource_version(since, self._oldest)
        missed = [c for c in self._since(since) if c.key.startswith(selection.prefix)]
        return self._audience.join(selection, since, initial, reversed(missed))

    def check_ready(self) -> None:
        """Raises ApiError 429 until the state has been read (again)."""
        if not self.ready.is_set():
            raise too_many_requests("storage is (re)initializing", 1)

    # -- following the store ------------------------------------------------------------------

    async def _list(self) -> None:
        self.tells_progress = await self._storage.tells_progress()
        page = await self._storage.page(self._prefix)
        self.begin(page.found, page.revision)
        self.ready.set()
        self._advance(page.revision)

    def begin(self, found: list[Stored], revision: int) -> None:
        """This is all there is at a revision; what was before is not known."""
        self._objects = SortedDict((stored.key, stored) for stored in found)
        self._by_node = {}
        for stored in found:
            self._file(None, stored)
        self._oldest = revision
        self._ring.clear()

    async def _follow(self) -> None:
        stream = self._storage.watch(self._prefix, self.revision, self._progress)
        async with aclosing(stream) as responses:
            async for response in responses:
                if response.canceled:
                    if response.compact_revision:
                        self._restart()
                    return
                for event in response.events:
                    self._apply(event)
                if response.events:
                    self._advance(response.events[-1].kv.mod_revision)
                elif not response.created:  # progress: nothing is missing so far
                    self._advance(at(response.header))

    def _restart(self) -> None:
        """The gap cannot be filled: every watcher has to list anew, and so has the cache."""
        self.ready.clear()
        self._audience.dismiss()

    def _advance(self, revision: int) -> None:
        self.revision = max(self.revision, revision)
        self._advanced.set()

    def _apply(self, event: Event) -> None:
        key, deleted = event.kv.key.decode(), event.type == EventType.DELETE
        before = self._objects.get(key)
        if before is not None or not deleted:
            now = None if deleted else self._storage.stored(event.kv)
            self.learn(Change(key, event.kv.mod_revision, now, before))

    def learn(self, change: Change) -> None:
        """One change more: it is kept, and told to whoever watches."""
        key, before, now = change.key, change.before, change.now
        if now is None:
            del self._objects[key]
        else:
            self._objects[key] = now
        self._file(before, now)
        self._ring.append(change)
        if len(self._ring) > RING:
            self._oldest = self._ring.popleft().revision
        self._audience.tell(change)

    def _file(self, before: Stored | None, now: Stored | None) -> None:
        """Keep the index of the pods of each node."""
        if self._prefix != "/registry/pods/":
            return
        if before is not None:
            del self._by_node[node_of(before)][before.key]
        if now is not None:
            self._by_node.setdefault(node_of(now), {})[now.key] = None

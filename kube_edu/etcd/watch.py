"""Watches: every change of a key or an interval, from a revision on, in order and without a gap
(etcd: server/mvcc/watchable_store.go).

Each change is looked up once for the watchers of its key and once for those of intervals; all
watchers share one event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from kube_edu.etcd import messages as rpc
from kube_edu.etcd.mvcc import FROM_KEY, Store


class Watcher:
    """One watch: an async iterator of WatchResponse, the first of which says `created`. It ends
    when it is closed, or canceled by the hub."""

    def __init__(self, hub: WatchHub, request: rpc.WatchCreateRequest, id: int) -> None:
        self.request = request
        self.id = id
        self.next_revision = request.start_revision
        self._hub = hub
        self._filtered = {int(kind) for kind in request.filters}
        self._responses: asyncio.Queue[rpc.WatchResponse | None] = asyncio.Queue()
        self._ended = False

    def __aiter__(self) -> Watcher:
        return self

    async def __anext__(self) -> rpc.WatchResponse:
        response = None if self._ended else await self._responses.get()
        if response is None:
            self._ended = True
            raise StopAsyncIteration
        return response

    async def aclose(self) -> None:
        self._ended = True
        self._hub.remove(self)

    def waiting(self) -> list[rpc.WatchResponse]:
        """What is there to be read now, without waiting."""
        responses = []
        while not self._responses.empty():
            response = self._responses.get_nowait()
            if response is not None:
                responses.append(response)
        return responses

    def wants(self, key: bytes) -> bool:
        """Whether a key lies in this watch's interval."""
        start, end = self.request.key, self.request.range_end
        return key == start or (start < key and (end == FROM_KEY or key < end))

    def offer(self, header: rpc.ResponseHeader, events: Iterable[rpc.Event]) -> None:
        """Events in order; those that it does not want, or has had, are left out."""
        wanted = [
            event
            for event in events
            if event.kv.mod_revision >= self.next_revision and event.type not in self._filtered
        ]
        self.next_revision = max(self.next_revision, header.revision + 1)
        if not wanted:
            return
        if not self.request.prev_kv:
            wanted = [self._hub.without_previous(event) for event in wanted]
        for event in wanted:
            self._hub.record(
                "etcd.watch",
                key=event.kv.key.decode(errors="replace"),
                type=event.type.name,
                revision=event.kv.mod_revision,
            )
        self.send(rpc.WatchResponse(header, self.id, events=tuple(wanted)))

    def send(self, response: rpc.WatchResponse | None) -> None:
        """None ends the watch."""
        self._responses.put_nowait(response)


class WatchHub:
    """All watches on a store. `header` makes the header of a response."""

    def __init__(
        self,
        store: Store,
        header: Callable[[], rpc.ResponseHeader],
        record: Callable[..., Any] = lambda kind, **fields: None,
    ) -> None:
        self.record = record
        self._store = store
        self._header = header
        self._by_key: dict[bytes, dict[int, Watcher]] = {}
        self._by_interval: dict[int, Watcher] = {}
        self._last_id = 0
        self._stripped: dict[int, rpc.Event] = {}  # of the revision that is being sent

    def watch(self, request: rpc.WatchCreateRequest) -> Watcher:
        """A new watch, from `start_revision` on, or from the next revision if that is 0."""
        self._last_id += 1
        request = replace(request, key=request.key or b"\0")
        watcher = Watcher(self, request, request.watch_id or self._last_id)
        header = self._header()
        watcher.send(rpc.WatchResponse(header, watcher.id, created=True))
        compacted = self._store.compact_revision
        if 0 < request.start_revision < compacted:
            # created first and canceled then: what clients of etcd expect
            canceled = rpc.WatchResponse(
                header, watcher.id, canceled=True, compact_revision=compacted
            )
            watcher.send(canceled)
            watcher.send(None)
            return watcher
        if request.start_revision == 0:
            watcher.next_revision = header.revision + 1
        self._catch_up(watcher, header)
        self._group(watcher)[id(watcher)] = watcher
        return watcher

    def notify(self, events: tuple[rpc.Event, ...]) -> None:
        """A new revision of the store."""
        if not self._by_key and not self._by_interval:
            return
        header = self._header()
        found: dict[int, tuple[Watcher, list[rpc.Event]]] = {}
        for event in events:
            key = event.kv.key
            for number, watcher in self._by_key.get(key, {}).items():
                found.setdefault(number, (watcher, []))[1].append(event)
            for number, watcher in self._by_interval.items():
                if watcher.wants(key):
                    found.setdefault(number, (watcher, []))[1].append(event)
        for watcher, its_events in found.values():
            watcher.offer(header, its_events)
        self._stripped.clear()

    def progress(self) -> None:
        """Tell the watchers that asked for it up to where they have seen everything."""
        header = self._header()
        for watcher in self._all():
            if watcher.request.progress_notify:
                watcher.send(rpc.WatchResponse(header, watcher.id))

    def end_all(self) -> None:
        """Break off every watch: its client goes on elsewhere."""
        for watcher in self._all():
            watcher.send(None)
        self._by_key.clear()
        self._by_interval.clear()

    def remove(self, watcher: Watcher) -> None:
        group = self._group(watcher)
        group.pop(id(watcher), None)
        if not group:
            self._by_key.pop(watcher.request.key, None)

    def restore(self, store: Store) -> None:
        """The store was replaced by another member's snapshot: send what it brought."""
        self._store = store
        header = self._header()
        for watcher in self._all():
            if 0 < watcher.next_revision < store.compact_revision:
                revision = store.compact_revision
                watcher.send(
                    rpc.WatchResponse(header, watcher.id, canceled=True, compact_revision=revision)
                )
                watcher.send(None)
                self.remove(watcher)
            else:
                self._catch_up(watcher, header)

    def without_previous(self, event: rpc.Event) -> rpc.Event:
        """The event as most watchers want it, made once for all of them."""
        if event.prev_kv is None:
            return event
        stripped = self._stripped.get(id(event))
        if stripped is None:
            stripped = self._stripped[id(event)] = rpc.Event(event.type, event.kv)
        return stripped

    def _catch_up(self, watcher: Watcher, header: rpc.ResponseHeader) -> None:
        if watcher.next_revision <= header.revision:
            changes = self._store.changes(watcher.next_revision)
            wanted = [e for events in changes for e in events if watcher.wants(e.kv.key)]
            watcher.offer(header, wanted)
            self._stripped.clear()

    def _group(self, watcher: Watcher) -> dict[int, Watcher]:
        if watcher.request.range_end:
            return self._by_interval
        return self._by_key.setdefault(watcher.request.key, {})

    def _all(self) -> list[Watcher]:
        by_key = [watcher for group in self._by_key.values() for watcher in group.values()]
        return by_key + list(self._by_interval.values())

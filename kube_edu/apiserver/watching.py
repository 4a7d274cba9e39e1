"""Watch: an endless answer, one event for every change that the client wants to see.

It begins where the client says: after a resourceVersion; or, without one, with the state as it is
now, each object as an ADDED event (apiserver, pkg/storage/cacher and
pkg/endpoints/handlers/watch.go).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.apiserver.call import Call
from kube_edu.apiserver.queryoptions import check_watch
from kube_edu.apiserver.reading import Reader, revision_asked
from kube_edu.apiserver.selection import Selection
from kube_edu.apiserver.stored import Event
from kube_edu.apiserver.watchcache import Found, WatchCache
from kube_edu.apiserver.watchers import Watcher
from kube_edu.host import Host

BOOKMARK_EVERY = 60.0
MIN_TIMEOUT = 1800.0
"""A watch without timeoutSeconds ends after this many seconds to twice as many, at random
(--min-request-timeout), so that watches spread over the servers again."""

TOGETHER = 1000
"""Events that are handed over at once, at most."""


class Watches:
    """Answers watches from the watch caches."""

    def __init__(self, host: Host, reader: Reader, caches: Mapping[str, WatchCache]) -> None:
        self._host = host
        self._reader = reader
        self._caches = caches

    async def watch(self, call: Call) -> Events:
        """The stream of events that answers a watch."""
        check_watch(call)
        selection = Selection.of(call)
        seconds = call.number("timeoutSeconds") or MIN_TIMEOUT * (1 + self._host.random.random())
        cache = self._caches[call.target.storage_prefix]
        cache.check_ready()
        version = call.request.param("resourceVersion")
        since = revision_asked(version)
        wanted = call.request.param("sendInitialEvents")
        with_state = call.flag("sendInitialEvents") or (not wanted and version in ("", "0"))
        found = Found([], since)
        if with_state or not since:
            found = await self._reader.state(selection, cache, version)
        initial = found.items if with_state else []
        try:
            watcher = cache.watch(selection, found.revision, initial=initial)
        except ApiError as refusal:
            if refusal.code != 410:
                raise
            self._host.record(
                "api.watch",
                object=f"{call.target.plural}/{call.namespace}/",
                type="ERROR",
                rv=since,
                user=call.user.name,
            )
            return _refused(refusal)
        count = len(initial) if with_state else None
        return EventStream(self._host, call, cache, watcher, seconds, initial=count)


class EventStream:
    """The events for one watcher: an async iterator, which knows whether one is ready."""

    def __init__(
        self,
        host: Host,
        call: Call,
        cache: WatchCache,
        watcher: Watcher,
        seconds: float,
        *,
        initial: int | None,
    ) -> None:
        """The first `initial` events show the state, and a bookmark says when they have."""
        self._host = host
        self._resource = call.target
        self._plural = call.target.plural
        self._user = call.user.name
        self._cache = cache
        self._watcher = watcher
        self._end = asyncio.get_running_loop().time() + seconds
        self._bookmarks = call.flag("allowWatchBookmarks")
        self._initial = initial if initial is not None and self._bookmarks else -1

    def __aiter__(self) -> EventStream:
        return self

    def ready(self) -> bytes:
        """The events that are there already, up to the bookmark that follows the state: for a
        socket, and not on the trace, which no live host keeps."""
        most = min(self._initial, TOGETHER) if self._initial >= 0 else TOGETHER
        events = self._watcher.take(most)
        self._initial -= len(events)
        return b"".join([event.encoded() for event in events])

    async def aclose(self) -> None:
        self._watcher.stop()

    async def __anext__(self) -> Event | Object:
        now = asyncio.get_running_loop().time
        if self._initial == 0:
            self._initial = -1
            return self._bookmark(initial_events_end=True)
        while now() < self._end:
            # The last bookmark comes shortly before the end, to go on from.
            soon = self._end - 2
            last = soon if self._bookmarks and soon > now() else self._end
            event = await self._watcher.next(min(now() + BOOKMARK_EVERY, last))
            if event is not None:
                return self._next(event)
            if self._watcher.stopped:
                break
            if self._bookmarks and now() < self._end:
                return self._bookmark()
        await self.aclose()
        raise StopAsyncIteration

    def _next(self, event: Event) -> Event:
        self._initial -= 1
        self._host.record(
            "api.watch",
            object=f"{self._plural}/{event.reference}",
            type=event.type,
            rv=event.stored.revision,
            user=self._user,
        )
        return event

    def _bookmark(self, *, initial_events_end: bool = False) -> Object:
        resource = self._resource
        revision = max(self._cache.revision, self._watcher.since)
        meta: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_events_end:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
        return {"type": "BOOKMARK", "object": obj}


async def _refused(refusal: ApiError) -> AsyncGenerator[Object, None]:
    yield {"type": "ERROR", "object": refusal.status}


Events = EventStream | AsyncGenerator[Object, None]

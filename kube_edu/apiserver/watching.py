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
from kube_edu.apiserver.reading import Selection, revision_asked
from kube_edu.apiserver.storage import Storage, revision_of, with_revision
from kube_edu.apiserver.watchcache import Change, WatchCache
from kube_edu.host import Host

BOOKMARK_EVERY = 60.0
MIN_TIMEOUT = 1800.0
"""A watch without timeoutSeconds ends after this many seconds to twice as many, at random
(--min-request-timeout), so that watches spread over the servers again."""


class Watches:
    """Answers watches from the watch caches."""

    def __init__(self, host: Host, storage: Storage, caches: Mapping[str, WatchCache]) -> None:
        self._host = host
        self._storage = storage
        self._caches = caches

    async def watch(self, call: Call) -> AsyncGenerator[Object, None]:
        """The stream of events that answers a watch."""
        selection = Selection.of(call)
        call.number("timeoutSeconds")  # a bad one is told while there is time
        cache = self._caches[call.target.storage_prefix]
        cache.check_ready()
        version = call.request.param("resourceVersion")
        since = revision_asked(version)
        initial: list[Object] = []
        with_state = call.request.param("sendInitialEvents")
        if version in ("", "0") or with_state == "true":
            if version and cache.revision >= since:
                objects, since = cache.objects, cache.revision
            else:
                objects, since, *_ = await self._storage.page(selection.prefix)
            if with_state != "false":
                initial = selection.pick(objects)
        return self._events(call, selection, cache, initial, since)

    async def _events(
        self,
        call: Call,
        selection: Selection,
        cache: WatchCache,
        initial: list[Object],
        since: int,
    ) -> AsyncGenerator[Object, None]:
        now = asyncio.get_running_loop().time
        seconds = call.number("timeoutSeconds") or MIN_TIMEOUT * (1 + self._host.random.random())
        end = now() + seconds
        bookmarks = call.flag("allowWatchBookmarks")
        try:
            watcher = cache.watch(since)
        except ApiError as expired:
            yield {"type": "ERROR", "object": expired.status}
            return
        try:
            for obj in initial:
                yield self._event(call, "ADDED", obj)
            if call.flag("sendInitialEvents") and bookmarks:
                yield _bookmark(call, since, initial_events_end=True)
            while now() < end:
                # The last bookmark comes shortly before the end, to go on from.
                last = end - 2 if bookmarks and end - 2 > now() else end
                change = await watcher.next(min(now() + BOOKMARK_EVERY, last))
                if change is not None:
                    if (event := _translated(change, selection)) is not None:
                        yield self._event(call, *event)
                elif watcher.stopped:
                    return
                elif bookmarks and now() < end:
                    yield _bookmark(call, max(cache.revision, since))
        finally:
            watcher.stop()

    def _event(self, call: Call, type: str, obj: Object) -> Object:
        self._host.record(
            "api.watch",
            object=call.target.reference(obj),
            type=type,
            rv=revision_of(obj),
            user=call.user.name,
        )
        return {"type": type, "object": obj}


def _translated(change: Change, selection: Selection) -> tuple[str, Object] | None:
    """A change as this watcher sees it: an object that begins to match its selectors is ADDED
    for it, one that ceases to is DELETED."""
    if not change.key.startswith(selection.prefix):
        return None
    before = change.previous is not None and selection.matches(change.previous)
    if change.type == "DELETED":
        return (change.type, change.object) if before else None
    if selection.matches(change.object):
        return ("MODIFIED" if before else "ADDED"), change.object
    if change.previous is None or not before:
        return None
    return "DELETED", with_revision(change.previous, change.revision)


def _bookmark(call: Call, revision: int, *, initial_events_end: bool = False) -> Object:
    resource = call.target
    meta: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
    if initial_events_end:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
    return {"type": "BOOKMARK", "object": obj}

"""Get and list.

Which state a read may show is the client's choice ("Resource versions" in the API concepts):
without a resourceVersion the newest; with "0" whatever the watch cache holds; with another one a
state that is not older; with `resourceVersionMatch=Exact`, and for the later pages of a list, the
state at that very revision.

The newest is served from the cache as well, once that has come up to the revision which a majority
of the store agrees on (KEP-2340). A single object is as quickly read from the store itself.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from kube_edu.api.meta import Object
from kube_edu.api.status import (
    ApiError,
    bad_request,
    gone,
    not_found,
    too_large_resource_version,
)
from kube_edu.apiserver.call import Call, is_number
from kube_edu.apiserver.queryoptions import check_list
from kube_edu.apiserver.selection import Selection
from kube_edu.apiserver.storage import Page, Storage
from kube_edu.apiserver.stored import Stored, StoredList
from kube_edu.apiserver.watchcache import Found, WatchCache

_TOKEN_VERSION = "meta.k8s.io/v1"

NEWEST = -1
"""As the revision of a token: go on in whatever state there is then."""

_CONTINUE_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


class Reader:
    """Reads from the watch caches, and where they do not reach from the store."""

    def __init__(self, storage: Storage, caches: Mapping[str, WatchCache]) -> None:
        self._storage = storage
        self._caches = caches

    async def get(self, call: Call) -> Stored:
        resource = call.target
        key = resource.storage_key(call.namespace, call.name)
        cache = self._caches[resource.storage_prefix]
        version = call.request.param("resourceVersion")
        if version and cache.ready.is_set():
            await reach(cache, revision_asked(version))
            stored = cache.get(key)
        else:
            stored, cached = await self._storage.read(key), cache.get(key)
            if stored and cached and stored.revision == cached.revision:
                stored = cached  # one object a revision
        if stored is None:
            raise not_found(resource, call.name)
        return stored

    async def list(self, call: Call) -> StoredList:
        check_list(call)
        selection = Selection.of(call)
        cache = self._caches[call.target.storage_prefix]
        limit, token = call.number("limit"), call.request.param("continue")
        start, revision = read_token(token, selection.prefix) if token else ("", 0)
        if not token:
            revision = await self._revision(call, cache)
        elif revision == NEWEST:
            revision = await self._newest(cache)
        if revision and cache.holds(revision):
            found = cache.select(selection, start=start, limit=limit, revision=revision)
        else:
            found = await self._from_store(selection, start, limit, revision, bool(token))
        return _list(call, selection, found)

    async def state(self, selection: Selection, cache: WatchCache, version: str) -> Found:
        """What a watch begins with: the newest state, or one that is not older than a version."""
        if version:
            await reach(cache, revision_asked(version))
        elif not await self._newest(cache):
            return await self._from_store(selection)
        return cache.select(selection)

    async def _newest(self, cache: WatchCache) -> int:
        """The revision that a majority of the store agrees on, if the cache has come up to it in
        time; else 0."""
        if not cache.ready.is_set() or not cache.tells_progress:
            return 0
        revision = await self._storage.revision()
        return cache.revision if await cache.reach(revision) else 0

    async def _revision(self, call: Call, cache: WatchCache) -> int:
        """The revision at which a list begins; 0 for the newest, read from the store."""
        version = call.request.param("resourceVersion")
        asked = revision_asked(version)
        match = call.request.param("resourceVersionMatch")
        if match == "Exact" or (asked and not match and call.number("limit")):
            return asked
        if not version:
            return await self._newest(cache)
        if cache.ready.is_set():
            await reach(cache, asked)
            return cache.revision
        if asked > (current := await self._storage.revision()):
            raise too_large_resource_version(f"{asked}, current: {current}")
        return 0

    async def _from_store(
        self,
        selection: Selection,
        start: str = "",
        limit: int = 0,
        revision: int = 0,
        continued: bool = False,
    ) -> Found:
        """Page by page, until `limit` objects are found."""
        items: list[Stored] = []
        while True:
            page = await self._page(selection.prefix, start, limit, revision, continued)
            revision = page.revision
            for position, stored in enumerate(page.found):
                if limit and len(items) == limit:
                    rest = len(page.found) - position + page.remaining
                    return Found(items, revision, stored.key, rest)
                if selection.matches(stored):
                    items.append(stored)
            if not page.remaining:
                return Found(items, revision)
            start = f"{page.found[-1].key}\0"
            if limit and len(items) == limit:
                return Found(items, revision, start, page.remaining)

    async def _page(
        self, prefix: str, start: str, limit: int, revision: int, continued: bool
    ) -> Page:
        try:
            return await self._storage.page(prefix, start=start, limit=limit, revision=revision)
        except ApiError as failure:
            if failure.code != 410 or not continued:
                raise
            expired = gone(_CONTINUE_TOO_OLD)
            expired.status["metadata"] = {"continue": token_of(start, NEWEST, prefix)}
            raise expired from None


async def reach(cache: WatchCache, revision: int) -> None:
    """Wait for a revision; raises ApiError 504 for one that is not there in time."""
    if not await cache.reach(revision):
        cache.check_ready()
        raise too_large_resource_version(f"{revision}, current: {cache.revision}")


def _list(call: Call, selection: Selection, found: Found) -> StoredList:
    resource = call.target
    meta: Object = {"resourceVersion": str(found.revision)}
    if found.next:
        meta["continue"] = token_of(found.next, found.revision, selection.prefix)
        if selection.everything:
            meta["remainingItemCount"] = found.remaining
    head = {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": meta}
    return StoredList(head, found.items)


def token_of(start: str, revision: int, prefix: str) -> str:
    """A continue token, as apiserver/pkg/storage/continue.go makes it."""
    token = {"v": _TOKEN_VERSION, "rv": revision, "start": start.removeprefix(prefix)}
    text = json.dumps(token, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_token(token: str, prefix: str) -> tuple[str, int]:
    """The key from which a list goes on, and the revision at which."""
    try:
        parsed = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        start, revision = parsed["start"], parsed["rv"]
        whole = revision == NEWEST or (is_number(str(revision)) and int(revision) > 0)
        if isinstance(start, str) and start and whole and parsed["v"] == _TOKEN_VERSION:
            return prefix + start, int(revision)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise bad_request("continue key is not valid")


def revision_asked(text: str) -> int:
    """A resourceVersion of a query, 0 where there is none."""
    if text and not is_number(text):
        raise bad_request(f'resourceVersion: Invalid value: "{text}": not a whole number')
    return int(text or 0)

"""Get and list.

Which state a read may show is the client's choice (KEP-2340 and "Resource versions" in the API
concepts): without a resourceVersion the newest, read from the store; with "0" whatever the watch
cache holds; with another one a state that is not older; with `resourceVersionMatch=Exact`, and
for the later pages of a list, the state at that very revision.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kube_edu.api.meta import Object
from kube_edu.api.selectors import FieldSelector, LabelSelector, SelectorError
from kube_edu.api.status import (
    ApiError,
    bad_request,
    error,
    gone,
    not_found,
)
from kube_edu.apiserver.call import Call, is_number
from kube_edu.apiserver.storage import Page, Storage
from kube_edu.apiserver.watchcache import WatchCache

_TOKEN_VERSION = "meta.k8s.io/v1"

_CONTINUE_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a resource a list or watch is about."""

    prefix: str
    labels: LabelSelector
    fields: FieldSelector

    @classmethod
    def of(cls, call: Call) -> Selection:
        resource = call.target
        prefix = resource.storage_prefix + (f"{call.namespace}/" if call.namespace else "")
        try:
            labels = LabelSelector.parse(call.request.param("labelSelector"))
            fields = FieldSelector.parse(call.request.param("fieldSelector"), resource.kind)
        except SelectorError as problem:
            raise bad_request(str(problem)) from None
        return cls(prefix, labels, fields)

    @property
    def everything(self) -> bool:
        return not self.labels.requirements and self.fields.empty

    def matches(self, obj: Object) -> bool:
        return self.labels.matches(obj["metadata"].get("labels") or {}) and self.fields.matches(obj)

    def pick(self, objects: Mapping[str, Object]) -> list[Object]:
        """The objects selected, in the order of their keys."""
        keys = sorted(key for key in objects if key.startswith(self.prefix))
        return [objects[key] for key in keys if self.matches(objects[key])]


class Reader:
    """Reads from the store and the watch caches."""

    def __init__(self, storage: Storage, caches: Mapping[str, WatchCache]) -> None:
        self._storage = storage
        self._caches = caches

    async def get(self, call: Call) -> Object:
        resource = call.target
        key = resource.storage_key(call.namespace, call.name)
        cache = self._caches[resource.storage_prefix]
        version = call.request.param("resourceVersion")
        if version and cache.ready.is_set() and cache.revision >= revision_asked(version):
            obj = cache.objects.get(key)
        else:
            obj = await self._storage.get(key)
        if obj is None:
            raise not_found(resource, call.name)
        return obj

    @staticmethod
    def _is_exact(call: Call) -> bool:
        match = call.request.param("resourceVersionMatch")
        if match and match not in ("Exact", "NotOlderThan"):
            raise bad_request(f'resourceVersionMatch: Unsupported value: "{match}"')
        if match and not call.request.param("resourceVersion"):
            raise bad_request(
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless "
                "resourceVersion is provided"
            )
        return match == "Exact"

    async def _pages(self, call: Call, selection: Selection) -> Object:
        """Read from the store, page by page, until `limit` objects are found."""
        limit = call.number("limit")
        start, revision = "", 0
        if token := call.request.param("continue"):
            start, revision = _read_token(token, selection.prefix)
        elif self._is_exact(call):
            revision = revision_asked(call.request.param("resourceVersion"))
        items: list[Object] = []
        meta: Object = {}
        more = True
        while more and not (limit and len(items) == limit):
            page = await self._page(selection.prefix, start, limit, revision, bool(token))
            more, revision = page.more, page.revision
            for key, obj in page.objects.items():
                if limit and len(items) == limit:
                    more = True
                    break
                start = f"{key}\0"
                if selection.matches(obj):
                    items.append(obj)
        if more:
            meta["continue"] = _token(start, revision, selection.prefix)
            if selection.everything:
                meta["remainingItemCount"] = page.remaining
        return _list(call, items, revision, **meta)

    async def _page(
        self, prefix: str, start: str, limit: int, revision: int, continued: bool
    ) -> Page:
        try:
            return await self._storage.page(prefix, start=start, limit=limit, revision=revision)
        except ApiError as failure:
            if failure.code != 410 or not continued:
                raise
            expired = gone(_CONTINUE_TOO_OLD)
            expired.status["metadata"] = {"continue": _token(start, 0, prefix)}
            raise expired from None

    async def list(self, call: Call) -> Object:
        selection = Selection.of(call)
        if call.request.param("continue") or self._is_exact(call):
            return await self._pages(call, selection)
        version = call.request.param("resourceVersion")
        cache = self._caches[call.target.storage_prefix]
        if version and cache.ready.is_set() and cache.revision >= revision_asked(version):
            return _list(call, selection.pick(cache.objects), cache.revision)
        found = await self._pages(call, selection)
        if version and int(found["metadata"]["resourceVersion"]) < revision_asked(version):
            raise _too_large(version, found)
        return found


def _list(call: Call, items: list[Object], revision: int, **meta: Any) -> Object:
    resource = call.target
    return {
        "kind": resource.list_kind,
        "apiVersion": resource.api_version,
        "metadata": {"resourceVersion": str(revision), **meta},
        "items": items,
    }


def _token(start: str, revision: int, prefix: str) -> str:
    """A continue token, as apiserver/pkg/storage/continue.go makes it."""
    token = {"v": _TOKEN_VERSION, "rv": revision, "start": start.removeprefix(prefix)}
    text = json.dumps(token, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_token(token: str, prefix: str) -> tuple[str, int]:
    try:
        parsed = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        start, revision = parsed["start"], parsed["rv"]
        if isinstance(start, str) and is_number(str(revision)) and parsed["v"] == _TOKEN_VERSION:
            return prefix + start, int(revision)
    except (ValueError, KeyError, TypeError):
        pass
    raise bad_request("continue key is not valid")


def revision_asked(text: str) -> int:
    """A resourceVersion of a query, 0 where there is none."""
    if text and not is_number(text):
        raise bad_request(f'resourceVersion: Invalid value: "{text}": not a whole number')
    return int(text or 0)


def _too_large(version: str, found: Object) -> ApiError:
    current = found["metadata"]["resourceVersion"]
    message = f"Timeout: Too large resource version: {version}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return error(504, "Timeout", message, causes=causes, retryAfterSeconds=1)

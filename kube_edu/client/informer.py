"""Informers: a copy of one resource, kept fresh by list and watch.

client-go's `tools/cache` in small. Readers ask the copy, which costs the API server nothing and
may be a little behind it; handlers hear of each change, once the copy has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from random import Random

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.resources import Resource
from kube_edu.api.selectors import LabelSelector
from kube_edu.api.status import ApiError
from kube_edu.client.client import ApiClient
from kube_edu.client.reflector import ListAndWatch, Source, list_and_watch, version_of
from kube_edu.host import Host

ChangeHandler = Callable[[Object | None, Object | None], None]
"""Called with (old, new): old is None for a new object, new is None for one that is gone."""

IndexFunction = Callable[[Object], Iterable[str]]
"""Under which values of an index an object stands."""


class Informer:
    """The copy (`get`, `list`, `by_index`), its handlers, and the reflector that feeds it.

    A watch that breaks is resumed; where that cannot be, everything is listed again, and handlers
    hear what has changed meanwhile.
    """

    def __init__(
        self,
        client: ApiClient,
        random: Random,
        resource: str | Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        list_and_watch: ListAndWatch = list_and_watch,
    ) -> None:
        """`list_and_watch` is the reflector that feeds it."""
        self.resource = resource
        self._source = Source(client, random, resource, namespace, labels=labels, fields=fields)
        self._list_and_watch = list_and_watch
        self._objects: dict[str, Object] = {}
        self._index_functions: dict[str, IndexFunction] = {}
        self._indices: dict[str, dict[str, dict[str, Object]]] = {}
        self._handlers: list[ChangeHandler] = []
        self._synced = asyncio.Event()
        self.add_index("namespace", lambda obj: [meta.namespace(obj)])

    def get(self, key: str) -> Object | None:
        """The object under "namespace/name" (or "name")."""
        return self._objects.get(key)

    def by_index(self, index: str, value: str) -> list[Object]:
        """The objects that stand under a value of an index made with `add_index`."""
        return [*self._indices[index].get(value, {}).values()]

    def list(self, namespace: str = "", selector: LabelSelector | None = None) -> list[Object]:
        """The objects of a namespace (or all) that a selector (or any) matches."""
        objects = self.by_index("namespace", namespace) if namespace else self._objects.values()
        return [o for o in objects if selector is None or selector.matches(meta.labels(o))]

    def add_index(self, index: str, function: IndexFunction) -> None:
        self._index_functions[index] = function
        self._indices[index] = {}
        for key, obj in self._objects.items():
            self._index(index, key, None, obj)

    def on_change(self, handler: ChangeHandler) -> None:
        """Hear of every change; what the copy holds already is told as new at once."""
        self._handlers.append(handler)
        for obj in self.list():
            handler(None, obj)

    async def synced(self) -> None:
        """Return when the copy has been filled for the first time."""
        await self._synced.wait()

    @property
    def has_synced(self) -> bool:
        return self._synced.is_set()

    @property
    def version(self) -> int:
        """The resourceVersion up to which the copy has seen everything."""
        return int(self._source.version or 0)

    async def run(self) -> None:
        while True:
            with suppress(ApiError, ConnectionError):
                await self._list_and_watch(self._source, self)
            await self._source.pause()

    # -- the reflector's store

    def replace(self, items: Sequence[Object]) -> None:
        """From now on these are all. Handlers hear first of what is gone."""
        listed = {meta.key(obj): obj for obj in items}
        for key in [key for key in self._objects if key not in listed]:
            self._set(key, None)
        for key, obj in listed.items():
            self._set(key, obj)
        self._synced.set()

    def update(self, obj: Object) -> None:
        self._set(meta.key(obj), obj)

    def delete(self, obj: Object) -> None:
        self._set(meta.key(obj), None)

    def _set(self, key: str, new: Object | None) -> None:
        old = self._objects.get(key)
        if old is not None and new is not None:
            if version_of(old) == version_of(new):
                return
            if meta.uid(old) != meta.uid(new):  # a namesake: that the old one went was missed
                self._set(key, None)
                old = None
        if new is not None:
            self._objects[key] = new
        elif old is not None:
            del self._objects[key]
        else:
            return
        for index in self._index_functions:
            self._index(index, key, old, new)
        for handler in self._handlers:
            handler(old, new)

    def _index(self, index: str, key: str, old: Object | None, new: Object | None) -> None:
        values_of, entries = self._index_functions[index], self._indices[index]
        for value in values_of(old) if old is not None else ():
            del entries[value][key]
            if not entries[value]:
                del entries[value]
        for value in values_of(new) if new is not None else ():
            entries.setdefault(value, {})[key] = new  # type: ignore[assignment]


class Informers:
    """The informers of one component, each resource watched once however many ask for it
    (client-go's SharedInformerFactory)."""

    def __init__(
        self, client: ApiClient, host: Host, list_and_watch: ListAndWatch = list_and_watch
    ) -> None:
        self._client = client
        self._random = host.random
        self._list_and_watch = list_and_watch
        self._informers: dict[tuple[str | Resource, str, str, str], Informer] = {}
        self._group: asyncio.TaskGroup | None = None

    def __call__(
        self, resource: str | Resource, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> Informer:
        """The informer of a resource, or of the part of it in a namespace or under selectors."""
        which = (resource, namespace, labels, fields)
        informer = self._informers.get(which)
        if informer is None:
            informer = self._informers[which] = Informer(
                self._client,
                self._random,
                resource,
                namespace,
                labels=labels,
                fields=fields,
                list_and_watch=self._list_and_watch,
            )
            if self._group is not None:
                self._group.create_task(informer.run())
        return informer

    async def synced(self) -> None:
        """Return when every informer asked for so far has its copy."""
        for informer in list(self._informers.values()):
            await informer.synced()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as self._group:
            for informer in self._informers.values():
                self._group.create_task(informer.run())
            await asyncio.Event().wait()  # until cancelled: informers may be added later

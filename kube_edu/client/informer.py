"""Informers: a copy of one resource, kept fresh by list and watch.

client-go's `tools/cache` in small. Readers ask the copy, which costs the API server nothing and
may be a little behind it; handlers hear of each change, once the copy has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from functools import partial
from random import Random

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.resources import Resource
from kube_edu.api.selectors import LabelSelector
from kube_edu.api.status import ApiError
from kube_edu.client.client import ApiClient
from kube_edu.host import Host

ChangeHandler = Callable[[Object | None, Object | None], None]
"""Called with (old, new): old is None for a new object, new is None for one that is gone."""

IndexFunction = Callable[[Object], Iterable[str]]
"""Under which values of an index an object stands."""

MIN_WATCH_TIMEOUT = 300  # seconds; a watch is asked for this long up to twice as long


class Informer:
    """The copy (`get`, `list`, `by_index`), its handlers, and the reflector that feeds it.

    The reflector (`reflector.go`) lists once and watches from the list's resourceVersion. A
    watch that breaks is resumed from the last version seen; when the server no longer has that
    version (410 Gone) everything is listed again, and handlers hear what has changed meanwhile.
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
    ) -> None:
        self.resource = resource
        self._random = random
        self._list_it = partial(client.list, resource, namespace, labels=labels, fields=fields)
        self._watch_it = partial(client.watch, resource, namespace, labels=labels, fields=fields)
        self._objects: dict[str, Object] = {}
        self._index_functions: dict[str, IndexFunction] = {}
        self._indices: dict[str, dict[str, dict[str, Object]]] = {}
        self._handlers: list[ChangeHandler] = []
        self._synced = asyncio.Event()
        self._version = "0"  # of the last state seen; at first any state will do
        self._must_list = True
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
        return int(self._version or 0)

    async def run(self) -> None:
        backoff = Backoff(self._random)
        while True:
            try:
                if self._must_list:
                    await self._list()
                if await self._watch():
                    continue
            except ApiError as error:
                self._refused(error)
            except ConnectionError:
                pass  # go on from the last version seen
            await asyncio.sleep(backoff.next())

    async def _list(self) -> None:
        found = await self._list_it(resource_version=self._version)
        listed = {meta.key(obj): obj for obj in found["items"]}
        gone = [key for key in self._objects if key not in listed]
        for key in gone:
            self._set(key, None)
        for key, obj in listed.items():
            self._set(key, obj)
        self._version = _version(found)
        self._must_list = False
        self._synced.set()

    async def _watch(self) -> bool:
        """Follow the changes until the stream ends; whether it was worth its while (a server
        that ends watches at once is not to be asked again at once)."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        before = self._version
        timeout = int(MIN_WATCH_TIMEOUT * (1 + self._random.random()))
        stream = self._watch_it(resource_version=self._version, timeout_seconds=timeout)
        async with aclosing(stream):
            async for change, obj in stream:
                if change != "BOOKMARK":
                    self._set(meta.key(obj), None if change == "DELETED" else obj)
                self._version = _version(obj)
        return self._version != before or loop.time() - started >= 1

    def _refused(self, error: ApiError) -> None:
        if self._must_list:
            self._version = ""  # not even a list at the version seen: take the newest there is
        elif error.code == 410:
            self._must_list = True

    def _set(self, key: str, new: Object | None) -> None:
        old = self._objects.get(key)
        if old is not None and new is not None:
            if _version(old) == _version(new):
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


def _version(obj: Object) -> str:
    return str(obj["metadata"]["resourceVersion"])


class Backoff:
    """The waits of a reflector: 800 ms, twice as long each time up to 30 s, each prolonged by a
    random part of itself; from the start again after two quiet minutes (client-go's
    `NewReflectorWithOptions`)."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._delay = 0.8
        self._last = 0.0

    def next(self) -> float:
        now = asyncio.get_running_loop().time()
        if now - self._last > 120:
            self._delay = 0.8
        delay = self._delay
        self._last = now
        self._delay = min(delay * 2, 30)
        return delay * (1 + self._random.random())


class Informers:
    """The informers of one component, each resource watched once however many ask for it
    (client-go's SharedInformerFactory)."""

    def __init__(self, client: ApiClient, host: Host) -> None:
        self._client = client
        self._random = host.random
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
                self._client, self._random, resource, namespace, labels=labels, fields=fields
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

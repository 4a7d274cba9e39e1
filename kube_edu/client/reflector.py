"""The reflector: list once, then watch, so that a copy somewhere else stays what the server has.

client-go's `tools/cache/reflector.go` in small. `list_and_watch` is the whole idea; a `Source`
asks the server for it, and a `Store` is the copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from random import Random
from typing import Protocol

from kube_edu.api.meta import Object
from kube_edu.api.resources import Resource
from kube_edu.api.status import ApiError
from kube_edu.client.client import ApiClient

MIN_WATCH_TIMEOUT = 300  # seconds; a watch is asked for this long up to twice as long


class Store(Protocol):
    """A copy of what the server has (`ReflectorStore`)."""

    def replace(self, items: Sequence[Object]) -> None:
        """From now on these are all."""

    def update(self, obj: Object) -> None:
        """A new object, or a new state of one."""

    def delete(self, obj: Object) -> None: ...


async def list_and_watch(source: Source, store: Store) -> None:
    """Fill the store from a list, then follow the changes. A watch that ends or breaks is resumed
    from the last version seen. Returns when the server no longer has that version (410 Gone):
    then all has to be listed again (`Reflector.ListAndWatch`)."""
    found = await source.list()
    store.replace(found["items"])
    version = version_of(found)
    while True:
        try:
            async with aclosing(source.watch(version)) as changes:
                async for change, obj in changes:
                    if change == "DELETED":
                        store.delete(obj)
                    elif change != "BOOKMARK":
                        store.update(obj)
                    version = version_of(obj)
            continue
        except ConnectionError:
            pass  # go on from the last version seen
        except ApiError as refusal:
            if refusal.code == 410:
                return
        await source.pause()


ListAndWatch = Callable[["Source", Store], Awaitable[None]]


def version_of(obj: Object) -> str:
    return str(obj["metadata"]["resourceVersion"])


class Source:
    """A resource, or a part of it, as a reflector asks the server for it."""

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
        self._list = partial(client.list, resource, namespace, labels=labels, fields=fields)
        self._watch = partial(client.watch, resource, namespace, labels=labels, fields=fields)
        self._backoff = Backoff(random)
        self._random = random
        self.version = "0"
        """The last one seen; at first any state will do."""

    async def list(self) -> Object:
        """A state that is not older than what was seen before."""
        try:
            found = await self._list(resource_version=self.version)
        except ApiError:
            self.version = ""  # not even a list at the version seen: take the newest there is
            raise
        self.version = version_of(found)
        return found

    async def watch(self, version: str) -> AsyncGenerator[tuple[str, Object], None]:
        """The changes after a version, until the server ends the watch or the connection breaks."""
        loop = asyncio.get_running_loop()
        started, silent = loop.time(), True
        timeout = int(MIN_WATCH_TIMEOUT * (1 + self._random.random()))
        stream = self._watch(resource_version=version, timeout_seconds=timeout)
        async with aclosing(stream):
            async for change, obj in stream:
                self.version, silent = version_of(obj), False
                yield change, obj
        if silent and loop.time() - started < 1:
            await self.pause()  # a server that ends watches at once is not asked again at once

    async def pause(self) -> None:
        """Wait before the server is tried again."""
        await asyncio.sleep(self._backoff.next())


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

"""The base of all controllers: informers fill a queue of keys, workers reconcile them.

A key says which object to look at, never what happened to it: `reconcile` compares what is wanted
with what is, whatever the way there was. So a controller that missed events, or has only just
started, ends in the same state (level-triggered, not edge-triggered).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import ClassVar

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.client.client import ApiClient
from kube_edu.client.events import EventRecorder
from kube_edu.client.informer import Informer, Informers
from kube_edu.client.workqueue import WorkQueue
from kube_edu.host import Host


class Controller(ABC):
    """A subclass names itself, its account and the resource whose keys it reconciles, calls
    `watch` in its constructor for each resource that matters, and writes `reconcile`.

    A reconcile that raises is tried again, later each time; `self.queue.add_after(key, seconds)`
    asks for another look at a time known beforehand.
    """

    name: ClassVar[str]
    account: ClassVar[str]
    """Its service account in kube-system, whose role system:controller:ACCOUNT is its rights."""
    resource: ClassVar[str]
    workers: ClassVar[int] = 5  # kube-controller-manager's --concurrent-…-syncs

    def __init__(self, client: ApiClient, host: Host, informers: Informers) -> None:
        self.client = client
        self.host = host
        self.informers = informers
        self.queue: WorkQueue[str] = WorkQueue()
        self.events = EventRecorder(client, host, f"{self.name}-controller")

    @abstractmethod
    async def reconcile(self, key: str) -> None:
        """Bring the object under `key` ("namespace/name" or "name") nearer to what is wanted."""

    def reference(self, key: str) -> str:
        """How the trace names the object under a key: "pods/default/web-1", "nodes//node-1"."""
        return f"{self.resource}/{key if '/' in key else '/' + key}"

    def watch(
        self, resource: str, keys: Callable[[Object], Iterable[str]] | None = None
    ) -> Informer:
        """The informer of a resource; each of its changes queues the `keys` of the object before
        and after it (its own key, if not said otherwise)."""

        def changed(old: Object | None, new: Object | None) -> None:
            for obj in (old, new):
                if obj is not None:
                    for key in keys(obj) if keys else [meta.key(obj)]:
                        self.queue.add(key)

        informer = self.informers(resource)
        informer.on_change(changed)
        return informer

    async def run(self) -> None:
        """Work until cancelled. `informers.run()` must be running beside it."""
        await self.informers.synced()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.events.run())
            for _ in range(self.workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            await self._process(key)
            self.queue.done(key)

    async def _process(self, key: str) -> None:
        traced = self.reference(key)
        self.host.record("reconcile.start", controller=self.name, object=traced)
        try:
            await self.reconcile(key)
        except ConnectionError:
            result = "retry"
        except ApiError as error:
            result = "retry" if error.reason == "Conflict" else f"error: {error}"
        except Exception as error:  # a slip in one reconcile is not to stop all others
            result = f"error: {type(error).__name__}: {error}"
        else:
            result = "done"
        if result == "done":
            self.queue.forget(key)
        else:
            self.queue.add_rate_limited(key)
        self.host.record("reconcile.end", controller=self.name, object=traced, result=result)

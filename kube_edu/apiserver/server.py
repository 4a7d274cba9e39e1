"""The API server: the one door to the cluster's state.

A request passes the stages of filters.py, is sent to its resource by its URL, and is answered by
the reader or the registry, which are the same for every resource.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace

from kube_edu.api.meta import Object, name, namespace
from kube_edu.api.patch import Merge, merge_patch
from kube_edu.api.resources import STORED, resource_of
from kube_edu.api.status import ApiError, not_acceptable
from kube_edu.apiserver.admission import Plugin
from kube_edu.apiserver.admission.plugins import MUTATING, VALIDATING
from kube_edu.apiserver.allocators import ServiceAllocator
from kube_edu.apiserver.authorization.rbac import Allows, allows
from kube_edu.apiserver.bootstrap import ensure, own_objects
from kube_edu.apiserver.call import Call
from kube_edu.apiserver.codec import read_options
from kube_edu.apiserver.gate import Gate
from kube_edu.apiserver.health import Check
from kube_edu.apiserver.metrics import Metrics
from kube_edu.apiserver.nonresource import NonResource
from kube_edu.apiserver.options import Options
from kube_edu.apiserver.parts import DOORS
from kube_edu.apiserver.queryoptions import check_write
from kube_edu.apiserver.reading import Reader
from kube_edu.apiserver.registry import Registry
from kube_edu.apiserver.showing import View, view_of
from kube_edu.apiserver.storage import Storage
from kube_edu.apiserver.subresources import Subresources
from kube_edu.apiserver.watchcache import WatchCache
from kube_edu.apiserver.watching import Events, Watches
from kube_edu.etcd.client import EtcdClient
from kube_edu.host import Document, Host, Request, Response, decoded

RESTORE_EVERY = 10.0
"""Seconds between two looks at what is the server's own (EndpointReconcilerInterval)."""

COMPACT_EVERY = 300.0
"""Seconds of history that the store keeps, and between its compactions
(--etcd-compaction-interval)."""


class ApiServer:
    """Kubernetes' REST API over a store. `handle` may be called at any time; `run` keeps the
    watch caches filled."""

    def __init__(
        self,
        host: Host,
        store: EtcdClient,
        options: Options,
        *,
        port: int = 6443,
        service_cidr: str = "10.96.0.0/16",
        mutating: Sequence[Plugin] = MUTATING,
        validating: Sequence[Plugin] = VALIDATING,
        allows: Allows = allows,
        merge_patch: Merge = merge_patch,
        watch_cache: Callable[[Storage, str], WatchCache] = WatchCache,
    ) -> None:
        self._host = host
        self._port = port
        self._bootstrapped = False
        self._storage = Storage(store, options.encryption)
        self._caches = {
            prefix: watch_cache(self._storage, prefix)
            for prefix in (resource.storage_prefix for resource in STORED)
        }
        self._services = ServiceAllocator(self._storage, host.random, service_cidr)
        self._own = own_objects(self._services.first, host.address, port)
        self._reader = Reader(self._storage, self._caches)
        self._watches = Watches(host, self._reader, self._caches)
        self._gate = Gate(host, options, self._serve, self._find, allows, mutating, validating)
        self._registry = Registry(
            host,
            self._storage,
            self._caches,
            self._services,
            self._gate.admission,
            self._gate.authorize,
            merge_patch,
        )
        self._subresources = Subresources(host, self._registry, self._reader, self._gate.token)
        self._metrics = Metrics()
        checks: dict[str, Check] = {
            "informer-sync": self._is_synced,
            "poststarthook/bootstrap": lambda: self._bootstrapped,
        }
        self._address = f"{host.address}:{port}"
        self._others = NonResource(self._address, self._caches, self._metrics, checks)

    async def handle(self, request: Request) -> Response:
        return await self._metrics.measure(Call(request), self._gate.handle)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for cache in self._caches.values():
                tasks.create_task(cache.run())
            tasks.create_task(self._compact())
            tasks.create_task(self._gate.run())
            for obj in self._own:
                await ensure(self.handle, obj)
            tasks.create_task(self._restore())
            await self._gate.open()
            self._bootstrapped = True

    async def _find(self, plural: str, namespace: str, name: str) -> Object | None:
        return await self._registry.find(plural, namespace, name)

    async def _serve(self, call: Call) -> Response:
        """Send a request to whoever answers it."""
        if call.resource is None:
            published = self._gate.tokens.discovery(call.request.path, self._address)
            return Response(body=published) if published else self._others.answer(call)
        if call.verb in ("create", "update", "patch"):
            check_write(call)
        if call.subresource not in DOORS:
            return await self._subresources.handle(call)
        if not call.target.stored and not call.target.hub:
            return await self._answer_question(call)
        view = view_of(call)
        if call.verb == "watch":
            events = await self._watches.watch(call)
            return Response(stream=events if view.is_plain else self._shown(view, events))
        status, obj = await self._object(call)
        if not view.is_plain:
            obj = view.show(decoded(obj), self._host.now())
        return Response(status, obj)

    async def _object(self, call: Call) -> tuple[int, Object | Document]:
        """What a call about stored objects is answered with."""
        match call.verb:
            case "get":
                return 200, await self._reader.get(call)
            case "list":
                return 200, await self._reader.list(call)
            case "create":
                return 201, await self._registry.create(call)
            case "update":
                obj, created = await self._registry.update(call)
                return (201 if created else 200), obj
            case "patch":
                return 200, await self._registry.patch(call)
            case "delete":
                return 200, await self._registry.delete(call)
            case _:
                return 200, await self._delete_collection(call)

    async def _answer_question(self, call: Call) -> Response:
        """What is created only to be answered; there is no table of answers."""
        if view_of(call).form:
            raise not_acceptable(("application/json",))
        if call.target.plural == "bindings":
            return await self._subresources.bind(call)
        return Response(201, await self._gate.reviews.answer(call))

    async def _delete_collection(self, call: Call) -> Object:
        """Delete what a list with the same selectors finds; what is gone meanwhile is gone."""
        options = read_options(call)
        found = (await self._reader.list(call)).decoded()
        for obj in found["items"]:
            try:
                meta = obj["metadata"]
                one = replace(call, namespace=meta.get("namespace", ""), name=meta["name"])
                await self._registry.remove(one, options)
            except ApiError as failure:
                if failure.code != 404:
                    raise
        return found

    def _is_synced(self) -> bool:
        return all(cache.ready.is_set() for cache in self._caches.values())

    async def _shown(self, view: View, events: Events) -> AsyncIterator[Object]:
        async with aclosing(events):
            async for event in events:
                yield view.show_event(decoded(event), self._host.now())

    async def _restore(self) -> None:
        """Put back what is the server's own, when somebody has deleted it
        (pkg/controlplane/controller/kubernetesservice)."""
        while True:
            await asyncio.sleep(RESTORE_EVERY)
            for obj in self._own:
                resource = resource_of(obj)
                key = resource.storage_key(namespace(obj), name(obj))
                if self._caches[resource.storage_prefix].get(key) is None:
                    await ensure(self.handle, obj)

    async def _compact(self) -> None:
        """Give up history older than the interval (etcd3/compact.go)."""
        now = 0
        while True:
            await asyncio.sleep(COMPACT_EVERY)
            with suppress(ApiError):  # the store is away, or another API server compacted further
                before, now = now, await self._storage.revision()
                if before:
                    await self._storage.compact(before)

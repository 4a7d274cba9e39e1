"""An etcd without a network, and an API server on it: for tests of the server alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from random import Random
from typing import Any

from kube_edu.api.meta import Object
from kube_edu.apiserver.admission.plugins import MUTATING
from kube_edu.apiserver.admission.service_account import service_account
from kube_edu.apiserver.options import Options
from kube_edu.apiserver.server import ApiServer
from kube_edu.etcd.errors import no_leader
from kube_edu.etcd.messages import (
    CompactionRequest,
    KeyValue,
    LeaseGrantRequest,
    WatchCreateRequest,
    WatchResponse,
)
from kube_edu.etcd.service_messages import StatusResponse
from kube_edu.etcd.state import State
from kube_edu.host import Peer, Request, Response, decoded
from kube_edu.sim.keys import SERVICE_ACCOUNTS

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
ADMIN = Peer(common_name="kubernetes-admin", organizations=("system:masters",))


class LocalEtcd:
    """What EtcdClient does, on the real state machine without a network. `down` makes every
    call fail."""

    version = "3.5.21"

    def __init__(self) -> None:
        self.state = State()
        self.down = False
        self.observe: Callable[[Any], None] = lambda request: None

    @property
    def revision(self) -> int:
        return self.state.store.revision

    def get(self, key: str) -> KeyValue | None:
        return self.state.store.get(key.encode())

    def forget(self) -> None:
        """Compact all history away, as another API server might."""
        self.state.apply(CompactionRequest(self.revision))

    def go_down(self) -> None:
        self.down = True
        self.state.watches.end_all()

    async def _apply(self, request: Any) -> Any:
        await asyncio.sleep(0)
        if self.down:
            raise no_leader()
        self.observe(request)
        return self.state.apply(request)

    range = txn = compact = _apply

    async def lease_grant(self, request: LeaseGrantRequest) -> Any:
        return await self._apply(replace(request, ID=1))  # a member draws the id

    async def status(self) -> StatusResponse:
        await asyncio.sleep(0)
        if self.down:
            raise no_leader()
        return StatusResponse(version=self.version)

    async def watch(
        self, request: WatchCreateRequest, progress: asyncio.Event
    ) -> AsyncIterator[WatchResponse]:
        await asyncio.sleep(0)
        if self.down:
            raise no_leader()
        watcher = self.state.watches.watch(request)

        async def tell() -> None:
            while await progress.wait():
                progress.clear()
                watcher.send(WatchResponse(self.state.header()))

        telling = asyncio.create_task(tell())
        try:
            async with aclosing(watcher) as responses:
                async for response in responses:
                    yield response
        finally:
            telling.cancel()


class FakeHost:
    """A host that keeps what is recorded, and connects to kubelets in `kubelets`."""

    name = "control-1"
    address = "10.0.0.1"

    def __init__(self) -> None:
        self.random = Random(1)
        self.events: list[tuple[str, Object]] = []
        self.kubelets: dict[str, Any] = {}
        self.time = 1767225600.0

    def now(self) -> float:
        return self.time

    def record(self, kind: str, **fields: Any) -> None:
        self.events.append((kind, fields))

    def connect(self, endpoint: str, *, identity: str) -> Any:
        return self.kubelets[endpoint]


class World:
    """An API server, and a way to ask it. No controller is there that would give namespaces their
    accounts, so pods do without one; with `accounts`, those of namespace default have one."""

    begun: bytes = b""
    """A store as the first server of all left it when it was ready: the others take it up there."""

    def __init__(self, *, accounts: bool = False, **options: Any) -> None:
        self._accounts = accounts
        self.host = FakeHost()
        self.etcd = LocalEtcd()
        self._options = options
        if World.begun and not options:
            self.etcd.state.restore(World.begun)
        self._start()

    def _start(self) -> None:
        options = Options(SERVICE_ACCOUNTS, **self._options)
        mutating = [p for p in MUTATING if p is not service_account or self._accounts]
        self.server = ApiServer(self.host, self.etcd, options, mutating=mutating)  # type: ignore[arg-type]

    async def restart(self) -> None:
        """Another API server takes the place of this one."""
        await self.__aexit__()
        self._start()
        await self.__aenter__()

    async def __aenter__(self) -> World:
        self._task = asyncio.create_task(self.server.run())
        while (await self.raw("GET", "/readyz")).status != 200:  # noqa: ASYNC110 - as a probe does
            await asyncio.sleep(0)
        if not World.begun and not self._options:
            World.begun = self.etcd.state.snapshot()
        if self._accounts:
            await self.ask("POST", ACCOUNTS, {"metadata": {"name": "default"}})
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def raw(
        self, method: str, url: str, body: Any = None, peer: Peer = ADMIN, **headers: str
    ) -> Response:
        path, _, query = url.partition("?")
        pairs = tuple(tuple(part.split("=", 1)) for part in query.split("&") if part)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.server.handle(Request(method, path, pairs, names, body, peer))
        return replace(answer, body=decoded(answer.body))

    async def ask(self, method: str, url: str, body: Any = None, **headers: str) -> Object:
        """The body of an answer, whatever its status."""
        answer: Object = (await self.raw(method, url, body, **headers)).body
        return answer

    async def patch(self, url: str, patch: Any, kind: str = "merge-patch") -> Object:
        body = json.dumps(patch).encode()
        return await self.ask("PATCH", url, body, content_type=f"application/{kind}+json")


def pod(name: str = "web", **spec: Any) -> Object:
    containers = [{"name": "c", "image": "nginx:1"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": containers, **spec},
    }


def config_map(name: str = "cm", **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str = "web", replicas: int = 1) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod()["spec"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def service(name: str = "web", **spec: Any) -> Object:
    ports = [{"port": 80}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": ports, **spec},
    }

"""An etcd of one dict, and an API server on it: for tests of the server alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any

from kube_edu.api.meta import Object
from kube_edu.apiserver.server import ApiServer
from kube_edu.etcd.errors import EtcdError
from kube_edu.etcd.messages import (
    CompactionRequest,
    CompactionResponse,
    Event,
    EventType,
    KeyValue,
    LeaseGrantRequest,
    LeaseGrantResponse,
    RangeRequest,
    RangeResponse,
    ResponseHeader,
    ResponseOp,
    TxnRequest,
    TxnResponse,
    WatchCreateRequest,
    WatchResponse,
)
from kube_edu.host import Peer, Request, Response

ADMIN = Peer(common_name="kubernetes-admin", organizations=("system:masters",))


class FakeEtcd:
    """What EtcdClient does, without a cluster. `down` makes every call fail."""

    def __init__(self) -> None:
        self.revision = 1
        self.compacted = 0
        self.history: list[Event] = []
        self.down = False
        self.leases: list[int] = []
        self._news = asyncio.Event()

    async def range(self, request: RangeRequest) -> RangeResponse:
        await self._arrive()
        at = request.revision or self.revision
        if at < self.compacted:
            raise EtcdError("OutOfRange", "etcdserver: mvcc: required revision has been compacted")
        found = [
            kv
            for key, kv in sorted(self.state(at).items())
            if key == request.key or request.key <= key < request.range_end
        ]
        kept = found[: request.limit] if request.limit else found
        header = ResponseHeader(revision=self.revision)
        return RangeResponse(header, tuple(kept), len(kept) < len(found), len(found))

    async def txn(self, request: TxnRequest) -> TxnResponse:
        await self._arrive()
        state = self.state(self.revision)
        none = KeyValue()
        succeeded = all(
            state.get(c.key, none).mod_revision == c.mod_revision for c in request.compare
        )
        if not succeeded:
            answers = [await self.range(op.request_range) for op in request.failure]
            responses = tuple(ResponseOp(response_range=answer) for answer in answers)
            return TxnResponse(ResponseHeader(revision=self.revision), False, responses)
        self.revision += 1
        for op in request.success:
            if put := op.request_put:
                old = state.get(put.key, KeyValue(create_revision=self.revision))
                created = old.create_revision
                kv = KeyValue(
                    put.key, created, self.revision, old.version + 1, put.value, put.lease
                )
                self.history.append(Event(EventType.PUT, kv))
            elif op.request_delete_range.key in state:
                kv = KeyValue(op.request_delete_range.key, mod_revision=self.revision)
                self.history.append(Event(EventType.DELETE, kv))
        self.wake()
        return TxnResponse(ResponseHeader(revision=self.revision), True)

    async def lease_grant(self, request: LeaseGrantRequest) -> LeaseGrantResponse:
        self.leases.append(request.TTL)
        return LeaseGrantResponse(ResponseHeader(revision=self.revision), ID=len(self.leases))

    async def compact(self, request: CompactionRequest) -> CompactionResponse:
        self.compacted = request.revision
        return CompactionResponse(ResponseHeader(revision=self.revision))

    async def watch(self, request: WatchCreateRequest) -> AsyncIterator[WatchResponse]:
        await self._arrive()
        header = ResponseHeader(revision=self.revision)
        yield WatchResponse(header, created=True)
        if request.start_revision <= self.compacted:
            yield WatchResponse(header, canceled=True, compact_revision=self.compacted)
            return
        sent = 0
        while True:
            await self._arrive()
            fresh, sent = self.history[sent:], len(self.history)
            events = [
                event
                for event in fresh
                if request.key <= event.kv.key < request.range_end
                and event.kv.mod_revision >= request.start_revision
            ]
            if events:
                yield WatchResponse(ResponseHeader(revision=self.revision), events=tuple(events))
            self._news.clear()
            await self._news.wait()

    def state(self, revision: int) -> dict[bytes, KeyValue]:
        found: dict[bytes, KeyValue] = {}
        for event in self.history:
            if event.kv.mod_revision > revision:
                break
            if event.type == EventType.PUT:
                found[event.kv.key] = event.kv
            else:
                found.pop(event.kv.key, None)
        return found

    def wake(self) -> None:
        """Watchers look again."""
        self._news.set()
        self._news = asyncio.Event()

    async def _arrive(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise EtcdError("Unavailable", "etcdserver: no leader")


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
    """An API server, and a way to ask it."""

    def __init__(self) -> None:
        self.host = FakeHost()
        self.etcd = FakeEtcd()
        self.server = ApiServer(self.host, self.etcd)  # type: ignore[arg-type]

    async def __aenter__(self) -> World:
        self._task = asyncio.create_task(self.server.run())
        while (await self.raw("GET", "/readyz")).status != 200:  # noqa: ASYNC110 - as a probe does
            await asyncio.sleep(0)
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
        return await self.server.handle(Request(method, path, pairs, names, body, peer))

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

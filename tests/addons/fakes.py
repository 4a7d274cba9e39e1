"""An API server that knows a fixed list of objects, and a host that keeps what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any

from kube_edu.client import ApiClient
from kube_edu.host import Request, Response

Object = dict[str, Any]


class FakeApi:
    """Lists the objects whose kind fits the path, and watches in silence unless told more."""

    def __init__(self, objects: Sequence[Object]) -> None:
        self.objects = list(objects)
        self.news: dict[str, asyncio.Queue[Object]] = {}

    def client(self) -> ApiClient:
        return ApiClient(self, "test")

    async def request(self, request: Request) -> Response:
        resource = request.path.rsplit("/", 1)[-1]
        if request.param("watch"):
            return Response(200, stream=self._watch(resource))
        items = [o for o in self.objects if o["kind"].lower() + "s" == resource]
        metadata = {"resourceVersion": "1"}
        body = {"apiVersion": "v1", "kind": "List", "metadata": metadata, "items": items}
        return Response(200, body)

    async def close(self) -> None:
        pass

    def tell(self, resource: str, type: str, obj: Object) -> None:
        self.news[resource].put_nowait({"type": type, "object": obj})

    async def _watch(self, resource: str) -> AsyncIterator[Object]:
        queue = self.news.setdefault(resource, asyncio.Queue())
        while True:
            yield await queue.get()


class FakeHost:
    name = "node-1"
    address = "192.168.0.1"

    def __init__(self) -> None:
        self.random = Random(1)
        self.events: list[tuple[str, dict[str, Any]]] = []

    def now(self) -> float:
        return 1767225600.0

    def record(self, kind: str, **fields: Any) -> None:
        self.events.append((kind, fields))


def service(name: str, ip: str, *ports: tuple[str, int], version: str = "1", **spec: Any) -> Object:
    namespace, _, short = name.partition("/")
    metadata = {"namespace": namespace, "name": short, "resourceVersion": version}
    entries = [{"name": n, "port": p, "protocol": "TCP"} for n, p in ports]
    spec = {"type": "ClusterIP", "clusterIP": ip, "ports": entries, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def endpoint_slice(of: str, endpoints: list[Object], *ports: tuple[str, int]) -> Object:
    namespace, _, name = of.partition("/")
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": namespace,
            "name": f"{name}-abcde",
            "resourceVersion": "1",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": n, "port": p, "protocol": "TCP"} for n, p in ports],
    }

"""The API server's own language in a lab: one HTTP request, one answer.

api = Api(c)
api("GET", "/api/v1/namespaces/default/configmaps?resourceVersion=0")
"""

from __future__ import annotations

import json
from collections.abc import Awaitable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from kube_edu import Cluster, parts
from kube_edu.api.meta import Object
from kube_edu.api.resources import resource_of
from kube_edu.api.status import ApiError
from kube_edu.cluster import APISERVER
from kube_edu.etcd import EtcdClient
from kube_edu.etcd.messages import PutRequest
from kube_edu.host import Response, decoded

MERGE_PATCH = "application/merge-patch+json"
PATH = "/api/v1/namespaces/default/configmaps"


def configmap(name: str, **data: str) -> Object:
    meta = {"name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


@dataclass(frozen=True, repr=False)
class Answered:
    """What came back, and after how many virtual seconds."""

    status: int
    body: Any
    seconds: float

    @property
    def version(self) -> int:
        """The resourceVersion of the object, or of the list."""
        return int(self.body["metadata"]["resourceVersion"])

    @property
    def names(self) -> list[str]:
        """Of the objects in a list."""
        return [item["metadata"]["name"] for item in self.body["items"]]

    def __repr__(self) -> str:
        said = f"{self.status} {HTTPStatus(self.status).phrase}"
        return f"{said}\n{json.dumps(self.body, indent=2)}"


class Api:
    """Requests from the laptop, as the administrator."""

    def __init__(self, cluster: Cluster) -> None:
        self._simulation = cluster.simulation
        host = self._simulation.machines["laptop"].processes["kubectl"].host
        self._client = parts.api_client(host, APISERVER, "admin", "curl")

    def __call__(
        self, method: str, url: str, body: Any = None, content_type: str = "application/json"
    ) -> Answered:
        path, _, query = url.partition("?")
        headers = {"content-type": content_type} if body is not None else {}
        asked = self._client.raw(method, path, parse_qsl(query), body, headers)
        started = self._simulation.now
        try:
            status, answer = self._simulation.call(_whole(asked), timeout=90)
        except ApiError as refusal:
            status, answer = refusal.code, refusal.status
        return Answered(status, answer, self._simulation.now - started)


async def _whole(asked: Awaitable[Response]) -> tuple[int, Any]:
    """An answer's status and body; of a watch, all its events until it ends."""
    response = await asked
    if response.stream is None:
        return response.status, decoded(response.body)
    return response.status, [decoded(event) async for event in response.stream]


def write_to_etcd(cluster: Cluster, obj: Object) -> None:
    """Write an object of the namespace default where the API server would, past it."""
    meta = {"namespace": "default", "uid": "by-hand", **obj["metadata"]}
    key = resource_of(obj).storage_key("default", meta["name"])
    host = cluster.simulation.machines["laptop"].processes["kubectl"].host
    store = EtcdClient([host.connect("etcd-1:2379", identity="apiserver-etcd-client")])
    request = PutRequest(key.encode(), json.dumps({**obj, "metadata": meta}).encode())
    cluster.simulation.call(store.put(request))
    cluster.run_for(1)

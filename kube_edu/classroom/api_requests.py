"""The API server's own language in a lab: one HTTP request, one answer.

api = Api(c)
api("GET", "/api/v1/namespaces/default/configmaps?resourceVersion=0")
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from kube_edu import Cluster, parts
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.cluster import APISERVER
from kube_edu.host import decoded

MERGE_PATCH = "application/merge-patch+json"
PATH = "/api/v1/namespaces/default/configmaps"


def configmap(name: str, **data: str) -> Object:
    meta = {"name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


@dataclass(frozen=True, repr=False)
class Answered:
    """What came back, and after how many virtual seconds."""

    status: int
    body: Object
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
            response = self._simulation.call(asked, timeout=90)
            status, answer = response.status, decoded(response.body)
        except ApiError as refusal:
            status, answer = refusal.code, refusal.status
        return Answered(status, answer, self._simulation.now - started)

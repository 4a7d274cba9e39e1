"""Everything that is not a resource: discovery, schemas, the version, health and metrics."""

from __future__ import annotations

from collections.abc import Mapping

from kube_edu.api.resources import STORED
from kube_edu.api.status import method_not_allowed, no_such_path
from kube_edu.apiserver import health, openapi
from kube_edu.apiserver.call import Call
from kube_edu.apiserver.discovery import VERSION, discover
from kube_edu.apiserver.health import Check
from kube_edu.apiserver.metrics import CONTENT_TYPE, Metrics
from kube_edu.apiserver.watchcache import WatchCache
from kube_edu.host import Response


class NonResource:
    """Answers calls that name no resource. `address` is where the server is reached."""

    def __init__(
        self,
        address: str,
        caches: Mapping[str, WatchCache],
        metrics: Metrics,
        ready: Mapping[str, Check],
    ) -> None:
        self._address = address
        self._caches = caches
        self._metrics = metrics
        self._alive: dict[str, Check] = {"ping": lambda: True, "log": lambda: True}
        self._ready: dict[str, Check] = {**self._alive, **ready}

    def answer(self, call: Call) -> Response:
        path = call.request.path.strip("/")
        if call.request.method not in ("GET", "HEAD"):
            raise method_not_allowed()
        first = path.partition("/")[0]
        if first in health.ENDPOINTS:
            checks = self._ready if first == "readyz" else self._alive
            return health.answer(call.request, checks)
        match path:
            case "":
                return Response(body={"paths": self._paths()})
            case "version":
                return Response(body=VERSION)
            case "metrics":
                counts = {
                    resource.qualified: len(self._caches[resource.storage_prefix])
                    for resource in STORED
                }
                return Response(
                    body=self._metrics.text(counts), headers={"content-type": CONTENT_TYPE}
                )
            case "openapi/v2":
                return Response(body=b"", headers={"content-type": openapi.V2_PROTOBUF})
            case "openapi/v3":
                return Response(body=openapi.index())
        if path.startswith("openapi/v3/"):
            return Response(body=openapi.document(path.removeprefix("openapi/v3/")))
        if first in ("api", "apis"):
            return discover(call.request, self._address)
        raise no_such_path()

    def _paths(self) -> list[str]:
        groups = {f"/apis/{r.group}" for r in STORED if r.group}
        versions = {r.path().rpartition("/")[0] for r in STORED}
        return sorted(
            {"/api", "/apis", "/metrics", "/openapi/v2", "/openapi/v3", "/version"}
            | groups
            | versions
            | {f"/{endpoint}" for endpoint in health.ENDPOINTS}
        )

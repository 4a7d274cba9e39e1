"""What a member tells monitoring: /metrics for Prometheus and /health, under etcd's names
(server/etcdserver/metrics.go, api/etcdhttp)."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily

from kube_edu.etcd.errors import NAMES
from kube_edu.etcd.messages import RangeRequest
from kube_edu.etcd.server import EtcdServer
from kube_edu.host import Handler, Request, Response
from kube_edu.wire import protobuf


class Metrics:
    """Counts what passes through `handle`, and looks at the member when it is asked."""

    def __init__(self, server: EtcdServer, handler: Handler) -> None:
        self._server = server
        self._handler = handler
        self._registry = CollectorRegistry()
        self._handled = Counter(
            "grpc_server_handled",
            "Total number of RPCs completed on the server, regardless of success or failure.",
            ["grpc_service", "grpc_method", "grpc_code"],
            registry=self._registry,
        )
        self._registry.register(self)

    async def handle(self, request: Request) -> Response:
        """The handler, counted."""
        response = await self._handler(request)
        service, _, method = request.path.strip("/").partition("/")
        code = NAMES[int(response.headers.get("grpc-status", "0"))]
        self._handled.labels(service, method, code).inc()
        return response

    async def serve(self, request: Request) -> Response:
        """GET /metrics, /health."""
        if request.path == "/metrics":
            headers = {"content-type": "text/plain; version=0.0.4; charset=utf-8"}
            return Response(body=generate_latest(self._registry), headers=headers)
        if request.path != "/health":
            return Response(404, body="404 page not found\n")
        if not self._server.node.leader:
            return Response(503, {"health": "false", "reason": "RAFT NO LEADER"})
        question = RangeRequest(b"health", count_only=True)
        answer = await self._handler(
            Request("POST", "/etcdserverpb.KV/Range", body=protobuf.encode(question))
        )
        if "grpc-status" in answer.headers:
            reason = f"QGET ERROR:{answer.headers['grpc-message']}"
            return Response(503, {"health": "false", "reason": reason})
        return Response(body={"health": "true", "reason": ""})

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What prometheus_client calls on every scrape."""
        node, store = self._server.node, self._server.store
        for name, text, value in (
            ("server_has_leader", "Whether or not a leader exists.", bool(node.leader)),
            ("server_is_leader", "Whether or not this member is a leader.", bool(node.leadership)),
            ("server_proposals_committed_total", "Entries committed.", node.log.commit),
            ("server_proposals_applied_total", "Entries applied.", node.log.applied),
            ("debugging_mvcc_current_revision", "The revision of the store.", store.revision),
            ("debugging_mvcc_compact_revision", "The last compaction.", store.compact_revision),
            ("debugging_mvcc_keys_total", "Number of keys.", len(store.keys(b"\0", b"\0"))),
        ):
            yield GaugeMetricFamily(f"etcd_{name}", text, float(value))

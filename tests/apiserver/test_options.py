"""Options that make no sense are refused before anything is done, in Kubernetes' words."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from kube_edu.apiserver.queryoptions import log_query
from kube_edu.apiserver.server import Call
from kube_edu.host import Request
from tests.apiserver.fakes import World, config_map, deployment, pod

NS = "/api/v1/namespaces/default"
MAP, POD = f"{NS}/configmaps/cm", f"{NS}/pods/web"
SCALE = "/apis/apps/v1/namespaces/default/deployments/web/scale"
EVICTION = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
ELSEWHERE: dict[str, Any] = {"metadata": {"name": "other"}, "target": {"name": "node-1"}}
UPDATE = 'UpdateOptions.meta.k8s.io "" is invalid: '
NO_DRY_RUN = 'dryRun: Unsupported value: "Some": supported values: "All"'
TOO_MANY = [{"op": "add", "path": "/data", "value": {}}] * 10_001
REJECTED = "the server rejected our request due to an error in our request"

REFUSED: list[tuple[str, str, Any, int, str]] = [
    ("PUT", f"{MAP}?dryRun=Some", config_map(), 422, f"{UPDATE}{NO_DRY_RUN}"),
    ("PUT", f"{SCALE}?dryRun=Some", {}, 422, NO_DRY_RUN),
    ("PUT", f"{MAP}?fieldValidation=Loose", config_map(), 422, "fieldValidation: Unsupported"),
    ("PUT", f"{MAP}?fieldManager={'x' * 129}", config_map(), 422, "may not be more than 128"),
    ("PUT", f"{MAP}?fieldManager=\x07", config_map(), 422, "fieldManager: Invalid value"),
    ("PATCH", f"{MAP}?force=true", {}, 422, "force: Forbidden"),
    ("PATCH", MAP, b"{", 400, "error decoding patch"),
    ("PATCH", MAP, [], 400, "error decoding patch"),
    ("JSON", MAP, b"[{]", 400, "error decoding patch"),
    ("JSON", MAP, [{"op": "test", "path": "/data/a", "value": "x"}], 422, REJECTED),
    ("JSON", MAP, TOO_MANY, 413, "is 10000, got 10001"),
    ("DELETE", f"{MAP}?dryRun=Some", None, 422, NO_DRY_RUN),
    ("DELETE", MAP, {"dryRun": ["Some"]}, 422, NO_DRY_RUN),
    ("DELETE", MAP, {"propagationPolicy": "Never"}, 422, "propagationPolicy: Unsupported"),
    ("DELETE", f"{MAP}?propagationPolicy=Orphan&orphanDependents=true", None, 422, "Forbidden"),
    ("DELETE", f"{NS}/configmaps?labelSelector=no=one", {"dryRun": ["Some"]}, 422, NO_DRY_RUN),
    ("POST", f"{POD}/eviction", {**EVICTION, "metadata": {"name": "other"}}, 400, "does not match"),
    ("POST", f"{POD}/eviction", {"deleteOptions": {"dryRun": ["Some"]}, **EVICTION}, 422, "dryRun"),
    ("POST", f"{POD}/binding", ELSEWHERE, 400, "name in URL does not match name in Binding"),
    ("GET", f"{POD}/log", None, 404, 'nodes "node-1" not found'),
    ("GET", f"{POD}/log?tailLines=-1", None, 422, "tailLines: Invalid value: -1: must be greater"),
    ("GET", f"{POD}/log?tailLines=x", None, 400, 'strconv.ParseInt: parsing "x"'),
    ("GET", f"{POD}/log?limitBytes=0", None, 422, "limitBytes: Invalid value: 0"),
    ("GET", f"{POD}/log?sinceSeconds=0", None, 422, "sinceSeconds: Invalid value: 0"),
    ("GET", f"{POD}/log?sinceTime=noon", None, 400, "noon"),
    ("GET", f"{POD}/log?sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z", None, 422, "at most one"),
]  # fmt: skip


def test_what_makes_no_sense_is_refused_and_nothing_is_done() -> None:
    async def main() -> None:
        async with World() as world:
            await world.ask("POST", f"{NS}/configmaps", config_map(a="b"))
            await world.ask("POST", f"{NS}/pods", pod(nodeName="node-1"))
            await world.ask("POST", SCALE.removesuffix("/web/scale"), deployment())
            before = world.etcd.revision
            for method, url, body, code, text in REFUSED:
                media_type = "json-patch+json" if method == "JSON" else "merge-patch+json"
                patches = method in ("JSON", "PATCH")
                data = (
                    body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
                )
                answer = await world.raw(
                    "PATCH" if patches else method, url, data,
                    content_type=f"application/{media_type if patches else 'json'}",
                )  # fmt: skip
                assert answer.status == code and text in answer.body["message"], answer.body
            assert world.etcd.revision == before

    asyncio.run(main())


@pytest.mark.parametrize(("asked", "sent"), [
    ("", ()),
    ("follow=1&previous=true&timestamps=0", (("follow", "true"), ("previous", "true"))),
    ("tailLines=0&container=c&nothing=1", (("tailLines", "0"),)),
])  # fmt: skip
def test_the_kubelet_is_asked_in_its_own_words(asked: str, sent: object) -> None:
    query = tuple(tuple(part.split("=")) for part in asked.split("&") if part)
    assert log_query(Call(Request("GET", "/", query))) == sent  # type: ignore[arg-type]

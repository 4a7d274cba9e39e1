"""What is served beside the resources: health, metrics, the version, an index."""

from __future__ import annotations

import asyncio
import re

import pytest

from kube_edu.apiserver import health, server
from kube_edu.host import Request
from tests.apiserver.fakes import World, pod

NS = "/api/v1/namespaces/default"


def test_a_health_endpoint_names_what_is_wrong() -> None:
    checks = {"ping": lambda: True, "etcd": lambda: False}
    failed = health.answer(Request("GET", "/readyz"), checks)
    assert failed.status == 500
    assert failed.body == "[+]ping ok\n[-]etcd failed\nreadyz check failed\n"
    assert health.answer(Request("GET", "/readyz/ping"), checks).body == "ok"
    excluded = Request("GET", "/readyz", (("exclude", "etcd"),))
    assert health.answer(excluded, checks).status == 200
    listed = Request("GET", "/readyz", (("exclude", "etcd"), ("verbose", "")))
    assert health.answer(listed, checks).body.splitlines()[1] == "[+]etcd excluded: ok"
    verbose = Request("GET", "/livez", (("verbose", ""),))
    assert health.answer(verbose, {"ping": lambda: True}).body == "[+]ping ok\nlivez check passed\n"


def test_metrics_count_requests_and_objects() -> None:
    async def main() -> None:
        async with World() as world:
            await world.ask("POST", f"{NS}/pods", pod())
            await world.ask("GET", f"{NS}/pods/nothere")
            text = (await world.raw("GET", "/metrics")).body
            assert re.search(
                r'apiserver_request_total\{verb="CREATE",.*resource="pods",.*code="201"\} 1', text
            )
            assert re.search(r'apiserver_request_total\{verb="GET",.*code="404"\} 1', text)
            assert 'apiserver_storage_objects{resource="pods"}' in text
            assert re.search(r'duration_seconds_bucket\{.*le="\+Inf"\} 1', text)

    asyncio.run(main())


def test_the_root_lists_what_there_is_and_the_rest_is_not_found() -> None:
    async def main() -> None:
        async with World() as world:
            paths = (await world.ask("GET", "/"))["paths"]
            assert {"/api/v1", "/apis/apps/v1", "/apis/apps", "/readyz"} <= set(paths)
            for path in ("/nothere", "/openapi/v3/apis/none/v1", "/apis/none"):
                assert (await world.raw("GET", path)).status == 404
            assert (await world.raw("POST", "/version", {})).status == 405

    asyncio.run(main())


def test_what_is_the_servers_own_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `kubectl delete all --all`."""
    monkeypatch.setattr(server, "RESTORE_EVERY", 0.001)

    async def main() -> None:
        async with World() as world:
            before = await world.ask("GET", f"{NS}/services/kubernetes")
            assert (await world.raw("DELETE", f"{NS}/services")).status == 200
            while (await world.raw("GET", f"{NS}/services/kubernetes")).status != 200:  # noqa: ASYNC110
                await asyncio.sleep(0)
            after = await world.ask("GET", f"{NS}/services/kubernetes")
            assert after["spec"] == before["spec"]

    asyncio.run(main())

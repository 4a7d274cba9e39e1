"""Whatever a client sends, it gets an answer in the API's own words, and never a 500."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube_edu.api.meta import clone
from tests.apiserver.fakes import World, config_map, deployment, pod, service

NS = "/api/v1/namespaces/default"
GOOD = {
    f"{NS}/pods": pod(
        volumes=[{"name": "v", "emptyDir": {}}],
        tolerations=[{"key": "a", "operator": "Exists"}],
    ),
    f"{NS}/configmaps": config_map(a="b"),
    f"{NS}/services": service(type="NodePort", clusterIP="10.96.3.3", clusterIPs=["10.96.3.3"]),
    f"{NS}/secrets": {"metadata": {"name": "s"}, "data": {"a": "Yg=="}, "stringData": {"x": "y"}},
    "/apis/apps/v1/namespaces/default/deployments": deployment(),
    "/api/v1/namespaces": {"metadata": {"name": "n"}, "spec": {"finalizers": ["kubernetes"]}},
    "/api/v1/nodes": {
        "metadata": {"name": "n"},
        "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]},
        "status": {"capacity": {"cpu": "1"}, "conditions": [{"type": "Ready", "status": "True"}]},
    },
}
AS_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
ODD: list[Any] = [
    None, True, 0, -1, 1.5, 2**70, "", "x", "/", "a b", "100m", "é" * 300, "\ud800", "0" * 400,
    [], {}, [None], [[]], [{}], {"a": None}, {"": ""},
]  # fmt: skip


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every part of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in items:
        yield (*path, key)
        if isinstance(part, (dict, list)):
            yield from paths(part, (*path, key))


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, str, Any]:
    """A method, URL, content type and body, of which a part is wrong."""
    url = draw(st.sampled_from(sorted(GOOD)))
    method = draw(st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]))
    kind = draw(
        st.sampled_from(["merge-patch+json", "strategic-merge-patch+json", "json-patch+json"])
    )
    name = GOOD[url]["metadata"]["name"]
    where = draw(st.sampled_from(list(paths(GOOD[url]))))
    odd = draw(st.sampled_from(ODD))
    body: Any = clone(GOOD[url])
    if method == "DELETE":
        options = {"gracePeriodSeconds": 0, "propagationPolicy": "Orphan", "preconditions": {}}
        body = {**options, draw(st.sampled_from(sorted(options))): odd}
    elif method == "PATCH" and kind == "json-patch+json":
        pointer = "/" + "/".join(map(str, where))
        operation = draw(st.sampled_from(["add", "remove", "replace", "test", "copy"]))
        body = [{"op": operation, "path": pointer, "value": odd}]
    else:
        parent = body
        for key in where[:-1]:
            parent = parent[key]
        parent[where[-1]] = odd
    at = url if method == "POST" else f"{url}/{name}{draw(st.sampled_from(['', '/status']))}"
    return method, at, f"application/{kind if method == 'PATCH' else 'json'}", body


@settings(max_examples=30, deadline=None)
@given(st.lists(requests(), min_size=10, max_size=30))
def test_no_input_makes_the_server_fail(sent: list[tuple[str, str, str, Any]]) -> None:
    async def main() -> None:
        async with World(accounts=True) as world:
            for url, good in GOOD.items():
                await world.ask("POST", url, good)
            for method, url, content_type, body in sent:
                data = json.dumps(body).encode()
                answer = await world.raw(method, url, data, content_type=content_type)
                assert answer.status < 500, answer.body
                if answer.status >= 400:
                    assert answer.body["kind"] == "Status" and answer.body["message"]
            for url in GOOD:
                assert (await world.raw("GET", url, accept=AS_TABLE)).status == 200

    asyncio.run(main())


CM = '{"metadata": {"name": "x"}, "data": {"a": "b"}}'
DEEP = '{"metadata": {"name": "x"}, "data": ' + '{"a":' * 100_000 + "1" + "}" * 100_001
BODIES: list[tuple[int, str, bytes]] = [
    (400, "application/json", b""),
    (400, "application/json", CM[:-5].encode()),
    (400, "application/json", DEEP.encode()),
    (400, "application/json", b"[" * 200_000),
    (400, "application/json", b"null"),
    (400, "application/json", b"[]"),
    (400, "application/json", b'"text"'),
    (400, "application/json", b'{"metadata": {"name": "x"}, "data": {"a": NaN}}'),
    (400, "application/json", b'{"metadata": {"name": "\xff\xfe"}}'),
    (400, "application/json", CM.encode("utf-16")[:-1]),
    (400, "application/json", b'{"kind": "Pod", "apiVersion": "v1"}'),
    (400, "application/json", b'{"kind": "ConfigMap", "apiVersion": "v2"}'),
    (400, "application/json", b'{"kind": 7, "apiVersion": "v1"}'),
    (400, "application/json", b'{"metadata": "x"}'),
    (400, "application/json", b'{"metadata": {"name": "x"}, "data": {"a": 1}}'),
    (422, "application/json", b'{"metadata": {"name": "x"}, "data": {"../a": "b"}}'),
    (422, "application/json", b'{"metadata": {"name": "../../etc/passwd"}}'),
    (422, "application/json", b"{}"),
    (400, "application/json", b'{"metadata": {"name": "x", "namespace": "kube-system"}}'),
    (400, "application/json", b'{"metadata": {"name": "x", "resourceVersion": "7"}}'),
    (400, "application/yaml", b"a: [b"),
    (400, "application/yaml", b"a: 1\na: 2\n"),
    (400, "application/yaml", b"a: &a [*a]"),
    (400, "application/yaml", b"!!python/object/apply:os.system ['true']"),
    (400, "application/vnd.kubernetes.protobuf", b"not protobuf"),
    (400, "application/vnd.kubernetes.protobuf", b"k8s\x00\x0a\xff"),
    (400, "application/vnd.kubernetes.protobuf", b"k8s\x00\x0a\x04\x0a\x02v1"),
    (415, "text/plain", CM.encode()),
    (415, "application/x-www-form-urlencoded", b"a=b"),
]


@pytest.mark.parametrize(("status", "media_type", "body"), BODIES, ids=range(len(BODIES)))
def test_a_bad_body_is_refused_with_a_reason(status: int, media_type: str, body: bytes) -> None:
    async def main() -> None:
        async with World() as world:
            answer = await world.raw("POST", f"{NS}/configmaps", body, content_type=media_type)
            assert answer.status == status, answer.body
            assert answer.body["kind"] == "Status" and answer.body["reason"]

    asyncio.run(main())


URLS = [
    (400, "/pods?limit=-1"), (400, "/pods?limit=" + "9" * 40), (400, "/pods?limit=ten"),
    (400, "/pods?continue=garbage"), (400, "/pods?continue=" + "e" * 5000),
    (400, "/pods?resourceVersion=new"), (400, "/pods?labelSelector=a in"),
    (400, "/pods?labelSelector=,,,==="), (400, "/pods?fieldSelector=spec.nothing=1"),
    (400, "/pods?fieldSelector=" + "a" * 5000), (400, "/pods?watch=1&timeoutSeconds=-5"),
    (422, "/pods?resourceVersionMatch=Exact"), (404, "/pods/../secrets/x"), (404, "/pods/%2e%2e"),
    (404, "/pods/x/y/z"), (404, "/pods/x/nothing"), (404, "/nothing"),
    (404, "/pods/" + "x" * 5000), (404, "/pods/\x00"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "url"), URLS, ids=range(len(URLS)))
def test_a_bad_url_is_refused_with_a_reason(status: int, url: str) -> None:
    async def main() -> None:
        async with World() as world:
            answer = await world.raw("GET", NS + url)
            assert answer.status == status, answer.body
            assert answer.body["kind"] == "Status" and answer.body["reason"]

    asyncio.run(main())

"""What clients read before they ask for anything."""

from __future__ import annotations

import re

from kube_edu.api.resources import RESOURCES
from kube_edu.apiserver import openapi
from kube_edu.apiserver.discovery import discover
from kube_edu.host import Request

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def test_both_forms_tell_of_the_same_resources() -> None:
    legacy, aggregated = set(), set()
    for path in {r.path().removesuffix(f"/{r.plural}") for r in RESOURCES}:
        found = discover(Request("GET", path), "10.0.0.1:6443").body
        legacy |= {(found["groupVersion"], row["name"]) for row in found["resources"]}
    for path in ("/api", "/apis"):
        response = discover(Request("GET", path, headers={"accept": AGGREGATED}), "")
        assert response.headers["content-type"] == AGGREGATED
        for group in response.body["items"]:
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                at = f"{name}/{version['version']}" if name else version["version"]
                for row in version["resources"]:
                    plural = row["resource"]
                    aggregated |= {(at, plural)} | {
                        (at, f"{plural}/{sub['subresource']}")
                        for sub in row.get("subresources", ())
                    }
    assert legacy == aggregated


def test_drain_finds_that_pods_can_be_evicted() -> None:
    rows = discover(Request("GET", "/api/v1"), "").body["resources"]
    eviction = next(row for row in rows if row["name"] == "pods/eviction")
    assert (eviction["group"], eviction["version"], eviction["kind"]) == (
        "policy",
        "v1",
        "Eviction",
    )


def test_every_schema_that_is_referred_to_is_there() -> None:
    for path in openapi.index()["paths"]:
        document = openapi.document(path)
        known = set(document["components"]["schemas"])
        assert set(re.findall(r"#/components/schemas/([\w.-]+)", str(document))) <= known
        assert "$defs" not in str(document)


def test_writes_take_field_validation_so_that_kubectl_leaves_it_to_the_server() -> None:
    operation = openapi.document("apis/apps/v1")["paths"][
        "/apis/apps/v1/namespaces/{namespace}/deployments"
    ]["post"]
    assert "fieldValidation" in [p["name"] for p in operation["parameters"]]
    assert operation["x-kubernetes-group-version-kind"]["kind"] == "Deployment"

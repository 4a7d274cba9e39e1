"""The resource table: paths, keys and names."""

import pytest

from kube_edu.api.resources import RESOURCES, STORED, by_kind, by_plural, resolve
from kube_edu.api.schema import definition


def test_urls_are_those_of_kubernetes():
    pods, deployments, nodes = map(by_plural, ("pods", "deployments", "nodes"))
    assert pods.path() == "/api/v1/pods"
    assert pods.path("shop", "web", "status") == "/api/v1/namespaces/shop/pods/web/status"
    assert deployments.path("shop") == "/apis/apps/v1/namespaces/shop/deployments"
    assert nodes.path("", "node-1") == "/api/v1/nodes/node-1"


def test_storage_keys_are_those_of_kubernetes():
    keys = [
        by_plural(plural).storage_key("shop", "x")
        for plural in ("pods", "services", "endpoints", "nodes", "deployments.apps")
    ]
    assert keys == [
        "/registry/pods/shop/x",
        "/registry/services/specs/shop/x",
        "/registry/services/endpoints/shop/x",
        "/registry/minions/x",
        "/registry/deployments/shop/x",
    ]


def test_no_storage_prefix_is_the_start_of_another():
    prefixes = [resource.storage_prefix for resource in STORED]
    assert not [(a, b) for a in prefixes for b in prefixes if a != b and b.startswith(a)]


def test_users_call_resources_by_many_names():
    for word in ("po", "pod", "pods", "Pod"):
        assert resolve(word) == (by_plural("pods"), "")
    assert resolve("deploy/web") == (by_kind("apps/v1", "Deployment"), "web")
    assert resolve("deployments.apps/web")[1] == "web"
    with pytest.raises(LookupError, match='have a resource type "gadget"'):
        resolve("gadget")


def test_every_row_has_a_schema_and_a_name_of_its_own():
    words = [w for r in STORED for w in {r.plural, r.singular, r.qualified, *r.short_names}]
    assert len(words) == len(set(words))
    for resource in RESOURCES:
        assert "metadata" in definition(resource.api_version, resource.kind)["properties"]


def test_the_trace_names_an_object_by_resource_namespace_and_name():
    assert by_plural("pods").reference({"metadata": {"namespace": "a", "name": "b"}}) == "pods/a/b"
    assert by_plural("nodes").reference({"metadata": {"name": "node-1"}}) == "nodes//node-1"

"""What goes when something goes: owners, namespaces, nodes."""

from __future__ import annotations

import pytest

from kube_edu.api import meta
from kube_edu.api.meta import Object
from tests.controllers.world import Managed, deployment, namespace, pod, replicaset, service


def running_deployment(world: Managed) -> Object:
    web = world.api.create(deployment("web", 2))
    world.run()
    assert len(world.api.all("pods")) == 2
    return web


def configmap(name: str, *owners: Object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": "default",
            "ownerReferences": [meta.owner_reference(o, controller=False) for o in owners],
        },
    }


@pytest.mark.parametrize("lag", [0.0, 2.0])
def test_background_the_owner_goes_first_and_then_what_it_owns(lag: float) -> None:
    world = Managed(lag=lag)
    world.api.create(deployment("web", 2))
    world.run(20)
    world.api.delete(world.api.get("deployments", "web"), {"propagationPolicy": "Background"})
    assert world.names("deployments") == []
    assert len(world.names("pods")) == 2
    world.run(30)
    assert world.names("replicasets") == [] and world.names("pods") == []


def test_foreground_the_owner_goes_last() -> None:
    world = Managed()
    web = running_deployment(world)
    world.api.delete(web, {"propagationPolicy": "Foreground"})
    for _ in range(80):
        world.run(0.25)
        if world.names("pods"):
            assert world.names("replicasets") and world.names("deployments")
        if world.names("replicasets"):
            assert world.names("deployments")
    assert world.names("deployments") == []


def test_orphan_what_it_owns_stays() -> None:
    world = Managed()
    web = running_deployment(world)
    world.api.delete(web, {"propagationPolicy": "Orphan"})
    world.run(10)
    assert world.names("deployments") == []
    (left,) = world.api.all("replicasets")
    assert meta.owners(left) == []
    assert len(world.names("pods")) == 2
    again = world.api.create(deployment("web", 2))
    world.run()
    assert meta.owned_by(world.api.get("replicasets", meta.name(left)), again), "adopted again"
    assert len(world.names("replicasets")) == 1


def test_an_object_with_two_owners_stays_until_the_last_one_goes() -> None:
    world = Managed()
    first = world.api.create(configmap("first"))
    second = world.api.create(configmap("second"))
    world.api.create(configmap("child", first, second))
    world.run()
    world.api.delete(first)
    world.run()
    assert [o["name"] for o in meta.owners(world.api.get("configmaps", "child"))] == ["second"]
    world.api.delete(second)
    world.run()
    assert world.names("configmaps") == []


def test_a_namesake_of_the_owner_is_not_the_owner() -> None:
    world = Managed()
    owner = world.api.create(configmap("owner"))
    world.api.create(configmap("child", owner))
    world.run()
    world.worker.crash()
    world.api.delete(owner)
    world.api.create(configmap("owner"))
    world.worker.restart()
    world.run(30)
    assert world.names("configmaps") == ["owner"]


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [("v1", "Event"), ("v1", "Binding"), ("example.com/v1", "Gadget")],
)
def test_an_owner_of_a_kind_that_is_not_looked_after_holds_nothing_up(
    api_version: str, kind: str
) -> None:
    world = Managed()
    odd = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "uid": "1"}}
    world.api.create(configmap("odd", odd))
    owner = world.api.create(configmap("owner"))
    world.api.create(configmap("owned", owner))
    world.run()
    world.api.delete(owner)
    world.run(30)
    left = world.names("configmaps")
    assert "owned" not in left
    assert ("odd" in left) == (kind != "Event"), "there is no such event"


def test_a_namespace_that_is_deleted_takes_all_that_is_in_it_along() -> None:
    world = Managed()
    shop = world.api.create(namespace("shop"))
    for obj in (deployment("web", 2), service("web"), configmap("settings")):
        world.api.create({**obj, "metadata": {**obj["metadata"], "namespace": "shop"}})
    world.run(10)
    assert world.api.get("serviceaccounts", "default", "shop")
    assert [p["metadata"]["namespace"] for p in world.api.all("pods")] == ["shop", "shop"]
    world.api.delete(shop)
    world.run(40)
    assert "shop" not in world.names("namespaces")
    assert not [place for place in world.api.objects if place[1] == "shop"]


def test_every_namespace_has_a_default_service_account_even_if_it_is_deleted() -> None:
    world = Managed()
    account = world.api.get("serviceaccounts", "default", "default")
    world.api.delete(account)
    world.run()
    assert meta.uid(world.api.get("serviceaccounts", "default", "default")) != meta.uid(account)


def test_pods_of_a_node_that_is_no_more_are_collected_after_a_quarantine() -> None:
    world = Managed(nodes=2)
    lost = world.api.create(pod("lost", app="x"))
    world.start_pod(lost, "node-2")
    world.run()
    world.alive.remove("node-2")
    world.api.delete(world.api.objects["nodes", "", "node-2"])
    world.run(30)
    assert world.names("pods") == ["lost"]
    world.run(20)
    assert world.names("pods") == []


def test_the_owner_of_pods_that_were_collected_replaces_them() -> None:
    world = Managed(nodes=2)
    owner = world.api.create(replicaset("web", 1))
    world.simulation.run_for(1)
    world.start_pod(world.pods_of(owner)[0], "node-2")
    world.alive.remove("node-2")
    world.api.delete(world.api.objects["nodes", "", "node-2"])
    world.run(60)
    (new,) = world.pods_of(owner)
    assert new["spec"]["nodeName"] == "node-1"

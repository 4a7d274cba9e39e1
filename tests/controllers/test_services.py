"""What stands behind a Service, as EndpointSlices and as Endpoints tell it."""

from __future__ import annotations

from typing import Any

from kube_edu.api import meta
from kube_edu.api.meta import Object
from tests.controllers.world import Managed, pod, service


def slices(world: Managed) -> list[Object]:
    return world.api.all("endpointslices")


def conditions(world: Managed) -> dict[str, tuple[bool, bool, bool]]:
    """(ready, serving, terminating) by pod."""
    return {
        e["targetRef"]["name"]: tuple(
            e["conditions"][c] for c in ("ready", "serving", "terminating")
        )
        for s in slices(world)
        for e in s["endpoints"]
    }


def test_a_service_has_the_ready_pods_that_it_selects_at_the_port_they_name() -> None:
    world = Managed()
    world.api.create(service("web"))
    for name in ("a", "b"):
        world.api.create(pod(name, app="web"))
    world.api.create(pod("other", app="db"))
    world.run()
    (found,) = slices(world)
    assert [e["targetRef"]["name"] for e in found["endpoints"]] == ["a", "b"]
    assert found["ports"] == [{"name": "", "port": 8080, "protocol": "TCP"}]
    assert meta.labels(found)["kubernetes.io/service-name"] == "web"
    assert meta.owned_by(found, world.api.get("services", "web"))
    (subset,) = world.api.get("endpoints", "web")["subsets"]
    assert len(subset["addresses"]) == 2
    assert subset["ports"] == [{"port": 8080, "protocol": "TCP"}]


def test_a_pod_is_listed_as_not_ready_and_then_as_terminating() -> None:
    world = Managed()
    world.api.create(service("web"))
    a = world.api.create(pod("a", app="web"))
    world.run()
    assert conditions(world) == {"a": (True, True, False)}
    not_ready = [{"type": "Ready", "status": "False"}]
    world.api.change(world.api.get("pods", "a"), status={"conditions": not_ready})
    world.simulation.run_for(1)
    assert conditions(world) == {"a": (False, False, False)}
    (subset,) = world.api.get("endpoints", "web")["subsets"]
    assert "addresses" not in subset and len(subset["notReadyAddresses"]) == 1
    world.start_pod(world.api.get("pods", "a"))
    world.api.delete(a)
    world.simulation.run_for(1)
    assert conditions(world) == {"a": (False, True, True)}
    world.run()
    assert conditions(world) == {}
    assert len(slices(world)) == 1, "an empty slice stays"
    assert "subsets" not in world.api.get("endpoints", "web")


def test_a_slice_has_at_most_100_endpoints_and_others_are_left_alone() -> None:
    world = Managed(lag=0.2)
    world.api.create(service("web"))
    for number in range(230):
        world.api.create(pod(f"p{number:03}", app="web"))
    world.run(20)
    assert sorted(len(s["endpoints"]) for s in slices(world)) == [30, 100, 100]
    assert len(conditions(world)) == 230
    versions = {meta.name(s): s["metadata"]["resourceVersion"] for s in slices(world)}
    world.api.delete(world.api.get("pods", "p007"))
    world.run()
    changed = [
        s for s in slices(world) if s["metadata"]["resourceVersion"] != versions[meta.name(s)]
    ]
    assert len(changed) == 1
    assert len(conditions(world)) == 229


def test_pods_that_name_the_port_differently_are_in_different_slices() -> None:
    world = Managed()
    world.api.create(service("web"))
    world.api.create(pod("a", app="web"))
    b = pod("b", app="web")
    container = {**b["spec"]["containers"][0], "ports": [{"name": "http", "containerPort": 9090}]}
    world.api.create({**b, "spec": {"containers": [container]}})
    world.run()
    assert sorted(s["ports"][0]["port"] for s in slices(world)) == [8080, 9090]


def test_labels_of_the_service_and_of_pods_are_followed() -> None:
    world = Managed()
    web = world.api.create(service("web"))
    world.api.create(pod("a", app="web"))
    world.run()
    world.api.change(web, metadata={"labels": {"team": "blue"}})
    world.api.change(world.api.get("pods", "a"), metadata={"labels": {"app": "gone"}})
    world.run()
    assert conditions(world) == {}
    assert meta.labels(slices(world)[0])["team"] == "blue"
    assert meta.labels(world.api.get("endpoints", "web"))["team"] == "blue"


def test_a_service_without_selector_is_left_to_others() -> None:
    world = Managed()
    spec: dict[str, Any] = {"selector": None}
    world.api.create(service("web", **spec))
    world.run()
    assert slices(world) == [] and world.names("endpoints") == []


def test_a_headless_service_has_pods_with_names() -> None:
    world = Managed()
    world.api.create(service("db", clusterIP="None"))
    db = pod("db-0", app="db")
    world.api.create({**db, "spec": {**db["spec"], "hostname": "db-0", "subdomain": "db"}})
    world.run()
    (found,) = slices(world)
    assert found["endpoints"][0]["hostname"] == "db-0"
    assert "service.kubernetes.io/headless" in meta.labels(found)


def test_when_the_service_goes_all_goes() -> None:
    world = Managed()
    web = world.api.create(service("web"))
    world.api.create(pod("a", app="web"))
    world.run()
    world.api.delete(web)
    world.run()
    assert slices(world) == [] and world.names("endpoints") == []


def test_reconciling_again_changes_nothing() -> None:
    world = Managed()
    world.api.create(service("web"))
    world.api.create(pod("a", app="web"))
    world.run(10)
    writes = world.writes()
    world.worker.restart()
    world.run(40)
    assert world.writes() == writes

"""Nodes that come, fall silent, and return."""

from __future__ import annotations

import math

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.controllers.tainteviction import seconds_tolerated
from tests.controllers.world import Managed, node, pod

UNREACHABLE = "node.kubernetes.io/unreachable"


def ready(world: Managed, name: str) -> str:
    condition = meta.find_condition(world.api.objects["nodes", "", name], "Ready")
    assert condition is not None
    return str(condition["status"])


def taints(world: Managed, name: str) -> list[tuple[str, str]]:
    spec = world.api.objects["nodes", "", name]["spec"]
    return [(t["key"].rpartition("/")[2], t["effect"]) for t in spec.get("taints") or ()]


def pod_on(world: Managed, name: str, node_name: str, tolerated: int | None = None) -> Object:
    made = pod(name, app="x")
    if tolerated is not None:
        toleration = {"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute"}
        toleration["tolerationSeconds"] = tolerated  # type: ignore[assignment]
        made["spec"] = {**made["spec"], "tolerations": [toleration]}
    created = world.api.create(made)
    world.start_pod(created, node_name)
    return created


def test_a_silent_node_is_unknown_after_50_seconds_and_its_pods_not_ready() -> None:
    world = Managed(nodes=3)
    pod_on(world, "a", "node-2", tolerated=300)
    world.run(20)
    world.alive.remove("node-2")
    world.run(40)
    assert ready(world, "node-2") == "True"
    world.run(20)
    assert ready(world, "node-2") == "Unknown"
    assert meta.condition_is(world.api.get("pods", "a"), "Ready", "False")
    assert taints(world, "node-2") == [("unreachable", "NoSchedule"), ("unreachable", "NoExecute")]
    assert "NodeNotReady" in world.reasons("Node")
    assert ready(world, "node-1") == "True" and taints(world, "node-1") == []


def test_pods_leave_it_when_their_tolerations_run_out() -> None:
    world = Managed(nodes=3)
    pod_on(world, "patient", "node-2", tolerated=300)
    pod_on(world, "impatient", "node-2")
    world.alive.remove("node-2")
    world.run(80)
    assert world.names("pods") == ["patient"]
    world.run(260)
    assert world.names("pods") == ["patient"]
    world.run(60)
    assert world.names("pods") == []


def test_a_node_that_returns_loses_its_taints_and_keeps_its_pods() -> None:
    world = Managed(nodes=3)
    pod_on(world, "a", "node-2", tolerated=300)
    world.alive.remove("node-2")
    world.run(100)
    assert taints(world, "node-2")
    world.alive.append("node-2")
    heartbeat = {"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:02:00Z"}
    silent = world.api.objects["nodes", "", "node-2"]
    world.api.change(silent, status={"conditions": [heartbeat]})
    world.run(400)
    assert taints(world, "node-2") == []
    assert world.names("pods") == ["a"]


def test_nodes_are_given_up_slowly_and_not_at_all_when_all_are_silent() -> None:
    world = Managed(nodes=6)
    world.alive = ["node-1", "node-2", "node-3", "node-4"]
    world.run(58)

    def given_up() -> int:
        return sum(("unreachable", "NoExecute") in taints(world, n) for n in world.names("nodes"))

    assert given_up() == 1
    world.run(14)
    assert given_up() == 2
    world.alive = []
    world.run(200)
    assert all(ready(world, name) == "Unknown" for name in world.names("nodes"))
    assert given_up() == 0, "it may well be the control plane that is cut off"


def test_a_cordoned_node_is_tainted_unschedulable_and_others_taints_stay() -> None:
    world = Managed(nodes=1)
    mine = {"key": "mine", "effect": "NoSchedule"}
    one = world.api.objects["nodes", "", "node-1"]
    world.api.change(one, spec={"unschedulable": True, "taints": [mine]})
    world.run()
    assert taints(world, "node-1") == [("mine", "NoSchedule"), ("unschedulable", "NoSchedule")]
    world.api.change(world.api.objects["nodes", "", "node-1"], spec={"unschedulable": False})
    world.run()
    assert taints(world, "node-1") == [("mine", "NoSchedule")]


def test_each_node_has_a_range_of_pod_addresses_of_its_own() -> None:
    world = Managed(nodes=3, lag=1.0)
    world.run()
    ranges = {n: world.api.objects["nodes", "", n]["spec"]["podCIDR"] for n in world.names("nodes")}
    assert sorted(ranges.values()) == ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]
    world.api.delete(world.api.objects["nodes", "", "node-2"])
    world.run()
    world.worker.restart()
    world.run(30)
    world.api.create(node("node-9"))
    world.run()
    assert world.api.objects["nodes", "", "node-9"]["spec"]["podCIDR"] == ranges["node-2"]


def test_a_pod_must_go_when_the_first_of_its_tolerations_is_over() -> None:
    one = {"key": "a", "effect": "NoExecute"}
    two = {"key": "b", "effect": "NoExecute", "value": "v"}
    tainted = {"spec": {"taints": [one, two]}}

    def due(*tolerations: Object) -> float:
        return seconds_tolerated({"spec": {"tolerations": list(tolerations)}}, tainted)

    assert due() == 0
    assert due({"key": "a", "operator": "Exists"}) == 0, "b is not tolerated"
    assert due({"operator": "Exists"}) == math.inf
    assert due({"operator": "Exists", "tolerationSeconds": 60}) == 60
    a = {"key": "a", "operator": "Exists", "tolerationSeconds": 300}
    assert due(a, {"key": "b", "value": "v", "effect": "NoExecute"}) == 300
    assert due(a, {"key": "b", "value": "other"}) == 0


def test_a_taint_set_by_hand_evicts_as_well_when_the_toleration_is_over() -> None:
    world = Managed()
    bound = pod("tolerant")
    toleration = {"key": "mine", "operator": "Exists", "tolerationSeconds": 60}
    spec = {**bound["spec"], "nodeName": "node-1", "tolerations": [toleration]}
    world.api.create({**bound, "spec": spec})
    one = world.api.objects["nodes", "", "node-1"]
    world.api.change(one, spec={"taints": [{"key": "mine", "effect": "NoExecute"}]})
    world.run(50)
    assert world.names("pods") == ["tolerant"]
    world.run(20)
    assert world.names("pods") == []

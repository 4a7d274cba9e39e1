"""A disruption budget says how many pods may be evicted now."""

from __future__ import annotations

from typing import Any

import pytest

from kube_edu.api.meta import Object
from tests.controllers.world import Managed, replicaset


def budget(**spec: Any) -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b", "namespace": "default", "generation": 1},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
    }


def with_pods(replicas: int, ready: int, **spec: Any) -> Managed:
    """A world with a ReplicaSet, of whose pods some are ready, and a budget."""
    world = Managed()
    world.api.create(replicaset("web", replicas))
    world.api.create(budget(**spec))
    world.run()
    for number, pod in enumerate(world.api.all("pods")):
        condition = {"type": "Ready", "status": "True" if number < ready else "False"}
        world.api.change(pod, status={"phase": "Running", "conditions": [condition]})
    world.run()
    return world


def status(world: Managed) -> Object:
    found: Object = world.api.get("poddisruptionbudgets", "b")["status"]
    return found


@pytest.mark.parametrize(("spec", "ready", "desired", "allowed"), [
    ({"minAvailable": 3}, 4, 3, 1),
    ({"minAvailable": 3}, 2, 3, 0),
    ({"minAvailable": "50%"}, 4, 2, 2),
    ({"minAvailable": "60%"}, 4, 3, 1),
    ({"maxUnavailable": 1}, 4, 3, 1),
    ({"maxUnavailable": 1}, 3, 3, 0),
    ({"maxUnavailable": "10%"}, 4, 3, 1),
    ({"maxUnavailable": 9}, 4, 0, 4),
])  # fmt: skip
def test_of_four_pods_as_many_may_go_as_are_not_needed(
    spec: Object, ready: int, desired: int, allowed: int
) -> None:
    world = with_pods(4, ready, **spec)
    found = status(world)
    counts = (found["expectedPods"], found["currentHealthy"], found["desiredHealthy"])
    assert counts == (4, ready, desired)
    assert found["disruptionsAllowed"] == allowed
    (condition,) = found["conditions"]
    assert condition["reason"] == ("SufficientPods" if allowed else "InsufficientPods")
    assert found["observedGeneration"] == 1


def test_a_pod_whose_eviction_was_granted_does_not_count_for_two_minutes() -> None:
    world = with_pods(2, 2, minAvailable=1)
    assert status(world)["disruptionsAllowed"] == 1
    going = world.api.all("pods")[0]["metadata"]["name"]
    granted = {"disruptionsAllowed": 0, "disruptedPods": {going: "2026-01-01T00:00:10Z"}}
    found = world.api.get("poddisruptionbudgets", "b")
    world.api.change(found, status={**status(world), **granted})
    world.run()
    assert (status(world)["currentHealthy"], status(world)["disruptionsAllowed"]) == (1, 0)
    world.run(130)
    assert "disruptedPods" not in status(world)
    assert status(world)["disruptionsAllowed"] == 1


def test_a_budget_that_selects_nothing_allows_nothing() -> None:
    world = Managed()
    world.api.create(budget(minAvailable=0))
    world.run()
    assert (status(world)["expectedPods"], status(world)["disruptionsAllowed"]) == (0, 0)

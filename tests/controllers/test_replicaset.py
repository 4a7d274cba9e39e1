"""So many pods, no more and no fewer."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError, bad_request
from kube_edu.controllers.replicaset import PodControl, deletion_order
from kube_edu.host import Request
from tests.controllers.world import Managed, pod, replicaset


def created_pods(world: Managed) -> int:
    return sum(r.method == "POST" and r.path.endswith("/pods") for r in world.api.requests)


@pytest.mark.parametrize("lag", [0.0, 0.3, 3.0])
def test_it_creates_what_is_missing_and_never_twice_however_late_the_watch(lag: float) -> None:
    world = Managed(lag=lag)
    owner = world.api.create(replicaset("web", 5))
    world.run(60)
    assert len(world.pods_of(owner)) == 5
    assert created_pods(world) == 5
    status = world.api.get("replicasets", "web")["status"]
    assert status == {
        "replicas": 5,
        "fullyLabeledReplicas": 5,
        "readyReplicas": 5,
        "availableReplicas": 5,
        "observedGeneration": 1,
    }


@pytest.mark.parametrize("lag", [0.0, 2.0])
def test_it_deletes_what_is_too_much_and_never_more(lag: float) -> None:
    world = Managed(lag=lag)
    owner = world.api.create(replicaset("web", 5))
    world.run(30)
    before = {meta.name(p) for p in world.pods_of(owner)}
    world.api.change(owner, spec={"replicas": 2})
    world.run(60)
    after = {meta.name(p) for p in world.pods_of(owner)}
    assert len(after) == 2 and after <= before


def test_reconciling_again_changes_nothing() -> None:
    world = Managed()
    world.api.create(replicaset("web", 3))
    world.run(20)
    writes = world.writes()
    for owner in world.api.all("replicasets"):
        world.api.change(owner, metadata={"annotations": {"look": "again"}})
    world.run(20)
    assert world.writes() == writes


def test_a_manager_that_restarts_goes_on_from_what_there_is() -> None:
    world = Managed()
    owner = world.api.create(replicaset("web", 3))
    world.run(10)
    world.worker.crash()
    world.api.change(owner, spec={"replicas": 4})
    world.api.delete(world.pods_of(owner)[0], {"gracePeriodSeconds": 0})
    world.run(10)
    world.worker.restart()
    world.run(40)
    assert len(world.pods_of(owner)) == 4


def test_a_pod_that_matches_is_adopted_and_one_that_no_longer_does_is_released() -> None:
    world = Managed()
    world.api.create(pod("stray", app="web"))
    world.run(1)
    owner = world.api.create(replicaset("web", 2))
    world.run()
    assert "stray" in [meta.name(p) for p in world.pods_of(owner)]
    assert len(world.pods_of(owner)) == 2
    world.api.change(world.api.get("pods", "stray"), metadata={"labels": {"app": "debug"}})
    world.run()
    assert meta.owners(world.api.get("pods", "stray")) == []
    assert len(world.pods_of(owner)) == 2 and len(world.api.all("pods")) == 3


def test_pods_that_are_refused_are_tried_once_and_then_later() -> None:
    world = Managed()

    def refuse(request: Request) -> ApiError | None:
        refused = request.method == "POST" and request.path.endswith("/pods")
        return bad_request("no room") if refused else None

    world.api.refuse = refuse
    world.api.create(replicaset("web", 500))
    world.run(2)
    assert created_pods(world) < 12, "the first of each attempt alone"
    (condition,) = world.api.get("replicasets", "web")["status"]["conditions"]
    assert (condition["type"], condition["reason"]) == ("ReplicaFailure", "FailedCreate")
    event = next(e for e in world.api.all("events") if e["reason"] == "FailedCreate")
    assert event["count"] > 1 and event["message"] == "Error creating: no room"
    world.api.refuse = lambda request: None
    world.run(20)
    assert len(world.api.all("pods")) == 500
    assert "conditions" not in world.api.get("replicasets", "web")["status"]


def test_the_events_say_what_was_done() -> None:
    world = Managed()
    owner = world.api.create(replicaset("web", 1))
    world.run()
    (event,) = world.api.all("events")
    name = meta.name(world.pods_of(owner)[0])
    assert event["message"] == f"Created pod: {name}"
    assert event["source"] == {"component": "replicaset-controller"}


def test_available_is_ready_for_as_long_as_was_asked() -> None:
    world = Managed()
    world.api.create(replicaset("web", 1, minReadySeconds=30))
    world.run(20)
    assert "availableReplicas" not in world.api.get("replicasets", "web")["status"]
    world.run(20)
    assert world.api.get("replicasets", "web")["status"]["availableReplicas"] == 1


def test_a_reader_can_write_manage_replicas_anew() -> None:
    async def one_at_a_time(
        pods: Sequence[Object], replicaset: Object, control: PodControl
    ) -> None:
        if len(pods) < replicaset["spec"]["replicas"]:
            await control.create(replicaset)
        elif len(pods) > replicaset["spec"]["replicas"]:
            await control.delete(pods[0])

    world = Managed(manage_replicas=one_at_a_time)
    owner = world.api.create(replicaset("web", 4))
    world.run()
    assert len(world.pods_of(owner)) == 4
    world.api.change(owner, spec={"replicas": 1})
    world.run()
    assert len(world.pods_of(owner)) == 1


def test_the_pods_that_do_least_go_first() -> None:
    def make(
        name: str,
        node: str = "n1",
        phase: str = "Running",
        ready: str = "True",
        since: str = "2026-01-01T00:00:00Z",
        restarts: int = 0,
        cost: str = "",
    ) -> Object:
        condition = {"type": "Ready", "status": ready, "lastTransitionTime": since}
        cost_annotation = {"controller.kubernetes.io/pod-deletion-cost": cost} if cost else {}
        return {
            "metadata": {
                "name": name,
                "uid": name,
                "annotations": cost_annotation,
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {"nodeName": node} if node else {},
            "status": {
                "phase": phase,
                "conditions": [condition],
                "containerStatuses": [{"restartCount": restarts}],
            },
        }

    in_order = [
        make("unbound", node="", phase="Pending", ready="False"),
        make("pending", node="n9", phase="Pending", ready="False"),
        make("not-ready", node="n8", ready="False"),
        make("cheap", node="n7", cost="-5"),
        make("doubled", node="n1"),
        make("doubled-too", node="n1"),
        make("ready-late", node="n2", since="2026-01-01T00:05:00Z"),
        make("restarted", node="n3", restarts=4),
        make("steady", node="n4"),
        make("dear", node="n5", cost="10"),
    ]
    for seed in range(20):
        shuffled = Random(seed).sample(in_order, len(in_order))
        assert [meta.name(p) for p in deletion_order(shuffled)] == [meta.name(p) for p in in_order]

"""Rollouts, from the first to the rolled back."""

from __future__ import annotations

from typing import Any

import pytest

from kube_edu.api import meta
from kube_edu.api.meta import Object
from tests.controllers.world import Managed, deployment, template


def with_image(image: str) -> Object:
    new = template(app="web")
    new["spec"]["containers"] = [{**new["spec"]["containers"][0], "image": image}]
    return new


def rolled_out(world: Managed) -> bool:
    web = world.api.get("deployments", "web")
    status = web["status"]
    return bool(
        status["observedGeneration"] == web["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == web["spec"]["replicas"]
        and status.get("replicas", 0) == web["spec"]["replicas"]
        and status.get("availableReplicas", 0) == web["spec"]["replicas"]
    )


def start(world: Managed, replicas: int = 4, **spec: Any) -> Object:
    web = world.api.create(deployment("web", replicas, **spec))
    world.run(20)
    assert rolled_out(world)
    return web


def change(world: Managed, **spec: Any) -> None:
    world.api.change(world.api.get("deployments", "web"), spec=spec)


def sizes(world: Managed) -> dict[str, int]:
    """The size of each ReplicaSet, by the revision it has."""
    return {
        meta.annotations(rs)["deployment.kubernetes.io/revision"]: rs["spec"]["replicas"]
        for rs in world.api.all("replicasets")
    }


def condition(world: Managed, type: str) -> tuple[str, str]:
    found = meta.find_condition(world.api.get("deployments", "web"), type)
    assert found is not None
    return found["status"], found["reason"]


def test_a_new_deployment_becomes_one_replicaset_and_is_available() -> None:
    world = Managed()
    start(world)
    (replicaset,) = world.api.all("replicasets")
    digest = meta.labels(replicaset)["pod-template-hash"]
    assert meta.name(replicaset) == f"web-{digest}"
    assert all(meta.labels(p)["pod-template-hash"] == digest for p in world.api.all("pods"))
    assert condition(world, "Available") == ("True", "MinimumReplicasAvailable")
    assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")
    web = world.api.get("deployments", "web")
    assert meta.annotations(web)["deployment.kubernetes.io/revision"] == "1"
    assert "ScalingReplicaSet" in world.reasons("Deployment")


@pytest.mark.parametrize(
    ("surge", "unavailable"), [("25%", "25%"), (1, 0), (0, 1), ("50%", 0), (0, 0), ("100%", "100%")]
)
@pytest.mark.parametrize("lag", [0.0, 1.0])
def test_a_rolling_update_keeps_within_its_bounds(
    surge: int | str, unavailable: int | str, lag: float
) -> None:
    world = Managed(lag=lag)
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    start(world, 4, strategy={"type": "RollingUpdate", "rollingUpdate": rolling})
    most = 4 + {"25%": 1, 1: 1, 0: 0, "50%": 2, "100%": 4}[surge]
    least = 4 - ({"25%": 1, 1: 1, 0: 0, "100%": 4}[unavailable] or (0 if surge else 1))
    change(world, template=with_image("nginx:2"))
    for _ in range(400):
        world.run(0.25)
        active = [p for p in world.api.all("pods") if "deletionTimestamp" not in p["metadata"]]
        ready = [p for p in active if meta.condition_is(p, "Ready")]
        assert len(active) <= most
        assert len(ready) >= least
    assert rolled_out(world)
    assert sizes(world) == {"1": 0, "2": 4}


def test_recreate_lets_no_old_and_new_pods_meet() -> None:
    world = Managed()
    start(world, 3, strategy={"type": "Recreate"})
    change(world, template=with_image("nginx:2"))
    for _ in range(80):
        world.run(0.25)
        images = {p["spec"]["containers"][0]["image"] for p in world.api.all("pods")}
        assert len(images) <= 1
    assert rolled_out(world)


def test_an_undo_goes_back_to_the_old_replicaset_as_a_new_revision() -> None:
    world = Managed()
    start(world)
    old = world.api.get("deployments", "web")["spec"]["template"]
    change(world, template=with_image("nginx:2"))
    world.run(30)
    assert sizes(world) == {"1": 0, "2": 4}
    change(world, template=old)
    world.run(30)
    assert rolled_out(world)
    assert sizes(world) == {"2": 0, "3": 4}
    history = "deployment.kubernetes.io/revision-history"
    assert any(meta.annotations(rs).get(history) == "1" for rs in world.api.all("replicasets"))


def test_a_paused_deployment_scales_but_does_not_roll() -> None:
    world = Managed()
    start(world)
    change(world, paused=True, template=with_image("nginx:2"))
    world.run(10)
    assert sizes(world) == {"1": 4}
    assert condition(world, "Progressing") == ("Unknown", "DeploymentPaused")
    change(world, replicas=6)
    world.run(10)
    assert sizes(world) == {"1": 6}
    change(world, paused=False)
    world.run(30)
    assert rolled_out(world)
    assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")


def test_a_rollout_that_does_not_move_misses_its_deadline() -> None:
    world = Managed()
    start(world, 4, progressDeadlineSeconds=30)
    world.start_pod = lambda pod, node="": None  # type: ignore[method-assign]
    change(world, template=with_image("broken"))
    world.run(20)
    assert condition(world, "Progressing")[0] == "True"
    world.run(30)
    assert condition(world, "Progressing") == ("False", "ProgressDeadlineExceeded")
    assert condition(world, "Available")[0] == "True", "the old pods still serve"


def test_scaling_in_the_middle_of_a_rollout_is_shared_out() -> None:
    world = Managed()
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    start(world, 10, strategy=rolling)
    world.start_pod = lambda pod, node="": None  # type: ignore[method-assign]
    change(world, template=with_image("broken"))
    world.run(10)
    assert sizes(world) == {"1": 8, "2": 5}
    change(world, replicas=15)  # the example of the Kubernetes documentation
    world.run(10)
    assert sizes(world) == {"1": 11, "2": 7}


def test_old_replicasets_are_kept_as_far_as_the_history_limit() -> None:
    world = Managed()
    start(world, 1, revisionHistoryLimit=2)
    for version in range(2, 7):
        change(world, template=with_image(f"nginx:{version}"))
        world.run(15)
    assert sorted(sizes(world)) == ["4", "5", "6"]


def test_a_manager_that_crashes_in_mid_rollout_finishes_it_later() -> None:
    world = Managed()
    start(world, 6)
    change(world, template=with_image("nginx:2"))
    world.run(0.5)
    world.worker.crash()
    world.run(20)
    world.worker.restart()
    world.run(60)
    assert rolled_out(world)


def test_reconciling_again_changes_nothing() -> None:
    world = Managed()
    web = start(world)
    writes = world.writes()
    world.api.change(world.api.get("deployments", "web"), metadata={"labels": {"look": "again"}})
    world.run(20)
    assert world.writes() == writes
    assert meta.uid(web) == meta.uid(world.api.get("deployments", "web"))

"""Whatever fails on the way, the end is the same: what was asked for."""

from __future__ import annotations

from random import Random

import pytest

from tests.controllers.test_deployment import rolled_out, with_image
from tests.controllers.world import Managed, deployment, service


@pytest.mark.parametrize("seed", range(12))
def test_the_cluster_converges_after_any_mixture_of_changes_and_failures(seed: int) -> None:
    random = Random(seed)
    world = Managed(seed, lag=random.choice([0.0, 0.1, 1.0]), nodes=3)
    world.api.create(deployment("web", 3))
    world.api.create(service("web"))
    for _ in range(15):
        _happen(world, random)
        world.run(random.choice([0.25, 1, 5]))
    for machine in (world.control, world.worker):
        if machine.state == "down":
            machine.restart()
    world.simulation.network.heal()
    world.run(180)

    said = f"with seed {seed}"
    web = world.api.get("deployments", "web")
    assert rolled_out(world), said
    active = [rs for rs in world.api.all("replicasets") if rs["spec"]["replicas"]]
    replicas = web["spec"]["replicas"]
    assert [rs["spec"]["replicas"] for rs in active] == ([replicas] if replicas else []), said
    image = web["spec"]["template"]["spec"]["containers"][0]["image"]
    images = [p["spec"]["containers"][0]["image"] for p in world.api.all("pods")]
    assert images == [image] * replicas, said
    listed = {
        e["targetRef"]["name"] for s in world.api.all("endpointslices") for e in s["endpoints"]
    }
    assert listed == set(world.names("pods")), said

    writes = world.writes()
    world.run(60)
    assert world.writes() == writes, f"at rest nothing is written, {said}"


def _happen(world: Managed, random: Random) -> None:
    web = world.api.get("deployments", "web")
    pods = world.api.all("pods")
    match random.randrange(11):
        case 0:
            world.api.change(web, spec={"replicas": random.randrange(6)})
        case 1:
            world.api.change(web, spec={"template": with_image(f"nginx:{random.randrange(3)}")})
        case 2:
            world.worker.crash()
        case 3:
            world.worker.restart()
        case 4:
            world.api.break_watches()
        case 5:
            world.api.compact()
            world.api.break_watches()
        case 6 if pods:
            world.api.delete(random.choice(pods), {"gracePeriodSeconds": 0})
        case 7:
            world.simulation.network.partition(["worker"], ["control-1"])
        case 8:
            world.simulation.network.heal()
        case 9:
            world.control.crash()
        case 10:
            world.control.restart()

from __future__ import annotations

from kube_edu.api import meta
from tests.kubelet.world import World


def test_the_node_registers_and_is_ready_once_it_has_a_pod_range() -> None:
    world = World(ready=False)
    node = world.get("node-1", "nodes", "")
    ready = meta.find_condition(node, "Ready")
    assert ready is not None
    assert (ready["status"], ready["reason"]) == ("False", "KubeletNotReady")
    assert "cni plugin not initialized" in ready["message"]
    world.ask(world.client.patch("nodes", "node-1", "", {"spec": {"podCIDR": "10.244.1.0/24"}}))
    world.run(1)
    assert meta.condition_is(world.get("node-1", "nodes", ""), "Ready")


def test_pods_wait_for_the_network() -> None:
    world = World(ready=False)
    world.pod()
    world.run(3)
    assert world.container()["state"]["waiting"]["reason"] == "ContainerCreating"
    assert world.events("FailedCreatePodSandBox") != []
    world.ask(world.client.patch("nodes", "node-1", "", {"spec": {"podCIDR": "10.244.1.0/24"}}))
    world.run(15)
    assert meta.condition_is(world.get(), "Ready")


def test_the_lease_is_renewed_every_ten_seconds() -> None:
    world = World()
    before = meta.seconds(world.get("node-1", "leases", "kube-node-lease")["spec"]["renewTime"])
    world.run(30)
    lease = world.get("node-1", "leases", "kube-node-lease")
    assert round(meta.seconds(lease["spec"]["renewTime"]) - before) == 30
    assert lease["spec"]["leaseDurationSeconds"] == 40


def test_the_status_is_written_on_change_or_every_five_minutes() -> None:
    world = World()
    world.run(20)
    before = world.get("node-1", "nodes", "")["metadata"]["resourceVersion"]
    world.run(200)
    assert world.get("node-1", "nodes", "")["metadata"]["resourceVersion"] == before
    world.run(120)
    assert world.get("node-1", "nodes", "")["metadata"]["resourceVersion"] != before


def test_a_verdict_of_the_node_lifecycle_controller_is_put_right() -> None:
    world = World()
    unknown = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}
    patch = {"status": {"conditions": [unknown]}}
    world.ask(
        world.client.patch("nodes", "node-1", "", patch, kind="strategic", subresource="status")
    )
    world.run(1)
    assert meta.condition_is(world.get("node-1", "nodes", ""), "Ready")

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from kube_edu.api import meta
from kube_edu.api.meta import Object
from tests.kubelet.world import World


class Folder:
    """A manifests folder that a test changes."""

    def __init__(self, *manifests: Object) -> None:
        self._now: list[Object] = list(manifests)
        self._changed = asyncio.Event()

    def put(self, *manifests: Object) -> None:
        self._now = list(manifests)
        self._changed.set()

    async def read(self) -> AsyncIterator[Sequence[Object]]:
        while True:
            yield self._now
            await self._changed.wait()
            self._changed.clear()


def manifest(image: str = "nginx:1") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }


def test_a_static_pod_runs_and_shows_itself_by_a_mirror() -> None:
    world = World(manifests=Folder(manifest()).read())
    world.run(15)
    mirror = world.get("web-node-1")
    notes = meta.annotations(mirror)
    assert notes["kubernetes.io/config.source"] == "file"
    assert notes["kubernetes.io/config.mirror"] == notes["kubernetes.io/config.hash"]
    assert meta.owners(mirror)[0]["kind"] == "Node"
    assert mirror["spec"]["nodeName"] == "node-1"
    assert meta.condition_is(mirror, "Ready")


def test_deleting_the_mirror_does_not_stop_the_pod() -> None:
    world = World(manifests=Folder(manifest()).read())
    world.run(15)
    before = world.get("web-node-1")
    world.delete("web-node-1")
    world.run(3)
    after = world.get("web-node-1")
    assert meta.uid(after) != meta.uid(before)
    assert meta.condition_is(after, "Ready")
    assert after["status"]["containerStatuses"] == before["status"]["containerStatuses"]


def test_a_changed_manifest_is_another_pod() -> None:
    folder = Folder(manifest())
    world = World(manifests=folder.read())
    world.run(15)
    folder.put(manifest("nginx:2"))
    world.run(5)
    assert world.container("web-node-1")["image"] == "nginx:2"
    assert len(world.ask(world.runtime.list_pod_sandbox())) == 1


def test_a_removed_manifest_ends_its_pod_and_the_mirror() -> None:
    folder = Folder(manifest())
    world = World(manifests=folder.read())
    world.run(15)
    folder.put()
    world.run(5)
    assert not world.exists("web-node-1")
    assert world.ask(world.runtime.list_pod_sandbox()) == []


def test_a_static_pod_needs_no_api_server() -> None:
    folder = Folder()
    world = World(manifests=folder.read())
    world.simulation.network.partition(["control-1"], ["node-1"])
    folder.put(manifest())
    world.run(5)
    assert "Served by web-node-1<" in world.get_url("/", "10.244.1.2")
    world.simulation.network.heal()
    world.run(60)
    assert meta.condition_is(world.get("web-node-1"), "Ready")

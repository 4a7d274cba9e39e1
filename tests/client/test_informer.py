"""An informer's copy is what the server holds, whatever happens to its watch."""

from __future__ import annotations

from typing import Any

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.selectors import LabelSelector
from kube_edu.client import Informer
from kube_edu.host import Host
from tests.client.fakeapi import World


def configmap(name: str, namespace: str = "default", **labels: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "data": {},
    }


class Watched(World):
    """A world in which one informer watches configmaps."""

    informer: Informer

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.changes: list[str] = []
        self.api.create(configmap("first", color="red"))
        self.worker.start("informer", self._watch)
        self.simulation.run_for(1)

    async def _watch(self, host: Host) -> None:
        self.informer = Informer(self.client(host), host.random, "configmaps")
        self.informer.add_index("color", lambda obj: obj["metadata"]["labels"].values())
        self.informer.on_change(self._note)
        await self.informer.run()

    def _note(self, old: Object | None, new: Object | None) -> None:
        sign = "+" if old is None else "-" if new is None else "~"
        self.changes.append(sign + (new or old or {})["metadata"]["name"])

    def heard(self, seconds: float = 1) -> list[str]:
        """The changes that handlers heard of in the next seconds."""
        self.changes.clear()
        self.simulation.run_for(seconds)
        return list(self.changes)

    def lists(self) -> int:
        return sum(not r.param("watch") for r in self.api.requests)

    def in_step(self) -> bool:
        held = {meta.key(obj): obj for obj in self.api.all("configmaps")}
        return {meta.key(obj): obj for obj in self.informer.list()} == held


def test_it_lists_once_and_then_follows() -> None:
    world = Watched()
    assert world.changes == ["+first"] and world.informer.has_synced
    world.api.create(configmap("second"))
    world.api.change(world.api.get("configmaps", "first"), data={"a": "1"})
    world.api.delete(world.api.get("configmaps", "second"))
    assert world.heard() == ["+second", "~first", "-second"]
    assert world.in_step()
    assert world.lists() == 1


def test_a_broken_watch_resumes_from_the_last_version_seen() -> None:
    world = Watched()
    world.api.break_watches()
    world.api.create(configmap("missed"))
    assert world.heard(5) == ["+missed"]
    assert world.lists() == 1, "nothing was listed again"


def test_after_410_it_lists_again_and_handlers_hear_what_they_missed() -> None:
    world = Watched()
    world.api.create(configmap("doomed"))
    world.heard()
    world.api.break_watches()
    world.api.delete(world.api.get("configmaps", "doomed"))
    world.api.change(world.api.get("configmaps", "first"), data={"a": "1"})
    world.api.create(configmap("new"))
    world.api.compact()
    assert sorted(world.heard(10)) == ["+new", "-doomed", "~first"]
    assert world.in_step()
    assert world.lists() == 2


def test_a_namesake_is_told_as_one_gone_and_another_come() -> None:
    world = Watched()
    world.api.break_watches()
    world.api.delete(world.api.get("configmaps", "first"))
    world.api.create(configmap("first", color="blue"))
    world.api.compact()
    assert world.heard(10) == ["-first", "+first"]
    assert world.in_step()


def test_it_survives_a_server_that_is_gone_for_a_while() -> None:
    world = Watched()
    world.control.crash()
    world.api.create(configmap("meanwhile"))
    world.simulation.run_for(100)
    world.control.restart()
    world.simulation.run_for(70)
    assert world.in_step()


def test_what_is_indexed_follows_the_objects() -> None:
    world = Watched()

    def names(color: str) -> list[str]:
        return [obj["metadata"]["name"] for obj in world.informer.by_index("color", color)]

    assert names("red") == ["first"]
    world.api.change(world.api.get("configmaps", "first"), metadata={"labels": {"color": "blue"}})
    world.heard()
    assert (names("red"), names("blue")) == ([], ["first"])
    world.api.delete(world.api.get("configmaps", "first"))
    world.heard()
    assert names("blue") == []


def test_a_list_can_be_of_one_namespace_and_of_some_labels() -> None:
    world = Watched()
    world.api.create(configmap("other", "shop", color="red"))
    world.heard()
    red = LabelSelector.parse("color=red")
    assert len(world.informer.list(selector=red)) == 2
    assert [o["metadata"]["name"] for o in world.informer.list("shop", red)] == ["other"]
    assert world.informer.list("shop", LabelSelector.parse("color=blue")) == []


def test_a_handler_that_comes_late_hears_of_what_is_there() -> None:
    world = Watched()
    late: list[Object | None] = []
    world.informer.on_change(lambda old, new: late.append(new))
    assert [obj["metadata"]["name"] for obj in late if obj] == ["first"]


def test_a_watch_that_was_quiet_is_renewed_without_listing() -> None:
    world = Watched()
    world.simulation.run_for(2000)
    world.api.create(configmap("second"))
    assert world.heard() == ["+second"]
    assert world.lists() == 1

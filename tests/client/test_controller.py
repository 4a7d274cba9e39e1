"""What a controller does with keys, failures and events."""

from __future__ import annotations

import asyncio

from kube_edu.api import meta
from kube_edu.api.resources import by_plural
from kube_edu.api.status import conflict
from kube_edu.client import Controller, Informers
from kube_edu.host import Host
from tests.client.fakeapi import World
from tests.client.test_informer import configmap


class Copier(Controller):
    """Gives every configmap the label `seen`."""

    name = "copier"
    resource = "configmaps"
    workers = 2

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.configmaps = self.watch("configmaps")
        self.trouble: list[Exception] = []

    async def reconcile(self, key: str) -> None:
        if self.trouble:
            raise self.trouble.pop(0)
        obj = self.configmaps.get(key)
        if obj is None or "seen" in meta.labels(obj):
            return
        patch = {"metadata": {"labels": {"seen": "yes"}}}
        await self.client.patch("configmaps", meta.name(obj), meta.namespace(obj), patch)
        self.events.event(obj, "Normal", "Seen", f"Saw {meta.name(obj)}")


class Copied(World):
    controller: Copier

    def __init__(self) -> None:
        super().__init__()
        self.worker.start("copier", self._run)
        self.simulation.run_for(1)

    async def _run(self, host: Host) -> None:
        client = self.client(host)
        informers = Informers(client, host)
        self.controller = Copier(client, host, informers)
        await asyncio.gather(informers.run(), self.controller.run())

    def results(self) -> list[str]:
        ends = self.simulation.trace.select("reconcile.end", controller="copier")
        assert all(end.fields["object"] == "configmaps/default/a" for end in ends)
        return [end.fields["result"] for end in ends]


def test_it_reconciles_each_change_until_there_is_nothing_to_do() -> None:
    world = Copied()
    world.api.create(configmap("a"))
    world.simulation.run_for(1)
    assert meta.labels(world.api.get("configmaps", "a")) == {"seen": "yes"}
    assert world.results() == ["done", "done"], "the second time because of its own change"
    assert len(world.simulation.trace.select("reconcile.start")) == 2


def test_whatever_goes_wrong_is_tried_again_and_is_on_the_trace() -> None:
    world = Copied()
    pods = by_plural("configmaps")
    world.controller.trouble = [conflict(pods, "a"), ConnectionResetError(), KeyError("slip")]
    world.api.create(configmap("a"))
    world.simulation.run_for(1)
    assert world.results() == ["retry", "retry", "error: KeyError: 'slip'", "done", "done"]
    assert meta.labels(world.api.get("configmaps", "a")) == {"seen": "yes"}


def test_events_that_repeat_are_counted_on_the_first() -> None:
    world = Copied()
    for _ in range(3):
        world.api.create(configmap("a"))
        world.simulation.run_for(60)
        world.api.change(world.api.get("configmaps", "a"), metadata={"labels": {}})
        world.simulation.run_for(60)
        world.api.delete(world.api.get("configmaps", "a"))
    counts = [(e["count"], e["message"]) for e in world.api.all("events")]
    assert counts == [(2, "Saw a")] * 3, "another uid is another object"
    first = world.api.all("events")[0]
    assert first["firstTimestamp"] < first["lastTimestamp"]
    assert first["source"] == {"component": "copier-controller"}
    assert meta.name(first).startswith("a.")


def test_an_event_is_sent_when_the_server_is_there_again() -> None:
    world = Copied()
    world.api.create(configmap("a"))
    world.simulation.run_for(0.01)
    world.control.crash()
    world.simulation.run_for(40)
    world.control.restart()
    world.simulation.run_for(60)
    assert [e["reason"] for e in world.api.all("events")] == ["Seen"]

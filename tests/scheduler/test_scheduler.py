"""The scheduler at work on a FakeApi that knows bindings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from kube_edu.api import meta, status
from kube_edu.api.meta import Object
from kube_edu.api.resources import Resource
from kube_edu.api.status import ApiError
from kube_edu.host import Host, Request
from kube_edu.scheduler import Scheduler
from tests.client.fakeapi import FakeApi, Place, World
from tests.scheduler.objects import node, pod


class BindingApi(FakeApi):
    def _write(self, request: Request, resource: Resource, place: Place, sub: str) -> Object:
        if sub != "binding":
            return super()._write(request, resource, place, sub)
        bound = self.objects.get(place)
        if bound is None:
            raise status.not_found(resource, place[2])
        if bound["spec"].get("nodeName"):
            raise status.conflict(resource, place[2], "already assigned")
        return self.change(bound, spec={"nodeName": request.body["target"]["name"]})


class Cluster(World):
    def __init__(self, *nodes: Object, seed: int = 1, **roles: Any) -> None:
        super().__init__(seed)
        self.api = BindingApi(self.simulation)
        for each in nodes:
            self.api.create(each)
        self._roles = roles
        self.worker.start("scheduler", self._schedule)

    async def _serve(self, host: Host) -> None:
        await host.serve(6443, lambda request: self.api.handle(request), identity="apiserver")
        await asyncio.Event().wait()

    async def _schedule(self, host: Host) -> None:
        self.scheduler = Scheduler(host, self.client(host), **self._roles)
        await self.scheduler.run()

    def run(self, seconds: float = 5.0) -> None:
        self.simulation.run_for(seconds)

    def placed(self) -> dict[str, str]:
        return {meta.name(p): p["spec"].get("nodeName", "") for p in self.api.all("pods")}

    def message(self, name: str) -> str:
        condition = meta.find_condition(self.api.get("pods", name), "PodScheduled")
        assert condition is not None and condition["reason"] == "Unschedulable"
        return str(condition["message"])


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    World.close_all()


def test_a_pod_gets_a_node_and_an_event_says_so() -> None:
    cluster = Cluster(node("a"))
    cluster.api.create(pod("p"))
    cluster.run()
    assert cluster.placed() == {"p": "a"}
    (event,) = cluster.api.all("events")
    assert event["reason"] == "Scheduled"
    assert event["message"] == "Successfully assigned default/p to a"
    kinds = [event.kind for event in cluster.simulation.trace.select("scheduler.")]
    assert kinds == ["scheduler.filter", "scheduler.score", "scheduler.bind"]


def test_like_pods_spread_and_none_is_overcommitted() -> None:
    cluster = Cluster(*(node(name, cpu="1") for name in "abc"))
    for number in range(10):
        cluster.api.create(pod(f"p{number}", cpu="300m"))
    cluster.run()
    nodes = sorted(cluster.placed().values())
    assert nodes == [""] + ["a"] * 3 + ["b"] * 3 + ["c"] * 3


def test_a_pod_that_fits_nowhere_waits_until_it_does() -> None:
    cluster = Cluster(node("a", cpu="1"))
    cluster.api.create(pod("big", cpu="2"))
    cluster.run()
    assert cluster.message("big") == "0/1 nodes are available: 1 Insufficient cpu."
    assert [e["reason"] for e in cluster.api.all("events")] == ["FailedScheduling"]
    cluster.api.create(node("b", cpu="4"))
    cluster.run()
    assert cluster.placed() == {"big": "b"}


def test_without_nodes_a_pod_waits_for_the_first() -> None:
    cluster = Cluster()
    cluster.api.create(pod("p"))
    cluster.run()
    assert cluster.message("p") == "no nodes available to schedule pods"
    cluster.api.create(node("a"))
    cluster.run()
    assert cluster.placed() == {"p": "a"}


def test_a_deleted_pod_makes_room() -> None:
    cluster = Cluster(node("a", cpu="1"))
    cluster.api.create(pod("first", cpu="1"))
    cluster.run()
    cluster.api.create(pod("second", cpu="1"))
    cluster.run()
    assert cluster.placed()["second"] == ""
    cluster.api.delete(cluster.api.get("pods", "first"), {"gracePeriodSeconds": 0})
    cluster.run()
    assert cluster.placed() == {"second": "a"}


def test_heartbeats_of_nodes_cause_no_new_tries() -> None:
    cluster = Cluster(node("a", cpu="1"))
    cluster.api.create(pod("big", cpu="2"))
    cluster.run(20)
    tries = len(cluster.simulation.trace.select("scheduler.filter"))
    for _ in range(5):
        cluster.api.change(cluster.api.get("nodes", "a"), status={"phase": str(cluster.api.now)})
        cluster.run(10)
    assert len(cluster.simulation.trace.select("scheduler.filter")) == tries


def test_other_schedulers_pods_and_gated_ones_are_left_alone() -> None:
    cluster = Cluster(node("a"))
    cluster.api.create(pod("other", schedulerName="mine"))
    cluster.api.create(pod("gated", schedulingGates=[{"name": "wait"}]))
    cluster.run()
    assert cluster.placed() == {"other": "", "gated": ""}


def test_a_refused_binding_is_tried_again() -> None:
    cluster = Cluster(node("a"))
    refusals = [status.internal_error("not now"), status.internal_error("not now")]

    def refuse(request: Request) -> ApiError | None:
        return refusals.pop() if refusals and request.path.endswith("/binding") else None

    cluster.api.refuse = refuse
    cluster.api.create(pod("p"))
    cluster.run(1)
    assert cluster.placed() == {"p": ""}
    cluster.run()
    assert cluster.placed() == {"p": "a"}


def test_a_students_score_decides() -> None:
    cluster = Cluster(*(node(name) for name in "abc"), score=lambda p, n: 100 * (n.name == "b"))
    for number in range(6):
        cluster.api.create(pod(f"p{number}"))
    cluster.run()
    assert set(cluster.placed().values()) == {"b"}


def test_a_students_slip_stops_nothing() -> None:
    def score(wanted: Object, node_info: Any) -> int:
        return 1 // (meta.name(wanted) != "bad")

    cluster = Cluster(node("a"), score=score)
    cluster.api.create(pod("bad"))
    cluster.api.create(pod("good"))
    cluster.run()
    assert cluster.placed() == {"bad": "", "good": "a"}
    messages = [e["message"] for e in cluster.api.all("events") if e["type"] == "Warning"]
    assert messages == ["ZeroDivisionError: integer division or modulo by zero"]


def test_ties_are_broken_by_chance_and_chance_by_the_seed() -> None:
    def placed(seed: int) -> list[str]:
        cluster = Cluster(*(node(name) for name in "abc"), seed=seed, score=lambda p, n: 0)
        for number in range(8):
            cluster.api.create(pod(f"p{number}"))
        cluster.run()
        return list(cluster.placed().values())

    assert placed(1) == placed(1)
    assert len({tuple(placed(seed)) for seed in range(4)}) > 1


def test_a_restarted_scheduler_knows_what_is_taken() -> None:
    cluster = Cluster(node("a", cpu="1"))
    cluster.api.create(pod("first", cpu="600m"))
    cluster.run()
    cluster.worker.revive("scheduler")
    cluster.run()
    cluster.api.create(pod("second", cpu="600m"))
    cluster.run()
    assert cluster.placed() == {"first": "a", "second": ""}

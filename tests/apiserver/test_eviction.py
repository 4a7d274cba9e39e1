"""An eviction asks the pod's disruption budget; what that says is a controller's to find out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from kube_edu.api.meta import Object
from kube_edu.host import Response
from tests.apiserver.fakes import World, pod

NS = "/api/v1/namespaces/default"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


def run(test: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        async with World() as world:
            for name in ("one", "two"):
                await world.ask("POST", f"{NS}/pods", {**pod(name), "metadata": labelled(name)})
                await world.patch(f"{NS}/pods/{name}/status", {"status": READY})
            await world.ask("POST", BUDGETS, budget())
            await test(world)

    asyncio.run(main())


def labelled(name: str) -> Object:
    return {"name": name, "labels": {"app": "web"}}


def budget(name: str = "b") -> Object:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": name}, "spec": spec}  # fmt: skip


async def allow(world: World, disruptions: int, **status: Any) -> None:
    counts = {"currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2}
    seen = {"observedGeneration": 1, "disruptionsAllowed": disruptions, **counts, **status}
    await world.patch(f"{BUDGETS}/b/status", {"status": seen})


async def evict(world: World, name: str, query: str = "") -> Response:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return await world.raw("POST", f"{NS}/pods/{name}/eviction{query}", body)


def why(answer: Response) -> str:
    assert (answer.status, answer.body["reason"]) == (429, "TooManyRequests")
    (cause,) = answer.body["details"]["causes"]
    assert cause["reason"] == "DisruptionBudget"
    return str(cause["message"])


def test_a_budget_that_nobody_has_counted_yet_allows_nothing() -> None:
    async def test(world: World) -> None:
        answer = await evict(world, "one")
        assert why(answer) == "The disruption budget b is still being processed by the server."
        assert answer.headers["retry-after"] == "10"

    run(test)


def test_each_eviction_is_charged_until_there_is_no_more_to_allow() -> None:
    async def test(world: World) -> None:
        await allow(world, 1)
        assert (await evict(world, "one", "?dryRun=All")).status == 201
        answers = await asyncio.gather(evict(world, "one"), evict(world, "two"))
        assert sorted(answer.status for answer in answers) == [201, 429]
        refused = next(answer for answer in answers if answer.status == 429)
        assert "The disruption budget b needs 1 healthy pods" in why(refused)
        status = (await world.ask("GET", f"{BUDGETS}/b"))["status"]
        gone = [
            n for n in ("one", "two") if (await world.raw("GET", f"{NS}/pods/{n}")).status > 299
        ]
        assert status["disruptionsAllowed"] == 0 and list(status["disruptedPods"]) == gone

    run(test)


def test_who_is_not_missed_is_not_charged() -> None:
    """Pods that wait, that ended, and that are not ready while enough others are."""

    async def test(world: World) -> None:
        await allow(world, 0)
        unready = {**READY, "conditions": [{"type": "Ready", "status": "False"}]}
        for status in ({"phase": "Pending"}, {"phase": "Failed"}, unready):
            await world.patch(f"{NS}/pods/one/status", {"status": status})
            assert (await evict(world, "one")).status == 201
            await world.ask("POST", f"{NS}/pods", {**pod("one"), "metadata": labelled("one")})
        await world.patch(f"{NS}/pods/one/status", {"status": unready})
        await allow(world, 0, currentHealthy=0)
        assert "needs 1 healthy pods and has 0 currently" in why(await evict(world, "one"))
        always = {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}}
        await world.patch(f"{BUDGETS}/b", always)
        assert (await evict(world, "one")).status == 201

    run(test)


def test_two_budgets_of_one_pod_are_one_too_many() -> None:
    async def test(world: World) -> None:
        await world.ask("POST", BUDGETS, budget("another"))
        answer = await evict(world, "one")
        assert (
            answer.status == 500 and "more than one PodDisruptionBudget" in answer.body["message"]
        )

    run(test)

"""Priority and fairness: one who asks too much slows himself."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from kube_edu.api.status import ApiError
from kube_edu.apiserver.call import Call, User
from kube_edu.apiserver.fairness import Fairness, Level, level_of
from kube_edu.host import Request, Response


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_flows_take_turns() -> None:
    async def scenario() -> None:
        level = Level(seats=1, queue=10)
        served: list[str] = []

        async def ask(flow: str) -> None:
            await level.enter(flow)
            served.append(flow)
            await asyncio.sleep(0)
            level.leave()

        await asyncio.gather(*(ask(flow) for flow in [*"aaaaa", "b"]))
        assert served.index("b") <= 2 and sorted(served) == [*"aaaaab"]

    run(scenario())


def test_a_full_queue_is_told_to_come_back_and_others_are_not_touched() -> None:
    async def scenario() -> None:
        level = Level(seats=1, queue=2)
        await level.enter("a")
        waiting = [asyncio.create_task(level.enter("a")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as refused:
            await level.enter("a")
        assert refused.value.code == 429
        assert refused.value.status["details"]["retryAfterSeconds"] == 1
        other = asyncio.create_task(level.enter("b"))
        await asyncio.sleep(0)
        for _ in range(3):
            level.leave()
        await asyncio.gather(*waiting, other)

    run(scenario())


def test_who_gives_up_waiting_leaves_the_seat_to_the_next() -> None:
    async def scenario() -> None:
        level = Level(seats=1, queue=5)
        await level.enter("a")
        first, second = (asyncio.create_task(level.enter("a")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        level.leave()
        await second
        level.leave()
        await level.enter("c")

    run(scenario())


def test_who_belongs_to_which_level() -> None:
    def level(name: str, *groups: str) -> str:
        return level_of(Call(Request("GET", "/"), user=User(name, groups)))

    assert level("system:node:n", "system:nodes") == "system"
    assert level("system:kube-scheduler", "system:authenticated") == "workload-high"
    assert level("x", "system:serviceaccounts", "system:authenticated") == "workload-low"
    assert level("alice", "system:authenticated") == "global-default"
    assert level("system:anonymous", "system:unauthenticated") == "catch-all"


def test_a_flood_of_strangers_does_not_hide_that_the_server_is_well() -> None:
    async def scenario() -> None:
        fairness, forever = Fairness(seats=7, queue=1), asyncio.Event()

        async def hang(call: Call) -> Response:
            await forever.wait()
            return Response()

        async def answer(call: Call) -> Response:
            return Response()

        stranger = Call(Request("GET", "/metrics"))
        waiting = [asyncio.create_task(fairness.filter(stranger, hang)) for _ in range(20)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError):
            await fairness.filter(stranger, answer)
        assert (await fairness.filter(Call(Request("GET", "/readyz")), answer)).status == 200
        alice = Call(Request("GET", "/version"), user=User("alice", ("system:authenticated",)))
        assert (await fairness.filter(alice, answer)).status == 200
        forever.set()
        await asyncio.gather(*waiting, return_exceptions=True)

    run(scenario())

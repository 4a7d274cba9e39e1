"""The three promises of a work queue, and its waits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_edu.client import WorkQueue
from kube_edu.sim import Simulation


def play(story: Coroutine[Any, Any, None]) -> None:
    Simulation(1).call(story, timeout=100_000)


def test_a_key_waits_once_however_often_it_is_added() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        for _ in range(3):
            queue.add("a")
        assert len(queue) == 1

    play(story())


def test_a_key_that_is_added_while_in_work_comes_again_after() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        queue.add("a")
        key = await queue.get()
        queue.add("a")
        queue.add("a")
        assert len(queue) == 0, "nobody else may work on it now"
        queue.done(key)
        assert len(queue) == 1

    play(story())


@given(st.lists(st.sampled_from(["add a", "add b", "get", "done"]), max_size=60))
def test_no_addition_is_lost_and_no_key_is_worked_on_twice_at_a_time(steps: list[str]) -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        owed: set[str] = set()
        in_work: list[str] = []
        for step in [*steps, *["get", "done"] * 4]:
            if step.startswith("add"):
                queue.add(step[-1])
                owed.add(step[-1])
            elif step == "get" and len(queue):
                key = await queue.get()
                assert key not in in_work
                in_work.append(key)
                owed.discard(key)
            elif step == "done" and in_work:
                queue.done(in_work.pop())
        assert not owed or in_work

    play(story())


def test_failures_wait_twice_as_long_each_time_up_to_1000_seconds() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        loop = asyncio.get_running_loop()
        waits = []
        for _ in range(20):
            before = loop.time()
            queue.add_rate_limited("a")
            key = await queue.get()
            waits.append(loop.time() - before)
            queue.done(key)
        assert waits == pytest.approx([min(0.005 * 2**n, 1000) for n in range(20)])
        queue.forget("a")
        before = loop.time()
        queue.add_rate_limited("a")
        await queue.get()
        assert loop.time() - before == pytest.approx(0.005)

    play(story())


def test_of_two_wishes_for_later_the_earlier_holds() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        loop = asyncio.get_running_loop()
        for seconds in (5, 2, 9):
            queue.add_after("a", seconds)
        start = loop.time()
        queue.done(await queue.get())
        assert loop.time() - start == pytest.approx(2)
        await asyncio.sleep(20)
        assert len(queue) == 0

    play(story())

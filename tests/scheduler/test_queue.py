from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from kube_edu.scheduler.plugins.queue_and_bind import PrioritySort
from kube_edu.scheduler.queue import SchedulingQueue
from kube_edu.sim.simulation import Simulation
from tests.scheduler.objects import pod


def queue() -> SchedulingQueue:
    events = {"Fit": ("NodeAdd", "AssignedPodDelete"), "Taints": ("NodeTaintChange",)}
    return SchedulingQueue(PrioritySort().sort_key, events)


def play(story: Callable[[SchedulingQueue], Awaitable[None]]) -> None:
    async def whole() -> None:
        await story(queue())

    Simulation(seed=1).call(whole(), timeout=1000)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_higher_priority_first_then_whoever_came_first() -> None:
    async def story(q: SchedulingQueue) -> None:
        q.add(pod("first"))
        q.add(pod("second"))
        q.add(pod("urgent", priority=1000))
        names = [(await q.pop()).pod["metadata"]["name"] for _ in range(3)]
        assert names == ["urgent", "first", "second"]

    play(story)


def test_back_off_doubles_from_one_second_to_ten() -> None:
    async def story(q: SchedulingQueue) -> None:
        q.add(pod("p"))
        entry = await q.pop()
        waits = []
        for _ in range(6):
            before = now()
            q.retry(entry)
            assert q.place("default/p") == "backoff"
            entry = await q.pop()
            waits.append(now() - before)
        assert waits == [1, 2, 4, 8, 10, 10]

    play(story)


def test_an_unschedulable_pod_waits_for_an_event_that_could_help() -> None:
    async def story(q: SchedulingQueue) -> None:
        q.add(pod("p"))
        q.unschedulable(await q.pop(), ("Fit",))
        await asyncio.sleep(20)
        q.cluster_event("NodeTaintChange")
        assert q.place("default/p") == "unschedulable"
        q.cluster_event("NodeAdd")
        assert q.place("default/p") == "active"

    play(story)


def test_an_event_within_the_back_off_waits_for_its_end() -> None:
    async def story(q: SchedulingQueue) -> None:
        q.add(pod("p"))
        q.unschedulable(await q.pop(), ("Fit",))
        before = now()
        await asyncio.sleep(0.4)
        q.cluster_event("NodeAdd")
        assert q.place("default/p") == "backoff"
        await q.pop()
        assert now() - before == 1.0

    play(story)


def test_five_minutes_are_the_longest_wait() -> None:
    async def story(q: SchedulingQueue) -> None:
        q.add(pod("p"))
        q.unschedulable(await q.pop(), ("Fit",))
        before = now()
        await q.pop()
        assert now() - before == 300

    play(story)


def test_a_changed_pod_is_tried_again_an_unchanged_one_is_not() -> None:
    async def story(q: SchedulingQueue) -> None:
        q.add(pod("p"))
        q.unschedulable(await q.pop(), ("Fit",))
        await asyncio.sleep(2)
        q.add({**pod("p"), "status": {"conditions": []}})
        assert q.place("default/p") == "unschedulable"
        q.add(pod("p", tolerations=[{"operator": "Exists"}]))
        assert q.place("default/p") == "active"

    play(story)


def test_a_pod_that_is_gone_is_not_popped() -> None:
    async def story(q: SchedulingQueue) -> None:
        q.add(pod("gone"))
        q.add(pod("here"))
        q.remove("default/gone")
        assert (await q.pop()).pod["metadata"]["name"] == "here"

    play(story)


def test_a_namesake_with_another_uid_starts_anew() -> None:
    async def story(q: SchedulingQueue) -> None:
        q.add(pod("p"))
        old = await q.pop()
        again = pod("p")
        again["metadata"]["uid"] = "another"
        q.add(again)
        q.unschedulable(old, ("Fit",))  # the old one's end has no effect any more
        assert q.place("default/p") == "active"
        assert (await q.pop()).attempts == 1

    play(story)

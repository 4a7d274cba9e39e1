"""The virtual-time loop: time jumps, order is fixed, and an outer loop is left as it was."""

import asyncio
import gc
import os
import signal

import pytest

from kube_edu.sim import Simulation


def test_time_stands_still_while_anything_is_ready_and_then_jumps():
    simulation = Simulation(seed=1)
    times = []

    async def sleeper():
        for seconds in (0.5, 100, 3600):
            await asyncio.sleep(seconds)
            times.append(simulation.now)

    simulation.call(sleeper(), timeout=10_000)
    assert times == [0.5, 100.5, 3700.5]


def test_callbacks_run_first_in_first_out_and_only_timers_of_one_instant_are_shuffled():
    def run(seed):
        simulation = Simulation(seed)
        soon, timers = [], []
        for number in range(10):
            simulation.loop.call_soon(soon.append, number)
            simulation.loop.call_at(1.0, timers.append, number)
        simulation.run_for(2)
        return soon, timers

    orders = [run(seed) for seed in range(5)]
    assert all(soon == list(range(10)) for soon, _ in orders)
    assert all(sorted(timers) == list(range(10)) for _, timers in orders)
    assert len({tuple(timers) for _, timers in orders}) > 1
    assert run(3) == run(3)


def test_a_simulation_runs_inside_a_running_loop_and_leaves_it_as_it_was():
    simulation = Simulation(seed=1)

    async def notebook_cell():
        outer, task = asyncio.get_running_loop(), asyncio.current_task()
        simulation.call(asyncio.sleep(5))
        assert asyncio.get_running_loop() is outer
        assert asyncio.current_task() is task
        await asyncio.sleep(0)
        async with asyncio.timeout(1):
            await asyncio.sleep(0.001)
        return simulation.now

    assert asyncio.run(notebook_cell()) == 5


def test_an_interrupt_waits_for_the_end_of_a_step_and_leaves_both_loops_usable():
    simulation = Simulation(seed=1)
    steps = []

    async def busy():
        while True:
            await asyncio.sleep(1)
            steps.append("begun")
            if len(steps) == 5:
                os.kill(os.getpid(), signal.SIGINT)
            steps.append("ended")

    simulation.loop.create_task(busy())
    with pytest.raises(KeyboardInterrupt):
        simulation.run_for(100)
    assert steps.count("begun") == steps.count("ended")
    before = len(steps)
    simulation.run_for(10)
    assert len(steps) == before + 20


def test_a_task_group_cancels_in_the_order_of_creation_whatever_the_addresses():
    def run():
        simulation, ended = Simulation(seed=1), []

        async def child(number):
            try:
                await asyncio.sleep(10)
            finally:
                ended.append(number)

        async def parent():
            async with asyncio.TaskGroup() as group:
                for number in range(20):
                    group.create_task(child(number))
                await asyncio.sleep(1)
                raise ValueError("enough")

        with pytest.raises(ExceptionGroup):
            simulation.call(parent())
        return ended

    first = run()
    for _ in range(10):
        ballast = [object() for _ in range(1000)]
        assert run() == first
        del ballast
        gc.collect()


def test_run_until_says_how_long_it_waited():
    simulation = Simulation(seed=1)
    with pytest.raises(TimeoutError, match="within 3 virtual seconds"):
        simulation.run_until(lambda: False, timeout=3)
    assert simulation.now == pytest.approx(3)


def test_an_exception_in_a_process_stops_the_run_and_says_where():
    simulation = Simulation(seed=1)

    async def main(host):
        await asyncio.sleep(2)
        raise ValueError("a bug")

    simulation.machine("node-1", "10.0.0.1").start("kubelet", main)
    with pytest.raises(ValueError, match="a bug") as caught:
        simulation.run_for(10)
    assert caught.value.__notes__ == ["in node-1/kubelet at 2.000 virtual seconds"]
    simulation.run_for(1)

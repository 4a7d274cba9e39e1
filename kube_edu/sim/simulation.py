"""One simulated world: a loop, machines, the network between them, and the trace of it all."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeVar

from kube_edu.sim.loop import VirtualLoop
from kube_edu.sim.machine import Machine
from kube_edu.sim.network import Network
from kube_edu.trace import Trace

T = TypeVar("T")

EPOCH = 1767225600.0
"""2026-01-01T00:00:00Z, when every simulation begins."""

LOOK_EVERY = 0.1
"""Virtual seconds between two looks at the condition of `run_until`."""


class Simulation:
    """Everything that happens follows from `seed`: run it twice and the traces are equal."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.epoch = EPOCH
        self.loop = VirtualLoop(self.random("loop"))  # type: ignore[abstract]  # the parts we need
        self.trace = Trace(self.loop.time)
        self.network = Network(self)
        self.machines: dict[str, Machine] = {}

    def random(self, purpose: str) -> Random:
        """An independent random source for one purpose, so that one more draw in one place
        changes nothing elsewhere."""
        return Random(f"{self.seed}/{purpose}")

    def machine(self, name: str, address: str) -> Machine:
        """Add a machine; it is on, and runs nothing yet."""
        machine = Machine(self, name, address)
        self.machines[name] = machine
        self.network.add(machine)
        machine.record("host.start")
        return machine

    @property
    def now(self) -> float:
        """Virtual seconds since the beginning."""
        return self.loop.time()

    def run_for(self, seconds: float) -> None:
        """Let this much virtual time pass."""
        self.loop.run_until_time(self.now + seconds)

    def run_until(self, condition: Callable[[], bool], timeout: float = 60.0) -> None:
        """Let time pass until the condition holds (it is looked at every tenth of a virtual
        second); raises TimeoutError after `timeout` virtual seconds."""
        end = self.now + timeout
        while not condition():
            if self.now >= end:
                raise TimeoutError(
                    f"not reached within {timeout:g} virtual seconds (it is {self.now:.1f} s now)"
                )
            self.loop.run_until_time(min(self.now + LOOK_EVERY, end))

    def step(self) -> bool:
        """Go to the next instant at which anything happens; False when nothing ever will."""
        when = self.loop.next_time()
        if when is None:
            return False
        self.loop.run_until_time(when)
        return True

    def call(self, coroutine: Coroutine[Any, Any, T], timeout: float = 60.0) -> T:
        """Run a coroutine in the simulation, letting time pass until it is done; returns or
        raises what it does."""
        task = self.loop.create_task(coroutine)
        self.loop.run_until_time(self.now + timeout, stop=task.done)
        if not task.done():
            task.cancel()
            self.loop.run_until_time(self.now)
            raise TimeoutError(f"no answer within {timeout:g} virtual seconds")
        return task.result()  # type: ignore[no-any-return]

    def close(self) -> None:
        """End every process and let it unwind. Without this the garbage collector would do it, at
        an hour of its own."""
        for machine in self.machines.values():
            for process in machine.processes.values():
                process.end()
        self.loop.run_until_time(self.now)

"""Simulated machines in a reader's hands: time, failures, and the trace.

Nothing moves unless time does: `run_for`, `run_until` and `step` let it pass.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from kube_edu.sim.machine import Machine
from kube_edu.sim.network import Network
from kube_edu.sim.simulation import Simulation
from kube_edu.trace import Trace

T = TypeVar("T")

PATIENCE = 90.0
"""Virtual seconds in which an answer must come."""


class Stage:
    """What is on it is for subclasses to say. `seed` decides everything that chance decides."""

    def __init__(self, seed: int) -> None:
        self.simulation = Simulation(seed)
        weakref.finalize(self, self.simulation.close)
        self.hosts: dict[str, Machine] = {}
        """The machines by name; `.state` is "up", "down" or "paused"."""

    # --- time

    @property
    def now(self) -> float:
        """Virtual seconds since the machines were switched on."""
        return self.simulation.now

    def run_for(self, seconds: float) -> None:
        self.simulation.run_for(seconds)

    def run_until(self, condition: Callable[[], bool], timeout: float = 60.0) -> None:
        """Let time pass until the condition holds; TimeoutError after `timeout` virtual seconds."""
        self.simulation.run_until(condition, timeout)

    def step(self) -> bool:
        """Go to the next instant at which anything happens."""
        return self.simulation.step()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Let time pass until a coroutine is done; returns what it does."""
        return self.simulation.call(coroutine, timeout=PATIENCE)

    # --- failures

    def crash(self, name: str) -> None:
        """Cut the power of a machine ("node-2"), or kill a process ("control-1/kube-scheduler")."""
        machine, process = self._find(name)
        machine.kill(process) if process else machine.crash()

    def restart(self, name: str) -> None:
        """Start a machine or a process again."""
        machine, process = self._find(name)
        machine.revive(process) if process else machine.restart()

    def pause(self, name: str) -> None:
        """Freeze a machine, as a stalled virtual machine is."""
        self._find(name)[0].pause()

    def resume(self, name: str) -> None:
        self._find(name)[0].resume()

    def partition(self, *groups: list[str]) -> None:
        """Cut the network between groups of machines: `c.partition(["etcd-1"], ["etcd-2", …])`."""
        self.network.partition(*groups)

    def heal(self) -> None:
        """Make every link whole again."""
        self.network.heal()

    # --- what there is, and what happened

    @property
    def network(self) -> Network:
        return self.simulation.network

    @property
    def trace(self) -> Trace:
        return self.simulation.trace

    def _machine(self, name: str, address: str) -> Machine:
        self.hosts[name] = self.simulation.machine(name, address)
        return self.hosts[name]

    def _find(self, name: str) -> tuple[Machine, str]:
        """The machine, and the process or "", that "node-2" or "control-1/kube-scheduler" is."""
        host, _, process = name.partition("/")
        if host not in self.hosts:
            raise ValueError(f"no host is called {host!r}: there are {', '.join(self.hosts)}")
        machine = self.hosts[host]
        if process and process not in machine.processes:
            running = ", ".join(machine.processes)
            raise ValueError(f"no process is called {process!r} on {host}: there are {running}")
        return machine, process

"""Simulated machines and the processes on them: start, crash, pause, restart."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING, Any

from kube_edu.host import Disk, Handler, Host, HttpClient, Server
from kube_edu.host.identity import peer_of
from kube_edu.sim.disk import SimDisk
from kube_edu.sim.loop import OWNER, SimTask

if TYPE_CHECKING:
    from kube_edu.sim.simulation import Simulation

Main = Callable[[Host], Awaitable[None]]
"""What a process runs: `await main(host)`."""


class Machine:
    """One machine: a name, an address, a disk, and processes by name.

    The machine lasts; its processes come and go. `crash` is a power cut: memory is gone, and
    whatever the disk had not synced. `kill` ends one process; what it wrote stays written.
    """

    def __init__(self, simulation: Simulation, name: str, address: str) -> None:
        self.simulation = simulation
        self.name = name
        self.address = address
        self.state = "up"
        """"up", "down" or "paused"."""
        self.disks: dict[str, SimDisk] = {}
        """Each process has a folder of its own."""
        self.processes: dict[str, Process] = {}
        self._mains: dict[str, Main] = {}
        self._boots = 0

    def start(self, process: str, main: Main) -> None:
        """Install a process and run it; it runs again whenever the machine is restarted."""
        self._mains[process] = main
        self._launch(process)

    def crash(self) -> None:
        """Cut the power."""
        if self.state == "down":
            return
        self.record("host.crash")
        self.state = "down"
        for process in self.processes.values():
            process.end()
        self.disks = {name: disk.after_power_cut() for name, disk in self.disks.items()}
        self.simulation.network.machine_changed(self)

    def restart(self) -> None:
        """Switch on again after a crash, or reboot: all installed processes start afresh."""
        self.crash()
        self.state = "up"
        self.record("host.start")
        for name in self._mains:
            self._launch(name)
        self.simulation.network.machine_changed(self)

    def pause(self) -> None:
        """Freeze all processes, as SIGSTOP or a stalled virtual machine does."""
        if self.state == "up":
            self.state = "paused"
            self.record("host.pause")
            for process in self.processes.values():
                process.pause()

    def resume(self) -> None:
        if self.state == "paused":
            self.state = "up"
            self.record("host.resume")
            for process in self.processes.values():
                process.resume()

    def kill(self, process: str) -> None:
        """End one process at once; its peers see their connections reset."""
        self.record("process.kill", process=process)
        self.processes[process].end()
        self.disks[process] = self.disks[process].after_kill()

    def revive(self, process: str) -> None:
        """Start a killed process again (or one that runs: kill it first)."""
        if self.processes[process].alive:
            self.kill(process)
        self.record("process.start", process=process)
        self._launch(process)

    def record(self, kind: str, **fields: Any) -> None:
        self.simulation.trace.record(self.name, kind, fields)

    def _launch(self, name: str) -> None:
        self._boots += 1
        random = self.simulation.random(f"{self.name}/{name}/{self._boots}")
        if name not in self.disks:
            disk_random = self.simulation.random(f"{self.name}/{name}/disk")
            self.disks[name] = SimDisk(disk_random, self._synced)
        self.processes[name] = Process(self, name, self._mains[name], random)

    def _synced(self, path: str, size: int) -> None:
        self.record("disk.sync", path=path, bytes=size)


class Process:
    """One run of a process. Everything it starts inherits its context, so the loop knows whose
    each callback is; once it has ended, nothing of it runs or has any effect."""

    def __init__(self, machine: Machine, name: str, main: Main, random: Random) -> None:
        self.machine = machine
        self.name = name
        self.alive = True
        self.running = True
        self.host = SimHost(self, random, machine.disks[name])
        self.context = contextvars.Context()
        self.context.run(OWNER.set, self)
        self._tasks: list[SimTask] = []
        self._held: list[asyncio.Handle] = []
        self._main_task = machine.simulation.loop.create_task(
            self._run(main), name=f"{machine.name}/{name}", context=self.context
        )

    async def _run(self, main: Main) -> None:
        try:
            await main(self.host)
        except asyncio.CancelledError:
            if self.alive:
                raise
        except Exception as error:
            if self.alive:
                self.fail(error)

    def fail(self, error: BaseException) -> None:
        """An exception that no process should end with: stop the run and show it."""
        simulation = self.machine.simulation
        error.add_note(
            f"in {self.machine.name}/{self.name} at {simulation.now:.3f} virtual seconds"
        )
        simulation.loop.failures.append(error)

    def spawn(self, coroutine: Any) -> SimTask:
        """A task of this process, from outside of it (a request that arrives)."""
        name = f"{self.machine.name}/{self.name}"
        return self.machine.simulation.loop.create_task(coroutine, name=name, context=self.context)

    def end(self) -> None:
        """Memory is gone. Tasks unwind within this instant, but nothing they do counts."""
        if not self.alive:
            return
        self.alive = False
        self.running = False
        self._held.clear()
        self.machine.simulation.network.process_ended(self)
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    def pause(self) -> None:
        self.running = False

    def resume(self) -> None:
        self.running = self.alive
        held, self._held = self._held, []
        for handle in held:
            self.machine.simulation.loop.requeue(handle)

    # --- sim.loop.Owner

    def hold(self, handle: asyncio.Handle) -> bool:
        if self.alive:
            self._held.append(handle)
            return False
        return not isinstance(handle, asyncio.TimerHandle)  # unwind, but wait for nothing

    def adopt(self, task: asyncio.Task[Any]) -> None:
        assert isinstance(task, SimTask)
        if not self.alive:
            task.cancel()
            return
        if len(self._tasks) > 64 and len(self._tasks) & (len(self._tasks) - 1) == 0:
            self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(task)


class SimHost:
    """Implements `kube_edu.host.Host` for one run of a process."""

    def __init__(self, process: Process, random: Random, disk: SimDisk) -> None:
        self._process = process
        self._machine = process.machine
        self._network = process.machine.simulation.network
        self.name = process.machine.name
        self.address = process.machine.address
        self.random = random
        self.disk: Disk = disk

    def now(self) -> float:
        return self._machine.simulation.epoch + self._machine.simulation.now

    def record(self, kind: str, **fields: Any) -> None:
        if self._process.alive:
            self._machine.simulation.trace.record(self.name, kind, fields)

    async def serve(self, port: int, handler: Handler, *, identity: str) -> Server:
        return self._network.listen(self._process, port, handler)

    def connect(self, endpoint: str, *, identity: str) -> HttpClient:
        peer = peer_of(identity, self.name, self.address)
        return self._network.client(self._process, endpoint, peer)

    def bind(self, port: int, receive: Callable[[str, Any], None]) -> None:
        self._network.bind(self._process, port, receive)

    def send(self, endpoint: str, message: Any, *, port: int = 0) -> None:
        if self._process.alive:
            self._network.datagram(self._machine, endpoint, message, port)

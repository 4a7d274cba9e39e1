"""A network in memory: links with latency and faults, datagrams, and HTTP over connections.

Datagrams are lost, doubled and reordered as the link says. A connection is like TCP's: in order
and reliable; a lost packet shows as a delay, a cut link as silence, until the link is whole again
or the ends give up after `GIVE_UP_SECONDS`. A process that has ended resets its connections.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kube_edu.host import Handler, Peer
from kube_edu.sim.connection import KERNEL, Connection, SimClient

if TYPE_CHECKING:
    from kube_edu.sim.machine import Machine, Process
    from kube_edu.sim.simulation import Simulation

LOCAL_SECONDS = 0.00005
"""One way within a machine."""

RETRANSMIT_SECONDS = 0.2
"""TCP's minimum retransmission time-out in Linux."""


@dataclass(frozen=True, slots=True)
class Link:
    """One direction between two machines. Latencies in seconds, the rest probabilities."""

    latency: float = 0.0005
    jitter: float = 0.0005
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    cut: bool = False

    REORDER_SECONDS = 0.02  # by how much, at the most, an overtaken datagram is late


@dataclass(slots=True)
class Listener:
    """A port that a process listens on."""

    network: Network
    process: Process
    port: int
    handler: Handler

    async def close(self) -> None:
        self.network.unlisten(self)


class Network:
    """All machines and the links between them."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self._random = simulation.random("network")
        self._machines: dict[str, Machine] = {}
        self._links: dict[tuple[str, str], Link] = {}
        self._default = Link()
        self._listeners: dict[tuple[str, int], Listener] = {}
        self._receivers: dict[tuple[str, int], tuple[Process, Callable[[str, Any], None]]] = {}
        self._connections: dict[Connection, None] = {}

    # --- links and faults

    def link(self, source: str, target: str) -> Link:
        return self._links.get((source, target), self._default)

    def change(self, source: str = "", target: str = "", **settings: Any) -> None:
        """Change links: `change("etcd-1", "etcd-2", loss=0.3)` one direction, `change("etcd-1",
        ...)` all from a machine, `change(target="etcd-1", ...)` all to it, `change(...)` every
        link there is."""
        if not source and not target:
            self._default = replace(self._default, **settings)
        for a in self.simulation.machines:
            for b in self.simulation.machines:
                if a != b and source in ("", a) and target in ("", b):
                    self._links[a, b] = replace(self.link(a, b), **settings)
        self._reconsider()

    def partition(self, *groups: list[str]) -> None:
        """Cut every link between machines of different groups; a machine that is in no group
        keeps all its links."""
        names = [name for group in groups for name in group]
        for name in names:
            if name not in self.simulation.machines:
                known = ", ".join(self.simulation.machines)
                raise ValueError(f"no machine is called {name!r}: there are {known}")
        group_of = {name: number for number, group in enumerate(groups) for name in group}
        for a in names:
            for b in names:
                if group_of[a] != group_of[b]:
                    self._links[a, b] = replace(self.link(a, b), cut=True)
        fields = {"groups": [list(group) for group in groups]}
        self.simulation.trace.record("network", "net.partition", fields)
        self._reconsider()

    def heal(self) -> None:
        """Make every link whole and sound again."""
        self._links.clear()
        self._default = Link()
        self.simulation.trace.record("network", "net.heal", {})
        self._reconsider()

    def connected(self, a: Machine, b: Machine) -> bool:
        """Whether packets can pass from a to b and back."""
        if a is b:
            return a.state != "down"
        cut = self.link(a.name, b.name).cut or self.link(b.name, a.name).cut
        return not cut and a.state != "down" and b.state != "down"

    def find(self, endpoint: str) -> tuple[Machine | None, int]:
        """The machine and port of "name-or-address:port"."""
        name, _, port = endpoint.rpartition(":")
        return self._machines.get(name), int(port)

    # --- datagrams

    def bind(self, process: Process, port: int, receive: Callable[[str, Any], None]) -> None:
        self._receivers[process.machine.name, port] = (process, receive)

    def datagram(self, source: Machine, endpoint: str, message: Any, port: int) -> None:
        """Send one message that may be lost, doubled or overtaken on the way."""
        target, target_port = self.find(endpoint)
        if target is None:
            return
        link = self.link(source.name, target.name) if target is not source else Link()
        if link.cut or (link.loss and self._random.random() < link.loss):
            self._dropped(source, target, message)
            return
        copies = 2 if link.duplicate and self._random.random() < link.duplicate else 1
        for _ in range(copies):
            delay = self._one_way(source, target, link)
            if link.reorder and self._random.random() < link.reorder:
                delay += self._random.random() * Link.REORDER_SECONDS
            self.simulation.loop.call_later(
                delay, self._arrive, source, target, message, port, target_port, context=KERNEL
            )

    def _arrive(
        self, source: Machine, target: Machine, message: Any, port: int, target_port: int
    ) -> None:
        process, receive = self._receivers.get((target.name, target_port), (None, None))
        if process is None or receive is None or not process.alive:
            self._dropped(source, target, message)
            return
        self.simulation.loop.call_soon(
            receive, f"{source.name}:{port}", message, context=process.context
        )

    def _dropped(self, source: Machine, target: Machine, message: Any) -> None:
        fields = {"source": source.name, "target": target.name, "message": type(message).__name__}
        self.simulation.trace.record("network", "net.drop", fields)

    # --- HTTP

    def listen(self, process: Process, port: int, handler: Handler) -> Listener:
        key = (process.machine.name, port)
        if key in self._listeners and self._listeners[key].process.alive:
            raise OSError(98, f"{process.machine.name}: port {port} is already in use")
        self._listeners[key] = Listener(self, process, port, handler)
        return self._listeners[key]

    def unlisten(self, listener: Listener) -> None:
        key = (listener.process.machine.name, listener.port)
        if self._listeners.get(key) is listener:
            del self._listeners[key]
        for connection in [c for c in self._connections if c.listener is listener]:
            connection.reset()

    def listener(self, machine: Machine, port: int) -> Listener | None:
        found = self._listeners.get((machine.name, port))
        return found if found is not None and found.process.alive else None

    def client(self, process: Process, endpoint: str, peer: Peer) -> SimClient:
        return SimClient(self, process, endpoint, peer)

    def opened(self, connection: Connection) -> None:
        self._connections[connection] = None

    def closed(self, connection: Connection) -> None:
        self._connections.pop(connection, None)

    def stream_delay(self, source: Machine, target: Machine) -> float:
        """One way over a connection: every loss costs a retransmission."""
        link = self.link(source.name, target.name) if target is not source else Link()
        delay = self._one_way(source, target, link)
        wait = RETRANSMIT_SECONDS
        while link.loss and self._random.random() < link.loss and wait < 10:
            delay += wait
            wait *= 2
        return delay

    def _one_way(self, source: Machine, target: Machine, link: Link) -> float:
        if source is target:
            return LOCAL_SECONDS
        return link.latency + self._random.random() * link.jitter

    # --- what changes around it

    def add(self, machine: Machine) -> None:
        self._machines[machine.name] = machine
        self._machines[machine.address] = machine

    def process_ended(self, process: Process) -> None:
        """Its ports are free, and its connections end: at once where the machine lives on (its
        kernel says so), and in silence where power was cut."""
        for connection in list(self._connections):
            if process in (connection.client, connection.server):
                connection.end_died(process)

    def machine_changed(self, machine: Machine) -> None:
        self._reconsider()

    def _reconsider(self) -> None:
        for connection in list(self._connections):
            connection.path_changed()

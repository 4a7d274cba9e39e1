"""The simulated data path: packets from pod to pod, through rule tables, from node to node.

Each node has a `NodeNetwork`: its kernel. A packet walks the node's rules, goes to the node that
the route for its destination names, walks the rules there, and so on to the pod; what comes back
finds its way by connection tracking. Between nodes a packet travels as a datagram of the simulated
network, as in flannel's VXLAN, so latency, loss and partitions are those of the link. Each step is
a `packet.hop` on the trace.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from random import Random
from typing import Any

from kube_edu.host import Host
from kube_edu.kubelet.cni import Serve
from kube_edu.kubelet.cni.hostlocal import HostLocal
from kube_edu.proxy.netfilter import Netfilter, Packet
from kube_edu.sim.simulation import Simulation

VXLAN_PORT = 8472
"""Linux's default UDP port for VXLAN, and flannel's."""

EPHEMERAL_PORTS = range(32768, 61000)
"""net.ipv4.ip_local_port_range."""

UDP_SECONDS = 5.0
"""How long one waits for the answer to a datagram (resolv.conf(5), timeout)."""

TCP_FIRST_SECONDS, TCP_LAST_SECONDS = 1.0, 64.0
"""TCP sends again after 1, 2, 4, ... 64 s, then gives up (tcp(7), tcp_syn_retries)."""

TCP_KEEPALIVE_SECONDS = 75.0
"""How often it asks a peer that is slow to answer whether it is still there."""

ANSWERS_KEPT = 1024

MAX_HOPS = 8
"""How many nodes a packet may pass before it is dropped (its time to live)."""


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """A packet with its payload. All frames of one exchange, there and back, have its number."""

    number: int
    kind: str
    """"request" and "keepalive" there; "answer", "working" (it has come, wait) and "refused"
    back."""
    packet: Packet
    payload: Any = None
    hops: int = 0

    def __repr__(self) -> str:
        return f"#{self.number} {self.kind} {self.packet}"


class DataPlane:
    """The networks of all nodes, and the routes between them."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.packets = 0
        """How many exchanges there were; also the number of the last."""
        self.routes: dict[IPv4Network, NodeNetwork] = {}
        self._nodes: dict[str, NodeNetwork] = {}

    def node(self, name: str) -> NodeNetwork:
        """The network of a machine. Start its `run` on the machine, as process "kernel"."""
        if name not in self._nodes:
            address = self.simulation.machines[name].address
            self._nodes[name] = NodeNetwork(self, name, address)
            self.routes[IPv4Network(address)] = self._nodes[name]
        return self._nodes[name]

    def route(self, address: str) -> NodeNetwork | None:
        """The node that an address belongs to: its own, or one in its range of pod addresses."""
        wanted = IPv4Address(address)
        return next((node for cidr, node in self.routes.items() if wanted in cidr), None)


class NodeNetwork:
    """One node's kernel, as far as packets are concerned: a kubelet.cni.PodNetwork for its
    runtime, a proxy.iptables.RuleLoader for its kube-proxy."""

    def __init__(self, plane: DataPlane, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.plane = plane
        self._host: Host | None = None
        self._exchanges: dict[int, asyncio.Queue[Frame]] = {}
        self._boot(Random(0))

    async def run(self, host: Host) -> None:
        """The process "kernel": each boot begins with no rules, no pods and no connections."""
        self._boot(host.random)
        self._host = host
        host.bind(VXLAN_PORT, lambda source, frame: self._enter(frame))
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._serve(await self._requests.get()))

    def _boot(self, random: Random) -> None:
        now = self.plane.simulation.loop.time
        self._netfilter = Netfilter(random, local=[self.address], now=now)
        self._addresses = HostLocal()
        self._servers: dict[tuple[str, int, str], Serve] = {}
        self._requests: asyncio.Queue[Frame] = asyncio.Queue()
        self._answers: dict[int, Frame] = {}  # to TCP requests, should they come again

    # --- the rules, as kube-proxy loads them

    async def restore(self, text: str) -> None:
        self._netfilter.restore(text)

    def save(self) -> str:
        return self._netfilter.save()

    # --- addresses and servers, as the runtime asks for them

    def set_pod_cidr(self, cidr: str) -> None:
        self._addresses.set_pod_cidr(cidr)
        self.plane.routes[IPv4Network(cidr)] = self

    def attach(self, pod: str) -> str:
        return self._addresses.attach(pod)

    def detach(self, address: str) -> None:
        self._addresses.detach(address)
        self._servers = {key: s for key, s in self._servers.items() if key[0] != address}

    def listen(self, address: str, port: int, protocol: str, serve: Serve) -> None:
        if (address, port, protocol) in self._servers:
            raise OSError(98, f"{address}:{port}: address already in use")
        self._servers[address, port, protocol] = serve

    def unlisten(self, address: str, port: int, protocol: str) -> None:
        self._servers.pop((address, port, protocol), None)

    # --- the client's end of an exchange

    async def exchange(
        self, source: str, address: str, port: int, protocol: str, payload: Any
    ) -> Any:
        """Send a payload and return the answer. TCP sends again what stays without one, and it
        is served once; UDP sends once. A pod's loopback addresses are its own."""
        self.plane.packets += 1
        number = self.plane.packets
        source_port = EPHEMERAL_PORTS[number % len(EPHEMERAL_PORTS)]
        address = source if address.startswith("127.") else address
        packet = Packet(protocol, source, source_port, address, port)
        self._exchanges[number] = asyncio.Queue()
        try:
            if protocol == "TCP":
                came = await self._tcp(Frame(number, "request", packet, payload))
            else:
                came = await self._once(Frame(number, "request", packet, payload), UDP_SECONDS)
        finally:
            self._exchanges.pop(number, None)
        if came is None:
            raise TimeoutError(f"{address}:{port}: connection timed out")
        if came.kind == "refused":
            raise ConnectionRefusedError(f"{address}:{port}: {came.payload}")
        return came.payload

    async def _tcp(self, frame: Frame) -> Frame | None:
        wait = TCP_FIRST_SECONDS
        while wait <= TCP_LAST_SECONDS:
            came = await self._once(frame, wait)
            if came is None:
                wait *= 2
            elif came.kind != "working":
                return came
            else:
                frame, wait = replace(frame, kind="keepalive"), TCP_FIRST_SECONDS
                came = await self._next(frame.number, TCP_KEEPALIVE_SECONDS)
                if came is not None:
                    return came
        return None

    async def _once(self, frame: Frame, wait: float) -> Frame | None:
        """Send, and return what comes back within `wait` seconds."""
        self._hop(frame, "send", str(frame.packet))
        self._enter(frame)
        return await self._next(frame.number, wait)

    async def _next(self, number: int, wait: float) -> Frame | None:
        try:
            async with asyncio.timeout(wait):
                return await self._exchanges[number].get()
        except TimeoutError:
            return None

    # --- the way of a packet

    def _enter(self, frame: Frame) -> None:
        """A packet comes into this kernel, from a process here or from another node: it walks the
        rules, and goes where they and the routes say."""
        walk = self._netfilter.walk(frame.packet)
        if walk.tracked and walk.packet != frame.packet:
            self._hop(frame, "conntrack", f"{frame.packet}, now {walk.packet}")
        for hop in walk.hops if not walk.tracked else ():
            if hop.matched and hop.rule.target:
                step = f"{hop.table} {hop.chain} → {hop.rule.target}"
                self._hop(frame, step, hop.outcome or hop.rule.comment)
        if walk.verdict == "REJECT":
            self._forward(_reply(frame, "refused", "Connection refused"))
        elif walk.verdict == "ACCEPT":
            self._forward(replace(frame, packet=walk.packet))

    def _forward(self, frame: Frame) -> None:
        target = self.plane.route(frame.packet.destination)
        if target is self:
            self._deliver(frame)
        elif target is None or self._host is None or frame.hops >= MAX_HOPS:
            self._hop(frame, "lost", f"no route to {frame.packet.destination}")
        else:
            self._hop(frame, f"{self.name} → {target.name}", str(frame.packet))
            frame = replace(frame, hops=frame.hops + 1)
            self._host.send(f"{target.name}:{VXLAN_PORT}", frame, port=VXLAN_PORT)

    def _deliver(self, frame: Frame) -> None:
        if frame.kind in ("request", "keepalive"):
            self._requests.put_nowait(frame)
        elif frame.number in self._exchanges:  # else the client has given up
            self._hop(frame, frame.kind, str(frame.packet))
            self._exchanges[frame.number].put_nowait(frame)

    # --- the server's end of an exchange

    async def _serve(self, frame: Frame) -> None:
        packet, tcp = frame.packet, frame.packet.protocol == "TCP"
        if tcp and frame.number in self._answers:
            self._enter(self._answers[frame.number])
            return
        server = self._servers.get((packet.destination, packet.port, packet.protocol))
        pod = self._addresses.pods.get(packet.destination, "")
        self._hop(frame, "deliver", f"{packet.destination}:{packet.port} {pod}".strip())
        if server is None or frame.kind == "keepalive":
            here = pod or packet.destination == self.address
            reply = _reply(frame, "refused", "Connection refused" if here else "No route to host")
        else:
            if tcp:
                self._answers[frame.number] = _reply(frame, "working")
            try:
                reply = _reply(frame, "answer", await server(packet.source, frame.payload))
            except OSError as error:
                reply = _reply(frame, "refused", str(error) or "Connection reset by peer")
        if tcp:
            self._answers[frame.number] = reply
            if len(self._answers) > ANSWERS_KEPT:
                del self._answers[next(iter(self._answers))]
        self._enter(reply)

    def _hop(self, frame: Frame, step: str, detail: str) -> None:
        if self._host is not None:
            self._host.record("packet.hop", packet=frame.number, step=step, detail=detail)


def _reply(frame: Frame, kind: str, payload: Any = None) -> Frame:
    return Frame(frame.number, kind, frame.packet.reversed(), payload)

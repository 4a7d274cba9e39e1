"""The services of a live cluster, on the machine's own sockets.

All nodes are one machine here, with one set of addresses, so one kube-proxy does for all: it
passes TCP connections on with the userspace proxy, and datagrams, which upstream's userspace mode
did too, by itself. A port that cannot be bound (it needs root) gets a stand-in in the dial map, and
`say` is told once.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kube_edu.kubelet.cni.loopback import DialMap
from kube_edu.live.addresses import LOCALHOST
from kube_edu.live.network import ask, bound_socket, serve_datagrams
from kube_edu.proxy.model import Endpoint, ServicePort
from kube_edu.proxy.userspace import Address, Handler, Listening, Proxier

UDP_SECONDS = 5.0


class LiveProxier:
    """Implements `kube_edu.proxy.Proxier`. Node ports answer on 127.0.0.1 and on the address of
    every node."""

    mode = "userspace"

    def __init__(self, nodes: Sequence[str], dial_map: DialMap, say: Callable[[str], None]) -> None:
        self._nodes = nodes
        self._dial_map = dial_map
        self._say = say
        self._told: dict[Address, None] = {}
        self._datagrams: dict[Address, _Relay] = {}
        self._tcp = Proxier(
            LOCALHOST,
            start_server=self._start_server,
            connect=self._connect,
            on_unbound=self._unbound,
        )

    async def sync(self, services: Sequence[ServicePort]) -> int:
        opened = await self._tcp.sync(services) + self._sync_datagrams(services)
        self._tell_of_stand_ins(services)
        return opened

    async def _connect(self, host: str, port: int) -> tuple[StreamReader, StreamWriter]:
        return await asyncio.open_connection(*self._dial_map.dial(host, port))

    async def _start_server(self, handler: Handler, host: str, port: int) -> Listening:
        """On a service's address; on each of the machine's for a node port. One of those may be
        in use (127.0.0.1, by another cluster): then the others do."""
        servers: list[Listening] = []
        refusal = OSError()
        for address in (LOCALHOST, *self._nodes) if host == LOCALHOST else (host,):
            try:
                real = self._dial_map.claim(address, port)
                servers.append(await asyncio.start_server(handler, *real))
            except OSError as error:
                refusal = error
        if not servers:
            raise refusal
        return _Opened(servers, self._dial_map, (host, port))

    def _unbound(self, service: ServicePort, address: Address, error: OSError) -> None:
        self._say(f"{_name(service)} does not answer at {_join(address)}: {error.strerror}")

    def _tell_of_stand_ins(self, services: Sequence[ServicePort]) -> None:
        for service in services:
            address = (service.cluster_ip, service.port)
            real = self._dial_map.dial(*address)
            if real != address and address not in self._told:
                self._told[address] = None
                instead = f"use {_join(real)}"
                if service.node_port:
                    instead += f", or its NodePort, {LOCALHOST}:{service.node_port}"
                self._say(f"{_name(service)}: {_join(address)} cannot be bound here: {instead}")

    def _sync_datagrams(self, services: Sequence[ServicePort]) -> int:
        wanted = {(s.cluster_ip, s.port): s for s in services if s.protocol == "UDP"}
        for address in [address for address in self._datagrams if address not in wanted]:
            self._datagrams.pop(address).close()
        for address, service in wanted.items():
            if address not in self._datagrams:
                try:
                    self._datagrams[address] = _Relay(self._dial_map, address)
                except OSError as error:
                    self._unbound(service, address, error)
                    continue
            self._datagrams[address].endpoints = service.cluster_endpoints
        return len(self._datagrams)


@dataclass(frozen=True, slots=True)
class _Opened:
    """Servers that belong together, and the claim to their address."""

    servers: Sequence[Listening]
    dial_map: DialMap
    address: Address

    def close(self) -> None:
        for server in self.servers:
            server.close()
        self.dial_map.release(*self.address)


class _Relay:
    """Passes datagrams on to endpoints in turn, and the first answer to each back."""

    def __init__(self, dial_map: DialMap, address: Address) -> None:
        self.endpoints: tuple[Endpoint, ...] = ()
        self._turn = 0
        self._dial_map = dial_map
        kind = socket.SOCK_DGRAM
        sock = bound_socket(kind, dial_map.claim(*address, kind))
        self._task = asyncio.create_task(serve_datagrams(sock, self._pass_on))

    def close(self) -> None:
        self._task.cancel()

    async def _pass_on(self, source: str, payload: bytes) -> bytes:
        """An empty answer is none: UDP says nothing about what is lost."""
        if not self.endpoints:
            return b""
        self._turn += 1
        endpoint = self.endpoints[self._turn % len(self.endpoints)]
        real = self._dial_map.dial(endpoint.address, endpoint.port)
        try:
            async with asyncio.timeout(UDP_SECONDS):
                return await ask(real, payload)
        except OSError:
            return b""


def _name(service: ServicePort) -> str:
    return f"service {service.namespace}/{service.service}"


def _join(address: Address) -> str:
    return f"{address[0]}:{address[1]}"

"""kube-proxy in mode userspace: a socket on each service's address that passes connections on.

Slower than the kernel, but it needs no right to change the kernel's rules, so it serves a cluster
that runs without root. Upstream began with this mode and took it out in 1.26
(pkg/proxy/userspace, proxier.go and roundrobin.go there). TCP only.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from kube_edu.proxy.model import Endpoint, ServicePort

Handler = Callable[[StreamReader, StreamWriter], Awaitable[None]]

Address = tuple[str, int]

CONNECT_SECONDS = (0.25, 0.5, 1.0, 2.0)
"""How long each endpoint tried has to accept (upstream's EndpointDialTimeouts)."""

CHUNK = 65536


class Listening(Protocol):
    """An open server, as asyncio.start_server returns it."""

    def close(self) -> None: ...


StartServer = Callable[[Handler, str, int], Awaitable[Listening]]
Connect = Callable[[str, int], Awaitable[tuple[StreamReader, StreamWriter]]]
"""Opens a connection to an endpoint, wherever that can really be reached."""


class Proxier:
    """Keeps one listener for each cluster IP and node port.

    `start_server` and `connect` are asyncio's own, or a test's. A port that cannot be
    bound is told to `on_unbound` once, and tried again at each sync.
    """

    mode = "userspace"

    def __init__(
        self,
        node_address: str,
        *,
        start_server: StartServer,
        connect: Connect,
        on_unbound: Callable[[ServicePort, Address, OSError], None],
    ) -> None:
        self._node_address = node_address
        self._start_server = start_server
        self._open_connection = connect
        self._on_unbound = on_unbound
        self._listeners: dict[Address, tuple[_Balancer, Listening]] = {}
        self._unbound: dict[Address, None] = {}

    async def sync(self, services: Sequence[ServicePort]) -> int:
        """Open what is missing, close what is not wanted, and tell the rest of its endpoints.
        Connections that flow are left alone."""
        wanted: dict[Address, tuple[ServicePort, Sequence[Endpoint]]] = {}
        for service in services:
            if service.protocol == "TCP":
                cluster_address = (service.cluster_ip, service.port)
                wanted[cluster_address] = (service, service.internal_endpoints)
                if service.node_port:
                    node_address = (self._node_address, service.node_port)
                    wanted[node_address] = (service, service.external_endpoints)
        for address in [address for address in self._listeners if address not in wanted]:
            self._listeners.pop(address)[1].close()
        for address, (service, endpoints) in wanted.items():
            if address not in self._listeners:
                await self._listen(address, service)
            if address in self._listeners:
                self._listeners[address][0].update(endpoints, service.affinity_seconds)
        return len(self._listeners)

    async def _listen(self, address: Address, service: ServicePort) -> None:
        balancer = _Balancer()

        async def accept(reader: StreamReader, writer: StreamWriter) -> None:
            await self._pass_on(balancer, reader, writer)

        try:
            self._listeners[address] = (balancer, await self._start_server(accept, *address))
            self._unbound.pop(address, None)
        except OSError as error:
            if address not in self._unbound:
                self._unbound[address] = None
                self._on_unbound(service, address, error)

    async def _pass_on(
        self, balancer: _Balancer, reader: StreamReader, writer: StreamWriter
    ) -> None:
        """Serve one client's connection: find an endpoint that accepts, then copy both ways."""
        client = writer.get_extra_info("peername") or ("",)
        backend = await self._connect(balancer, client[0])
        if backend is None:
            writer.transport.abort()  # the nearest thing to a refusal that is left
            return
        backend_reader, backend_writer = backend
        try:
            await asyncio.gather(_copy(reader, backend_writer), _copy(backend_reader, writer))
        finally:
            writer.close()
            backend_writer.close()

    async def _connect(
        self, balancer: _Balancer, client: str
    ) -> tuple[StreamReader, StreamWriter] | None:
        for seconds in CONNECT_SECONDS:
            endpoint = balancer.next(client)
            if endpoint is None:
                return None
            try:
                async with asyncio.timeout(seconds):
                    return await self._open_connection(endpoint.address, endpoint.port)
            except OSError:
                balancer.forget(client)  # it stuck to an endpoint that is not there
        return None


class _Balancer:
    """Which endpoint is next: round robin, or the client's own where sessions are to stick."""

    def __init__(self) -> None:
        self._endpoints: Sequence[Endpoint] = ()
        self._affinity_seconds = 0
        self._turn = 0
        self._stuck: dict[str, tuple[Endpoint | None, float]] = {}

    def update(self, endpoints: Sequence[Endpoint], affinity_seconds: int) -> None:
        self._endpoints = endpoints
        self._affinity_seconds = affinity_seconds

    def next(self, client: str) -> Endpoint | None:
        if not self._endpoints:
            return None
        now = asyncio.get_running_loop().time()
        if self._affinity_seconds:
            stuck, last = self._stuck.get(client, (None, 0.0))
            if stuck in self._endpoints and now - last <= self._affinity_seconds:
                self._stuck[client] = (stuck, now)
                return stuck
        self._turn += 1
        endpoint = self._endpoints[self._turn % len(self._endpoints)]
        if self._affinity_seconds:
            self._stuck[client] = (endpoint, now)
        return endpoint

    def forget(self, client: str) -> None:
        self._stuck.pop(client, None)


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    """Pass on all that comes, and its end: the other direction may go on (a half-closed
    connection)."""
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()

"""Hosts whose sockets, files and certificates are real."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

from kube_edu.host import Disk, Handler, HttpClient, Peer, Request, Response, Server
from kube_edu.host.identity import peer_of
from kube_edu.kubelet.cni.loopback import DialMap
from kube_edu.live.disk import LiveDisk
from kube_edu.live.pki import Pki
from kube_edu.wire.http import HttpConnection, HttpServer

ETCD_PORTS = (2379, 2380)
"""Served within the process: the members of the store are one program here."""


class Rack:
    """The hosts of one live cluster, and what they share: certificates, the dial map, the links
    between members of the store."""

    def __init__(self, folder: Path, pki: Pki, dial_map: DialMap) -> None:
        self.folder = folder
        self.pki = pki
        self.dial_map = dial_map
        self.handlers: dict[str, Handler] = {}
        self.receivers: dict[str, Callable[[str, Any], None]] = {}
        self.open: list[Server | HttpClient] = []
        self._addresses: dict[str, str] = {}

    def host(self, name: str, address: str, aliases: tuple[str, ...] = ()) -> LiveHost:
        """A host; `aliases` are the other names and addresses that its certificates hold for."""
        self._addresses[name] = address
        return LiveHost(self, name, address, aliases)

    async def close(self) -> None:
        """Break all connections, and stop listening."""
        for end in self.open:
            await end.close()

    def locate(self, host: str, port: int) -> tuple[str, int]:
        return self.dial_map.dial(self._addresses.get(host, host), port)


class LiveHost:
    """Implements `kube_edu.host.Host`."""

    def __init__(self, rack: Rack, name: str, address: str, aliases: tuple[str, ...]) -> None:
        self.name = name
        self.address = address
        self.random: Random = SystemRandom()
        self.disk: Disk = LiveDisk(rack.folder / name)
        self._rack = rack
        self._aliases = aliases

    def now(self) -> float:
        return time.time()

    def record(self, kind: str, **fields: Any) -> None:
        """A live cluster keeps no trace: it may run for weeks, and a trace only grows."""

    async def serve(self, port: int, handler: Handler, *, identity: str) -> Server:
        if port in ETCD_PORTS:
            self._rack.handlers[f"{self.name}:{port}"] = handler
            return MemoryServer(self._rack, f"{self.name}:{port}")
        names = (self.name, *self._aliases, self.address)
        tls = self._rack.pki.server(identity, self.name, names)
        server = HttpServer(handler)
        await server.listen(*self._rack.dial_map.claim(self.address, port), tls)
        self._rack.open.append(server)
        return server

    def connect(self, endpoint: str, *, identity: str) -> HttpClient:
        if int(endpoint.rpartition(":")[2]) in ETCD_PORTS:
            peer = peer_of(identity, self.name, self.address)
            return MemoryConnection(self._rack, endpoint, peer)
        tls = self._rack.pki.client(identity, self.name)
        client = HttpConnection(endpoint, tls, self._rack.locate)
        self._rack.open.append(client)
        return client

    def bind(self, port: int, receive: Callable[[str, Any], None]) -> None:
        self._rack.receivers[f"{self.name}:{port}"] = receive

    def send(self, endpoint: str, message: Any, *, port: int = 0) -> None:
        receive = self._rack.receivers.get(endpoint)
        if receive is not None:
            asyncio.get_running_loop().call_soon(receive, f"{self.name}:{port}", message)


@dataclass(frozen=True, slots=True)
class MemoryServer:
    """Serves members of the store to clients in the same process."""

    rack: Rack
    endpoint: str

    async def close(self) -> None:
        self.rack.handlers.pop(self.endpoint, None)


@dataclass(frozen=True, slots=True)
class MemoryConnection:
    """A client of a MemoryServer."""

    rack: Rack
    endpoint: str
    peer: Peer

    async def request(self, request: Request) -> Response:
        handler = self.rack.handlers.get(self.endpoint)
        if handler is None:
            raise ConnectionRefusedError(f"{self.endpoint} refused to connect")
        return await handler(replace(request, peer=self.peer))

    async def close(self) -> None:
        """Nothing is kept open between requests."""

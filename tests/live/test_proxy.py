"""Services on the machine's own sockets."""

from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path

import pytest

from kube_edu.kubelet.cni import loopback
from kube_edu.kubelet.cni.loopback import DialMap
from kube_edu.live.network import LiveNetwork, ask
from kube_edu.live.proxy import LiveProxier
from kube_edu.proxy.model import Endpoint, ServicePort

NODES = ("127.251.10.1", "127.251.10.2")
SERVICE = "127.251.11.1"


def service(protocol: str, port: int, *endpoints: Endpoint, node_port: int = 0) -> ServicePort:
    return ServicePort(
        "default", "web", "", protocol, SERVICE, port, node_port, cluster_endpoints=endpoints
    )


async def upper(source: str, payload: bytes) -> bytes:
    return payload.upper()


def test_a_service_answers_at_its_address_and_on_every_node(tmp_path: Path) -> None:
    async def story() -> None:
        said: list[str] = []
        dial_map = DialMap(tmp_path / "dial")
        backend = LiveNetwork(dial_map)
        backend.listen("127.251.12.1", 53, "TCP", upper)
        endpoint = Endpoint("127.251.12.1", 53)
        proxier = LiveProxier(NODES, dial_map, said.append)
        taken = socket.create_server(("127.0.0.1", 0))
        node_port = taken.getsockname()[1]
        await proxier.sync([service("TCP", 18090, endpoint, node_port=node_port)])
        for at in ((SERVICE, 18090), *((node, node_port) for node in NODES)):
            reader, writer = await asyncio.open_connection(*at)
            writer.write(b"\0\3abc")
            assert await reader.readexactly(5) == b"\0\3ABC"
            writer.close()
        await proxier.sync([])
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(SERVICE, 18090)
        taken.close()
        backend.detach("127.251.12.1")
        assert said == []

    asyncio.run(story())


def test_datagrams_go_to_endpoints_in_turn_and_come_back(tmp_path: Path) -> None:
    async def story() -> None:
        async def reversed_(source: str, payload: bytes) -> bytes:
            return payload[::-1]

        dial_map = DialMap(tmp_path / "dial")
        backend = LiveNetwork(dial_map)
        backend.listen("127.251.12.1", 18091, "UDP", upper)
        backend.listen("127.251.12.2", 18091, "UDP", reversed_)
        endpoints = [Endpoint(f"127.251.12.{n}", 18091) for n in (1, 2)]
        proxier = LiveProxier(NODES, dial_map, print)
        await proxier.sync([service("UDP", 18092, *endpoints)])
        answers = [await ask((SERVICE, 18092), b"ab") for _ in range(4)]
        assert sorted(answers) == [b"AB", b"AB", b"ba", b"ba"]
        await proxier.sync([])
        for endpoint in endpoints:
            backend.detach(endpoint.address)

    asyncio.run(story())


def test_a_port_that_needs_root_gets_a_stand_in_and_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bindable = loopback._bindable

    def without_root(kind: socket.SocketKind, address: str, port: int) -> tuple[str, int]:
        if 0 < port < 1024:
            raise PermissionError(errno.EACCES, "Permission denied")
        return bindable(kind, address, port)

    monkeypatch.setattr(loopback, "_bindable", without_root)

    async def story() -> None:
        said: list[str] = []
        dial_map = DialMap(tmp_path / "dial")
        proxier = LiveProxier(NODES, dial_map, said.append)
        for _ in range(2):
            await proxier.sync([service("TCP", 80, node_port=30999)])
        host, port = dial_map.dial(SERVICE, 80)
        assert said == [
            f"service default/web: {SERVICE}:80 cannot be bound here: "
            f"use {host}:{port}, or its NodePort, 127.0.0.1:30999"
        ]
        await proxier.sync([])
        assert dial_map.dial(SERVICE, 80) == (SERVICE, 80)

    asyncio.run(story())

"""The userspace proxy, over streams in memory: no sockets, but asyncio's own readers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from kube_edu.proxy.model import Endpoint, ServicePort
from kube_edu.proxy.userspace import Proxier

NODE_IP = "192.168.0.1"


class Pipe:
    """A writer whose bytes come out of a reader."""

    def __init__(self, peer: str = "10.0.0.1") -> None:
        self.reader = asyncio.StreamReader()
        self.peer = peer
        self.aborted = False
        self.transport = self

    def write(self, data: bytes) -> None:
        self.reader.feed_data(data)

    async def drain(self) -> None: ...

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.reader.feed_eof()

    def get_extra_info(self, name: str) -> tuple[str, int]:
        return (self.peer, 1)

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None: ...


class Net:
    """Who listens where, and backends that answer with their own name."""

    def __init__(self, *taken: tuple[str, int]) -> None:
        self.taken = dict.fromkeys(taken)
        self.listening: dict[tuple[str, int], Callable[..., Awaitable[None]]] = {}
        self.unbound: list[tuple[str, tuple[str, int]]] = []
        self.dead: list[str] = []
        self.proxier = Proxier(
            NODE_IP,
            start_server=self.start_server,
            connect=self.connect,
            on_unbound=lambda service, address, error: self.unbound.append((service.name, address)),
        )

    async def start_server(self, handler: Any, host: str, port: int) -> Any:
        if (host, port) in self.taken:
            raise PermissionError(13, "permission denied")
        self.listening[host, port] = handler
        return _Server(self, (host, port))

    async def connect(self, host: str, port: int) -> Any:
        if host in self.dead:
            raise ConnectionRefusedError
        there, back = Pipe(), Pipe()

        async def answer() -> None:
            back.write(f"{host} got {(await there.reader.read()).decode()}".encode())
            back.write_eof()

        self.task = asyncio.get_running_loop().create_task(answer())
        return back.reader, there

    async def ask(self, address: tuple[str, int], client: str = "10.0.0.1") -> str | None:
        """What one client's connection brings back; None where it is broken off."""
        request, reply = Pipe(), Pipe(client)
        request.write(b"hi")
        request.write_eof()
        await self.listening[address](request.reader, reply)
        return None if reply.aborted else (await reply.reader.read()).decode()


class _Server:
    def __init__(self, net: Net, address: tuple[str, int]) -> None:
        self.net, self.address = net, address

    def close(self) -> None:
        del self.net.listening[self.address]


def web(*addresses: str, **fields: Any) -> ServicePort:
    endpoints = tuple(Endpoint(address, 8080) for address in addresses)
    return ServicePort(
        "ns", "web", "p", "TCP", "10.96.0.1", 80, cluster_endpoints=endpoints, **fields
    )


VIP, NODE_PORT = ("10.96.0.1", 80), (NODE_IP, 30080)


def test_connections_go_to_the_endpoints_in_turn() -> None:
    async def story() -> None:
        net = Net()
        await net.proxier.sync([web("a", "b")])
        answers = [await net.ask(VIP) for _ in range(4)]
        assert sorted(answers) == ["a got hi"] * 2 + ["b got hi"] * 2
        assert answers[0] != answers[1]

    asyncio.run(story())


def test_addresses_are_opened_and_closed_as_services_come_and_go() -> None:
    async def story() -> None:
        net = Net()
        assert await net.proxier.sync([web("a", node_port=30080)]) == 2
        assert list(net.listening) == [VIP, NODE_PORT]
        await net.proxier.sync([web("a")])
        assert list(net.listening) == [VIP]
        await net.proxier.sync([])
        assert list(net.listening) == []

    asyncio.run(story())


def test_new_endpoints_serve_new_connections_of_the_same_listener() -> None:
    async def story() -> None:
        net = Net()
        await net.proxier.sync([web("a")])
        listener = net.listening[VIP]
        await net.proxier.sync([web("b")])
        assert net.listening[VIP] is listener
        assert await net.ask(VIP) == "b got hi"

    asyncio.run(story())


def test_a_dead_endpoint_is_passed_over_and_none_at_all_breaks_off() -> None:
    async def story() -> None:
        net = Net()
        net.dead = ["a"]
        await net.proxier.sync([web("a", "b")])
        assert [await net.ask(VIP) for _ in range(3)] == ["b got hi"] * 3
        await net.proxier.sync([web()])
        assert await net.ask(VIP) is None

    asyncio.run(story())


def test_a_client_sticks_to_its_endpoint_while_it_is_there() -> None:
    async def story() -> None:
        net = Net()
        await net.proxier.sync([web("a", "b", "c", affinity_seconds=60)])
        answers = [await net.ask(VIP, "10.0.0.7") for _ in range(5)]
        assert len(set(answers)) == 1
        net.dead = [str(answers[0]).split()[0]]
        moved = [await net.ask(VIP, "10.0.0.7") for _ in range(5)]
        assert len(set(moved)) == 1
        assert moved[0] not in (None, answers[0])

    asyncio.run(story())


def test_a_port_that_cannot_be_bound_is_told_once_and_others_serve() -> None:
    async def story() -> None:
        net = Net(VIP)
        for _ in range(2):
            await net.proxier.sync([web("a", node_port=30080)])
        assert net.unbound == [("ns/web:p", VIP)]
        assert await net.ask(NODE_PORT) == "a got hi"
        net.taken.clear()
        await net.proxier.sync([web("a", node_port=30080)])
        assert await net.ask(VIP) == "a got hi"

    asyncio.run(story())

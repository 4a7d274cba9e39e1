"""The stores that keep one contract: in process, `kube-edu etcd`, and a real etcd."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from kube_edu.etcd import EtcdClient, EtcdError, EtcdServer
from kube_edu.etcd.errors import NAMES
from kube_edu.etcd.messages import (
    DeleteRangeRequest,
    LeaseRevokeRequest,
    PutRequest,
    RangeRequest,
    WatchCancelRequest,
    WatchCreateRequest,
    WatchProgressRequest,
    WatchRequest,
    WatchResponse,
)
from kube_edu.etcd.service_messages import Empty, LeaseLeasesResponse
from kube_edu.etcd.services import Services
from kube_edu.host import Host, HttpClient, Request
from kube_edu.sim import Simulation
from kube_edu.wire import protobuf
from tests.etcd.members import Members

T = TypeVar("T")


class Store:
    """A connection to one member, as the tests see it."""

    def __init__(self, connection: HttpClient) -> None:
        self._connection = connection
        self.client = EtcdClient([connection])

    async def put(self, key: str, value: str = "", **options: Any) -> int:
        """Returns the revision."""
        request = PutRequest(key.encode(), value.encode(), **options)
        return revision((await self.client.put(request)).header)

    async def get(self, key: str, end: str = "", **options: Any) -> Any:
        return await self.client.range(RangeRequest(key.encode(), end.encode(), **options))

    async def delete(self, key: str, end: str = "", **options: Any) -> Any:
        request = DeleteRangeRequest(key.encode(), end.encode(), **options)
        return await self.client.delete_range(request)

    async def ask(self, method: str, message: Any, answer: type[T]) -> T:
        """Any method, for example "v3lockpb.Lock/Lock". Raises EtcdError."""
        response = await self._connection.request(Request("POST", f"/{method}", body=message))
        status = int(response.headers.get("grpc-status", "0"))
        if status:
            raise EtcdError(NAMES[status], response.headers["grpc-message"])
        return decoded(answer, response.body)

    async def stream(self, method: str, message: Any, answer: type[T]) -> AsyncIterator[T]:
        response = await self._connection.request(Request("POST", f"/{method}", body=message))
        assert response.stream is not None, response.headers
        try:
            async for each in response.stream:
                yield decoded(answer, each)
        finally:
            await response.close()

    async def watches(self) -> Watches:
        return Watches(self)

    async def clear(self) -> None:
        """No keys and no leases."""
        await self.delete("\0", "\0")
        leases = await self.ask("etcdserverpb.Lease/LeaseLeases", Empty(), LeaseLeasesResponse)
        for lease in leases.leases:
            await self.client.lease_revoke(LeaseRevokeRequest(lease.ID))


class Watches:
    """One stream of watches."""

    def __init__(self, store: Store) -> None:
        self._requests: asyncio.Queue[WatchRequest] = asyncio.Queue()
        self._responses = store.stream("etcdserverpb.Watch/Watch", self._sent(), WatchResponse)

    async def _sent(self) -> AsyncIterator[WatchRequest]:
        while True:
            yield await self._requests.get()

    def create(self, key: str, end: str = "", **options: Any) -> None:
        create = WatchCreateRequest(key.encode(), end.encode(), **options)
        self._requests.put_nowait(WatchRequest(create))

    def cancel(self, id: int) -> None:
        self._requests.put_nowait(WatchRequest(cancel_request=WatchCancelRequest(id)))

    def progress(self) -> None:
        self._requests.put_nowait(WatchRequest(progress_request=WatchProgressRequest()))

    async def next(self) -> WatchResponse:
        async with asyncio.timeout(10):
            return await anext(self._responses)

    async def events(self, count: int) -> list[str]:
        """The next so many events: "put a=1", "delete a"."""
        found: list[str] = []
        while len(found) < count:
            found += described(await self.next())
        return found

    async def close(self) -> None:
        await self._responses.aclose()  # type: ignore[attr-defined]


def _kind(name: str) -> Any:
    return pytest.param(name, marks=pytest.mark.xdist_group(f"contract: {name}"))


IN_PROCESS = [_kind("in process")]
SERVED = [_kind("kube-edu etcd"), _kind("etcd")]
"""Those that listen on a socket."""

Test = Callable[[Store], Awaitable[None]]
Run = Callable[[Test], None]


def in_process(test: Test) -> None:
    """On three members in the simulation."""
    simulation = Simulation(1)
    names = ["etcd-1", "etcd-2", "etcd-3"]
    done: list[bool] = []

    async def member(host: Host) -> None:
        server = EtcdServer(host, {name: f"{name}:2380" for name in names})
        await host.serve(2379, Services(server).handle, identity="etcd")
        await server.run()

    async def client(host: Host) -> None:
        await test(Store(host.connect("etcd-2:2379", identity="admin")))
        done.append(True)

    for number, name in enumerate(names):
        simulation.machine(name, f"10.0.0.{number + 1}").start("etcd", member)
    simulation.machine("client", "10.0.0.100").start("test", client)
    try:
        simulation.run_until(lambda: bool(done), 120)
    finally:
        simulation.close()


def over_grpc(endpoint: str) -> Run:
    """On a member that listens there."""
    from kube_edu.live.etcd_grpc import GrpcConnection

    def run(test: Test) -> None:
        async def main() -> None:
            connection = GrpcConnection(endpoint)
            store = Store(connection)
            try:
                await store.clear()
                async with asyncio.timeout(60):
                    await test(store)
            finally:
                await connection.close()

        asyncio.run(main())

    return run


@contextmanager
def member(command: list[str], folder: Path) -> Iterator[str]:
    """The client endpoint of a member, alone in its cluster."""
    members = Members(command, folder, ["solo"])
    try:
        members.start()
        yield members.client_url("solo").removeprefix("http://")
    finally:
        members.close()


def revision(header: Any) -> int:
    assert header is not None
    return int(header.revision)


def keys(response: Any) -> list[str]:
    return [kv.key.decode() for kv in response.kvs]


def described(response: WatchResponse) -> list[str]:
    return [
        f"{e.type.name.lower()} {e.kv.key.decode()}" + (f"={e.kv.value.decode()}" * (not e.type))
        for e in response.events
    ]


def decoded(kind: type[T], body: Any) -> T:
    return protobuf.decode(kind, body) if isinstance(body, bytes) else body

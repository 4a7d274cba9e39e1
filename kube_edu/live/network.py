"""A node's pod network over real sockets: what probes send, and what the cluster's own images
(DNS) serve. Containers that are processes open their sockets themselves."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from kube_edu.host import Request, Response
from kube_edu.kubelet.cni import Serve
from kube_edu.kubelet.cni.hostlocal import HostLocal
from kube_edu.kubelet.cni.loopback import DialMap
from kube_edu.wire.http import HttpConnection, HttpServer

DNS_PORT = 53


class LiveNetwork(HostLocal):
    """Implements `kube_edu.kubelet.cni.PodNetwork`."""

    def __init__(self, dial_map: DialMap) -> None:
        super().__init__()
        self._dial_map = dial_map
        self._servers: dict[tuple[str, int, str], asyncio.Task[None]] = {}

    def detach(self, address: str) -> None:
        super().detach(address)
        self._dial_map.release(address)
        for at in [at for at in self._servers if at[0] == address]:
            self.unlisten(*at)

    def listen(self, address: str, port: int, protocol: str, serve: Serve) -> None:
        """DNS on its own port, HTTP on any other."""
        kind = socket.SOCK_DGRAM if protocol == "UDP" else socket.SOCK_STREAM
        sock = bound_socket(kind, self._dial_map.claim(address, port, kind))
        if kind == socket.SOCK_DGRAM:
            server = serve_datagrams(sock, serve)
        else:
            server = (_serve_dns if port == DNS_PORT else _serve_http)(sock, serve)
        self._servers[address, port, protocol] = asyncio.create_task(server)

    def unlisten(self, address: str, port: int, protocol: str) -> None:
        server = self._servers.pop((address, port, protocol), None)
        if server is not None:
            server.cancel()

    async def exchange(
        self, source: str, address: str, port: int, protocol: str, payload: Any
    ) -> Any:
        if isinstance(payload, Request):
            connection = HttpConnection(f"{address}:{port}", locate=self._dial_map.dial)
            try:
                return await connection.request(payload)
            finally:
                await connection.close()
        real = self._dial_map.dial(address, port)
        if protocol == "UDP":
            return await ask(real, payload)
        _, writer = await asyncio.open_connection(*real)
        writer.close()
        return b""


def bound_socket(kind: socket.SocketKind, address: tuple[str, int]) -> socket.socket:
    sock = socket.socket(type=kind)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


async def serve_datagrams(sock: socket.socket, serve: Serve) -> None:
    """Send back what `serve` answers, if it is not empty."""
    loop = asyncio.get_running_loop()

    async def answer(data: bytes, source: tuple[str, int]) -> None:
        reply = await serve(source[0], data)
        if reply:
            await loop.sock_sendto(sock, reply, source)

    with sock:
        async with asyncio.TaskGroup() as group:
            while True:
                data, source = await loop.sock_recvfrom(sock, 65535)
                group.create_task(answer(data, source))


async def _serve_dns(sock: socket.socket, serve: Serve) -> None:
    """Each message has its length before it (RFC 1035, section 4.2.2)."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = writer.get_extra_info("peername")[0]
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2))
                reply = await serve(source, await reader.readexactly(length))
                writer.write(len(reply).to_bytes(2) + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is done
        finally:
            writer.close()

    server = await asyncio.start_server(converse, sock=sock)
    async with server:
        await server.serve_forever()


async def _serve_http(sock: socket.socket, serve: Serve) -> None:
    async def handler(request: Request) -> Response:
        response: Response = await serve(request.peer.address, request)
        return response

    server = HttpServer(handler)
    await server.listen_on(sock)
    try:
        await asyncio.Event().wait()
    finally:
        await server.close()


async def ask(real: tuple[str, int], payload: bytes) -> bytes:
    """One datagram there, one back. Raises ConnectionRefusedError where nothing listens."""
    loop = asyncio.get_running_loop()
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, real)
        await loop.sock_sendall(sock, payload)
        return await loop.sock_recv(sock, 65535)

"""The machine of one `kube-edu etcd`: a data directory, and links to the other members.

What members say to one another is the project's own, not etcd's: members of a cluster are all
kube-edu's. A link is one TCP connection, with TLS where the peer URL says https. Each side sends a
Hello first, then frames, each with its length (4 bytes) before it: Raft messages one way on a link
of their own, or one request at a time and its answer.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

from kube_edu.host import Disk, Handler, Request, Response
from kube_edu.live.disk import LiveDisk
from kube_edu.wire import protobuf
from kube_edu.wire.protobuf import pb

MAX_HELLO = 64 * 1024
MAX_FRAME = 1 << 30
MAX_WAITING = 4096
"""Raft messages; more are dropped, as a network would."""

DIAL_TIMEOUT = 1.0
REDIAL = 0.2
SILENCE = 5_000
"""Milliseconds without an acknowledgement after which a link is given up."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Who calls, or answers."""

    cluster_id: int = pb(1, 0, unsigned=True)
    """0 from one that joins, and does not know it yet."""
    member: str = pb(2, "")
    refusal: str = pb(3, "")


@dataclass(frozen=True, slots=True)
class Frame:
    """A Raft message (no path, no answer), a request, or an answer."""

    path: str = pb(1, "")
    status: int = pb(2, 0)
    body: bytes = pb(3, b"")


class MemberHost:
    """Implements `kube_edu.host.Host`. Endpoints are those of peer URLs."""

    def __init__(
        self,
        name: str,
        data_dir: Path,
        *,
        listen: Sequence[tuple[str, int]],
        server_tls: ssl.SSLContext | None,
        client_tls: ssl.SSLContext | None,
        say: Callable[[str], None],
    ) -> None:
        self.name = name
        self.address = listen[0][0]
        self.random: Random = SystemRandom()
        self.disk: Disk = LiveDisk(data_dir)
        self.cluster_id: Callable[[], int] = lambda: 0
        self.client_tls = client_tls
        self._listen = listen
        self._server_tls = server_tls
        self._say = say
        self._peers: dict[str, Peer] = {}
        self._links: dict[Link, None] = {}
        self._servers: list[asyncio.Server] = []
        self._handler: Handler | None = None
        self._receive: Callable[[str, Any], None] | None = None

    def now(self) -> float:
        return time.time()

    def record(self, kind: str, **fields: Any) -> None:
        """A live member keeps no trace: it may run for weeks, and a trace only grows."""

    async def serve(self, port: int, handler: Handler, *, identity: str) -> MemberHost:
        """Listen on the peer URLs; raises OSError when a port is taken."""
        self._handler = handler
        for host, port in self._listen:
            server = await asyncio.start_server(self._answer, host, port, ssl=self._server_tls)
            self._servers.append(server)
        return self

    def connect(self, endpoint: str, *, identity: str) -> Peer:
        return self._peers.setdefault(endpoint, Peer(self, endpoint))

    def bind(self, port: int, receive: Callable[[str, Any], None]) -> None:
        self._receive = receive

    def send(self, endpoint: str, message: Any, *, port: int = 0) -> None:
        self._peers[endpoint].post(protobuf.encode(message))

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for peer in self._peers.values():
            await peer.close()
        for link in list(self._links):
            link.close()

    def hello(self, refusal: str = "") -> Hello:
        return Hello(self.cluster_id(), self.name, refusal)

    def meet(self, hello: Hello) -> None:
        """Raises ConnectionRefusedError if a member does not belong here."""
        refusal, mine = hello.refusal, self.cluster_id()
        if hello.cluster_id and mine and hello.cluster_id != mine:
            refusal = f"cluster ID mismatch: {hello.cluster_id:x} is not {mine:x}"
        if refusal:
            self._say(f"member {hello.member!r}: {refusal}")
            raise ConnectionRefusedError(refusal)

    async def _answer(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One link, from the side that was called."""
        link = Link(reader, writer)
        self._links[link] = None
        try:
            hello = protobuf.decode(Hello, await link.read(MAX_HELLO))
            try:
                self.meet(hello)
            except ConnectionRefusedError as refusal:
                await link.write(self.hello(str(refusal)))
                return
            await link.write(self.hello())
            while True:
                frame = protobuf.decode(Frame, await link.read())
                if frame.path:
                    assert self._handler is not None
                    request = Request("POST", frame.path, body=frame.body)
                    response = await self._handler(request)
                    await link.write(Frame("", response.status, _bytes(response.body)))
                elif self._receive is not None:
                    self._receive(hello.member, frame.body)
        except (OSError, EOFError, protobuf.DecodeError):
            pass  # it is gone, or no member
        finally:
            self._links.pop(link)
            link.close()


class Peer:
    """Another member. Implements `kube_edu.host.HttpClient`, and takes Raft messages."""

    def __init__(self, host: MemberHost, endpoint: str) -> None:
        self._host = host
        self._endpoint = endpoint
        self._idle: list[Link] = []
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        self._sender: asyncio.Task[None] | None = None

    async def request(self, request: Request) -> Response:
        while self._idle and self._idle[-1].gone:
            self._idle.pop().close()
        link = self._idle.pop() if self._idle else await self._dial()
        try:
            await link.write(Frame(request.path, body=_bytes(request.body)))
            answer = protobuf.decode(Frame, await link.read())
        except BaseException as error:
            link.close()
            if isinstance(error, OSError | EOFError):
                raise ConnectionResetError(f"{self._endpoint}: {error}") from None
            raise
        self._idle.append(link)
        return Response(answer.status, answer.body)

    def post(self, message: bytes) -> None:
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())
        if not self._waiting.full():
            self._waiting.put_nowait(message)

    async def close(self) -> None:
        """Until it is used again."""
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None
        while self._idle:
            self._idle.pop().close()

    async def _send(self) -> None:
        while True:
            link = None
            try:
                link = await self._dial()
                while True:
                    await link.write(Frame(body=await self._waiting.get()))
            except (OSError, EOFError):
                await asyncio.sleep(REDIAL)
                while not self._waiting.empty():
                    self._waiting.get_nowait()  # too old
            finally:
                if link is not None:
                    link.close()

    async def _dial(self) -> Link:
        """Raises ConnectionRefusedError, for whatever it was, nothing was asked yet."""
        host, _, port = self._endpoint.rpartition(":")
        tls = self._host.client_tls
        link = None
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                link = Link(*await asyncio.open_connection(host.strip("[]"), int(port), ssl=tls))
                await link.write(self._host.hello())
                self._host.meet(protobuf.decode(Hello, await link.read(MAX_HELLO)))
        except (OSError, EOFError, protobuf.DecodeError) as error:  # a TimeoutError is an OSError
            if link is not None:
                link.close()
            raise ConnectionRefusedError(f"{self._endpoint}: {error}") from None
        return link


class Link:
    """A connection of frames."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE)

    @property
    def gone(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    async def read(self, limit: int = MAX_FRAME) -> bytes:
        """Raises EOFError at the end, and ConnectionError for what is no frame."""
        length = int.from_bytes(await self._reader.readexactly(4))
        if length > limit:
            raise ConnectionAbortedError("this is no member of the store")
        return await self._reader.readexactly(length)

    async def write(self, message: Any) -> None:
        data = protobuf.encode(message)
        self._writer.write(len(data).to_bytes(4) + data)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()


def _bytes(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode()
    return body if isinstance(body, bytes) else protobuf.encode(body) if body is not None else b""

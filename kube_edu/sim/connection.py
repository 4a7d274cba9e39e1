"""One request and its answer over a simulated connection.

What a TCP connection promises holds here: messages arrive in order and once. What it cannot know,
it does not: a machine that lost power says nothing, and the other end waits until it gives up.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from kube_edu.host import Handler, Peer, Request, Response, StreamError, decoded

if TYPE_CHECKING:
    from kube_edu.sim.machine import Machine, Process
    from kube_edu.sim.network import Listener, Network

GIVE_UP_SECONDS = 30.0
"""How long an end waits on a path that is broken: client-go's HTTP/2 health check."""

WINDOW = 256
"""Messages of a stream that may be on their way unread; then the sender waits."""

KERNEL = contextvars.Context()
"""Packets in flight belong to no process: they go on when their sender is frozen or dead."""


@dataclass(frozen=True, slots=True)
class SimClient:
    """Implements `kube_edu.host.HttpClient`."""

    network: Network
    process: Process
    endpoint: str
    peer: Peer

    async def request(self, request: Request) -> Response:
        target, port = self.network.find(self.endpoint)
        if target is None:
            raise ConnectionError(f"no such host: {self.endpoint}")
        if not self.process.alive:
            raise ConnectionError("the process has ended")
        connection = Connection(self.network, self.process, target, port)
        return await connection.exchange(replace(request, peer=self.peer))

    async def close(self) -> None:
        """Nothing is kept open between requests."""


class Connection:
    """A connection from a process to a port of a machine, for one request."""

    def __init__(self, network: Network, client: Process, target: Machine, port: int) -> None:
        self.client = client
        self.server: Process | None = None
        self.listener: Listener | None = None
        self._network = network
        self._loop = network.simulation.loop
        self._target = target
        self._port = port
        self._response: asyncio.Future[Response] = self._loop.create_future()
        self._stream = SimStream(self)
        self._requests: Inbox | None = None  # where the client sends a stream, too
        self._sender: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._last = {True: 0.0, False: 0.0}  # latest arrival, to the server and to the client
        self._held: list[tuple[bool, Callable[[], None]]] = []  # waiting for the path to be whole
        self._give_up: asyncio.TimerHandle | None = None
        self._unread = 0
        self._room: asyncio.Future[None] | None = None
        self._closed = False

    # --- the client's end

    async def exchange(self, request: Request) -> Response:
        self._network.opened(self)
        if hasattr(request.body, "__aiter__"):
            self._requests = Inbox()
            self._sender = self.client.spawn(self._send(request.body, self._requests))
            request = replace(request, body=self._requests)
        self._transmit(True, partial(self._accept, request))
        self.path_changed()
        try:
            return await self._response
        except asyncio.CancelledError:
            self.abandon()
            raise

    async def _send(self, messages: AsyncIterator[Any], inbox: Inbox) -> None:
        async for message in messages:
            self._transmit(True, partial(inbox.push, message))

    def abandon(self) -> None:
        """The client has lost interest: the server's side ends too."""
        self._stream.finish()
        self._transmit(True, self._close)

    def read(self) -> None:
        """The client took a message from the stream: there is room for another."""
        self._unread -= 1
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _answered(self, response: Response) -> None:
        if not self._response.done():
            self._response.set_result(response)
        if response.stream is None:
            self._close()

    def _ended(self) -> None:
        self._stream.finish()
        self._close()

    def _failed(self, error: ConnectionError | StreamError) -> None:
        if not self._response.done():
            if self.client.alive:
                self._response.set_exception(error)
        else:
            self._stream.finish(error)
        self._close()

    # --- the server's end

    def _accept(self, request: Request) -> None:
        self.listener = self._network.listener(self._target, self._port)
        if self.listener is None:
            error = ConnectionRefusedError(f"{self._target.name}:{self._port} refused to connect")
            self._transmit(False, partial(self._failed, error), kernel=True)
            return
        self.server = self.listener.process
        self._task = self.server.spawn(self._serve(request, self.listener.handler))

    async def _serve(self, request: Request, handler: Handler) -> None:
        assert self.server is not None
        try:
            response = await handler(request)
            if response.stream is None:
                answer = replace(response, body=decoded(response.body))
                self._transmit(False, partial(self._answered, answer))
            else:
                await self._serve_stream(response)
        except ConnectionError as error:
            reset = ConnectionResetError(f"{self._target.name}:{self._port} broke off: {error}")
            self._transmit(False, partial(self._failed, reset))
        except StreamError as error:
            self._transmit(False, partial(self._failed, error))
        except Exception as error:
            self.server.fail(error)

    async def _serve_stream(self, response: Response) -> None:
        assert response.stream is not None
        try:
            self._transmit(False, partial(self._answered, replace(response, stream=self._stream)))
            async for message in response.stream:
                while self._unread >= WINDOW:
                    self._room = self._loop.create_future()
                    await self._room
                self._unread += 1
                self._transmit(False, partial(self._stream.push, decoded(message)))
            self._transmit(False, self._ended)
        except (Exception, asyncio.CancelledError):  # but not when the simulation is let go
            await response.close()
            raise

    # --- the path between them

    def _transmit(self, to_server: bool, action: Callable[[], None], kernel: bool = False) -> None:
        """Do `action` at the other end when the message has arrived there. What a process that
        has ended still sends is ignored; its `kernel` may still reset the connection."""
        sender = self.client if to_server else self.server
        if self._closed or (sender is not None and not sender.alive and not kernel):
            return
        near, far = self.client.machine, self._target
        delay = self._network.stream_delay(*((near, far) if to_server else (far, near)))
        after_the_last = math.nextafter(self._last[to_server], math.inf)
        self._last[to_server] = max(after_the_last, self._loop.time() + delay)
        self._loop.call_at(self._last[to_server], self._arrive, to_server, action, context=KERNEL)

    def _arrive(self, to_server: bool, action: Callable[[], None]) -> None:
        if self._closed:
            return
        if self._held or not self._network.connected(self.client.machine, self._target):
            self._held.append((to_server, action))
            self.path_changed()
        else:
            action()

    def path_changed(self) -> None:
        """A link was cut or healed, or a machine went down or came up."""
        if not self._network.connected(self.client.machine, self._target):
            if self._give_up is None:
                error = ConnectionError(f"no sign of life from {self._target.name}:{self._port}")
                self._give_up = self._loop.call_later(
                    GIVE_UP_SECONDS, self._failed, error, context=KERNEL
                )
            return
        if self._give_up is not None:
            self._give_up.cancel()
            self._give_up = None
        for process in (self.client, self.server):
            if process is not None and not process.alive:
                self.end_died(process)
        held, self._held = self._held, []
        for to_server, action in held:
            self._transmit(to_server, action, kernel=True)

    def end_died(self, process: Process) -> None:
        """One end's process is gone. A machine that is up resets its connections; one without
        power cannot."""
        if process.machine.state == "down":
            return
        if process is self.client:
            self._transmit(True, self._close, kernel=True)
        else:
            self._reset_client()

    def reset(self) -> None:
        """The server stopped listening."""
        if self._task is not None:
            self._task.cancel()
        self._reset_client()

    def _reset_client(self) -> None:
        error = ConnectionResetError(f"connection reset by {self._target.name}:{self._port}")
        self._transmit(False, partial(self._failed, error), kernel=True)

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._give_up is not None:
            self._give_up.cancel()
        if self._task is not None and not self._task.done():
            self._task.cancel()
        if self._sender is not None and self._requests is not None:
            self._sender.cancel()
            self._requests.finish()
        self._network.closed(self)


class Inbox:
    """Messages that arrive over a connection, in order: an async iterator that ends, or raises
    what broke it off."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        self._end: Exception | None = None

    def __aiter__(self) -> Inbox:
        return self

    async def __anext__(self) -> Any:
        message = await self._messages.get()
        if self._end is not None and message is self._end:
            self._messages.put_nowait(message)  # it stays at its end
            raise message
        return message

    def push(self, message: Any) -> None:
        self._messages.put_nowait(message)

    def finish(self, error: ConnectionError | StreamError | None = None) -> None:
        if self._end is None:
            self._end = error or StopAsyncIteration()
            self._messages.put_nowait(self._end)


class SimStream(Inbox):
    """The client's end of a streamed response."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    async def __anext__(self) -> Any:
        message = await super().__anext__()
        self._connection.read()
        return message

    async def aclose(self) -> None:
        if self._end is None:
            self._connection.abandon()

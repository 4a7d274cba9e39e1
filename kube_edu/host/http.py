"""Requests and responses, as every seam of the control plane uses them.

Kubernetes REST, etcd's gRPC (a POST to `/etcdserverpb.KV/Range`) and the kubelet's API are all
HTTP, so one shape serves them all. On the simulated network a body is the decoded object itself
(shared, so never mutate it); off a real socket it is bytes. Whoever handles a request accepts
both, and whoever answers may answer either: the live edge encodes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is on the other end: its address, and the subject of its client certificate."""

    address: str = ""
    common_name: str = ""
    organizations: tuple[str, ...] = ()


class Document(ABC):
    """A body, or a message of a stream, that is kept as JSON: decoded for whom it reaches in memory
    (shared, so never mutate it), and sent as it is to whom it reaches over a socket."""

    __slots__ = ()

    @abstractmethod
    def decoded(self) -> Any:
        """As objects."""

    @abstractmethod
    def encoded(self) -> bytes:
        """As JSON; a message of a stream ends its line."""


def decoded(body: Any) -> Any:
    """A body as objects, if it is a Document; else as it is."""
    return body.decoded() if isinstance(body, Document) else body


class StreamError(Exception):
    """Why a server breaks a stream off, told to the client that reads it (gRPC's trailers)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    `path` has no query string; `query` keeps the order and repetitions of the URL's; names in
    `headers` are lower-case. `body` is None, bytes (off a socket), a decoded object, or an async
    iterator of messages where the client sends a stream (gRPC).
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    peer: Peer = Peer()

    def param(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), default)

    def params(self, name: str) -> list[str]:
        """Every value of a query parameter, in the order given."""
        return [value for key, value in self.query if key == name]


@dataclass(slots=True)
class Response:
    """One HTTP response: a `body`, or a `stream` of messages that ends when the iterator does.

    A body or message that is a dict, a list or a Document goes over a real socket as JSON
    (messages of a stream one a line), a str as UTF-8 text, bytes as they are. Who stops reading a
    stream early closes it (`await response.close()`), so that the server's side ends too. A stream
    may have a method `ready()`, which hands over the messages that are there without waiting: what
    comes together goes out together.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: AsyncIterator[Any] | None = None

    async def close(self) -> None:
        aclose = getattr(self.stream, "aclose", None)
        if aclose is not None:
            await aclose()


Handler = Callable[[Request], Awaitable[Response]]
"""A server: an async function from request to response."""


class HttpClient(Protocol):
    """A client of one server.

    `request` raises ConnectionError when the server refuses, resets or is gone, and so does
    reading a broken stream. It never times out by itself: wrap it in `asyncio.timeout`.
    """

    async def request(self, request: Request) -> Response: ...

    async def close(self) -> None: ...


class Server(Protocol):
    """A listening server; `close` stops listening and resets its connections."""

    async def close(self) -> None: ...

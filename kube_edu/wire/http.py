"""HTTP/1.1 over real sockets: between aiohttp and the Requests and Responses of kube_edu.host.

A server turns what arrives into a `Request` whose body is bytes, and writes the handler's
`Response`: dicts as JSON, text as UTF-8, a stream as chunks that go out one by one. A client does
the reverse and decodes JSON, so that components see the same shapes as in the simulation.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from kube_edu.api.status import (
    ApiError,
    bad_request,
    internal_error,
    request_entity_too_large,
    timeout,
)
from kube_edu.host import Document, Handler, Peer, Request, Response

MAX_BODY = 3 * 1024 * 1024
"""The limit of kube-apiserver (apiserver/pkg/server/config.go, MaxRequestBodyBytes)."""

BODY_TIMEOUT = 60.0
"""Seconds for a body to arrive (--request-timeout)."""

MAX_HEAD = 64 * 1024
"""Of the first line (label selectors may be long), and of each header."""

IDLE = 90.0
"""Seconds that a connection may go without a whole head of a request (IdleTimeout)."""

STALLED = 60.0
"""Seconds that a client of a stream may leave unread what it was sent."""

COMPRESS = 128 * 1024
"""A body of this size is compressed for a client that takes it so (apiserver,
pkg/endpoints/handlers/responsewriters/writers.go, defaultGzipThresholdBytes)."""

GATHER = 0.0003
"""Seconds, for each stream that is open, between two writes of one stream; what comes meanwhile
gathers. So writes to streams leave time for everything else, however many there are."""


class HttpServer:
    """A handler that listens. Implements `kube_edu.host.Server`.

    A client that goes away cancels the request that it waits for, as it cancels the context of a
    handler in Go; so a watch that nobody reads ends.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._streams = 0
        self._web = web.Server(self._answer, handler_cancellation=True)
        self._listener: asyncio.Server | None = None

    async def listen(self, address: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen, and return the port (port 0 asks for any that is free). Raises OSError when
        the port is taken."""
        sock = socket.create_server((address, port))
        await self.listen_on(sock, tls)
        return int(sock.getsockname()[1])

    async def listen_on(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        loop = asyncio.get_running_loop()
        connection = partial(
            _Connection,
            self._web,
            loop=loop,
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
            keepalive_timeout=IDLE,
        )
        self._listener = await loop.create_server(connection, sock=sock, ssl=tls, backlog=1024)

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._web.shutdown(timeout=0.1)

    async def _answer(self, incoming: web.BaseRequest) -> web.StreamResponse:
        try:
            response = await self._handler(await _request(incoming))
        except ApiError as refusal:
            response = Response(refusal.code, refusal.status)
        except Exception as bug:
            response = Response(500, internal_error(str(bug)).status)
            message = f"the handler of {incoming.method} {incoming.path} failed"
            context = {"message": message, "exception": bug}
            asyncio.get_running_loop().call_exception_handler(context)
        if response.stream is not None:
            return await self._send_stream(incoming, response, response.stream)
        body = _encode(response.body) or b""
        headers = {"content-type": _content_type(response.body), **response.headers}
        if len(body) >= COMPRESS and "gzip" in incoming.headers.get("accept-encoding", ""):
            body = await asyncio.to_thread(gzip.compress, body, 1)
            headers["content-encoding"] = "gzip"
        sent = web.Response(status=response.status, body=body, headers=headers)
        if response.status == 413:
            sent.force_close()  # the rest of the body stays unread
        return sent

    async def _send_stream(
        self, incoming: web.BaseRequest, response: Response, messages: AsyncIterator[Any]
    ) -> web.StreamResponse:
        self._streams += 1
        try:
            headers = {"content-type": "application/json", **response.headers}
            sent = web.StreamResponse(status=response.status, headers=headers)
            await sent.prepare(incoming)
            await self._send_messages(sent, messages)
            await sent.write_eof()
        except (ConnectionError, TimeoutError):  # the client's side is gone or stalled, or ours
            if incoming.transport is not None:
                incoming.transport.abort()
        finally:
            self._streams -= 1
            await response.close()
        return sent

    async def _send_messages(self, sent: web.StreamResponse, messages: AsyncIterator[Any]) -> None:
        """What is ready together goes out together: in a burst, the watchers of a resource would
        else cost a system call for each of them and each event."""
        now = asyncio.get_running_loop().time
        ready = getattr(messages, "ready", None)
        quiet_until = now()
        async for message in messages:
            batch = _encode(message) or b""
            if ready is not None:
                if now() < quiet_until:
                    await asyncio.sleep(quiet_until - now())
                batch += ready()
                quiet_until = now() + GATHER * self._streams
            async with asyncio.timeout(STALLED):
                await sent.write(batch)


class HttpConnection:
    """A client of one server. Implements `kube_edu.host.HttpClient`.

    `locate` maps the endpoint's host and port to where they can really be reached; certificates
    are checked for the host that the endpoint names.
    """

    def __init__(
        self,
        endpoint: str,
        tls: ssl.SSLContext | None = None,
        locate: Callable[[str, int], tuple[str, int]] = lambda host, port: (host, port),
    ) -> None:
        host, _, port = endpoint.rpartition(":")
        self._host = host.strip("[]")
        self._port = int(port)
        self._tls = tls
        self._locate = locate
        self._session: aiohttp.ClientSession | None = None

    async def request(self, request: Request) -> Response:
        host, port = self._locate(self._host, self._port)
        url = URL.build(
            scheme="https" if self._tls else "http",
            host=host,
            port=port,
            path=request.path,
            query=list(request.query),
        )
        with _connection_errors():
            answer = await self._open().request(
                request.method,
                url,
                data=_encode(request.body),
                headers={"content-type": _content_type(request.body), **request.headers},
                server_hostname=self._host if self._tls else None,
                allow_redirects=False,
            )
            headers = {name.lower(): value for name, value in answer.headers.items()}
            if _is_stream(request, answer):
                return Response(answer.status, None, headers, _read_stream(answer))
            body: Any = await answer.read()
        if body and _is_json(answer):
            body = json.loads(body)
        return Response(answer.status, body, headers)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=self._tls or True),
                timeout=aiohttp.ClientTimeout(total=None),
                skip_auto_headers=("accept-encoding", "content-type", "user-agent"),
            )
        return self._session


# --- the server's side


class _Connection(web.RequestHandler):
    """What is no HTTP is answered with a Status as well; what a client does wrong is not logged."""

    def log_exception(self, *args: Any, **kw: Any) -> None:
        pass

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        refusal = bad_request(" ".join((message or "not an HTTP request").split()))
        sent = web.json_response(refusal.status, status=refusal.code)
        sent.force_close()
        return sent


async def _request(incoming: web.BaseRequest) -> Request:
    return Request(
        incoming.method,
        incoming.rel_url.path,
        tuple(incoming.rel_url.query.items()),
        _headers(incoming),
        await _read_body(incoming),
        _peer(incoming),
    )


async def _read_body(incoming: web.BaseRequest) -> bytes | None:
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            return await _body(incoming)
    except TimeoutError:
        raise timeout("request did not complete within the allotted timeout") from None
    except (HttpProcessingError, web.RequestPayloadError) as broken:
        raise bad_request(" ".join(str(broken).split())) from None


async def _body(incoming: web.BaseRequest) -> bytes | None:
    body = bytearray()
    if (incoming.content_length or 0) <= MAX_BODY:
        async for chunk in incoming.content.iter_any():
            body += chunk
            if len(body) > MAX_BODY:
                break
        else:
            return bytes(body) or None
    raise request_entity_too_large(f"limit is {MAX_BODY}")


def _headers(incoming: web.BaseRequest) -> dict[str, str]:
    """A header that comes twice is one with both values (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for name, value in incoming.headers.items():
        before = headers.get(name.lower())
        headers[name.lower()] = value if before is None else f"{before},{value}"
    return headers


def _peer(incoming: web.BaseRequest) -> Peer:
    """Who calls: the subject of the certificate that TLS has verified, if there is one."""
    transport = incoming.transport
    certificate = transport and transport.get_extra_info("peercert")
    names: dict[str, list[str]] = {"commonName": [""], "organizationName": []}
    for attributes in (certificate or {}).get("subject", ()):
        for attribute, value in attributes:
            names.setdefault(attribute, []).append(value)
    address = (incoming.remote or "").partition("%")[0]
    return Peer(address, names["commonName"][-1], tuple(names["organizationName"]))


# --- the client's side


async def _read_stream(answer: aiohttp.ClientResponse) -> AsyncIterator[Any]:
    """The messages of a stream: JSON a line, or bytes as they come."""
    try:
        with _connection_errors():
            if not _is_json(answer):
                async for chunk in answer.content.iter_any():
                    yield chunk
                return
            line = bytearray()
            async for chunk in answer.content.iter_any():
                *ends, rest = chunk.split(b"\n")
                for end in ends:
                    line += end
                    if line:
                        yield json.loads(line)
                    line.clear()
                line += rest
    finally:
        answer.close()


def _is_stream(request: Request, answer: aiohttp.ClientResponse) -> bool:
    """A long list from a real API server is chunked too; it is a body."""
    watch = request.param("watch") in ("1", "true")
    chunked = answer.headers.get("transfer-encoding", "") == "chunked"
    return answer.status < 400 and chunked and (watch or not _is_json(answer))


def _is_json(answer: aiohttp.ClientResponse) -> bool:
    return answer.headers.get("content-type", "").startswith("application/json")


@contextmanager
def _connection_errors() -> Iterator[None]:
    """Tells every way in which a connection can break as ConnectionError."""
    try:
        yield
    except ConnectionError:
        raise
    except (aiohttp.ClientError, ssl.SSLError) as broken:
        raise ConnectionError(str(broken) or "the server closed the connection") from broken


# --- bodies


def _encode(body: Any) -> bytes | None:
    if isinstance(body, Document):
        return body.encoded()
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return f"{text}\n".encode()


def _content_type(body: Any) -> str:
    if isinstance(body, (str, bytes)):
        return "text/plain" if isinstance(body, str) else "application/octet-stream"
    return "application/json"

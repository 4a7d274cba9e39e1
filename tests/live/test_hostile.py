"""Attackers on the wire: what is no request, is too much of one, or comes too slowly."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kube_edu.apiserver.call import User
from kube_edu.wire import http
from kube_edu.wire.http import HttpServer
from tests.apiserver.fakes import World

REVIEWS = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
BOB = "authorization: Bearer s3cret"


class Line:
    """A connection to a server, on which anything can be said."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def say(self, data: bytes) -> str:
        """All that the server answers until it closes; "" when it does so without a word."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            async with asyncio.timeout(20):
                writer.write(data)
                await writer.drain()
                return (await reader.read()).decode(errors="replace")
        except ConnectionError:
            return ""
        finally:
            writer.close()

    async def ask(self, request: str, *headers: str, body: bytes = b"") -> str:
        lines = [f"{request} HTTP/1.1", "host: x", "connection: close", *headers]
        if body:
            lines.append(f"content-length: {len(body)}")
        return await self.say("\r\n".join([*lines, "", ""]).encode("latin-1") + body)


@asynccontextmanager
async def api_server() -> AsyncIterator[Line]:
    """Without TLS: whoever calls is a stranger, or bob if he shows his token."""
    async with World(tokens={"s3cret": User("bob")}) as world:
        server = HttpServer(world.server.handle)
        port = await server.listen("127.0.0.1", 0)
        yield Line(port)
        await server.close()


def status(answer: str) -> str:
    return answer.split(" ", 2)[1] if answer else ""


@pytest.mark.parametrize(
    ("wanted", "request_line", "headers"),
    [
        ("200", "GET /apis", (BOB,)),
        ("401", "GET /apis", ("authorization: Bearer caf\xe9\xff",)),
        ("401", "GET /apis", ("authorization: Bearer nope", BOB)),
        ("403", "GET /apis", (f"x-{BOB}",)),
        ("403", "GET /apis", ("x-remote-user: root", "x-remote-group: system:masters")),
        ("403", "GET /api/v1/pods", (BOB, "impersonate_user: root")),
        ("403", "GET /api/v1/pods", (BOB, "iMpErSoNaTe-UsEr: root")),
        ("403", "GET /api/v1/pods", (BOB, "x-http-method-override: OPTIONS")),
        ("403", "GET //api/v1/pods", (BOB,)),
        ("403", "GET /api%2fv1%2fpods", (BOB,)),
        ("403", "GET /api/v1/%70ods", (BOB,)),
        ("403", "GET /healthz/..%2fmetrics", ()),
        ("403", "GET /version/%2e%2e/api/v1/secrets", ()),
        ("403", "GET http://elsewhere/api/v1/pods", (BOB,)),
        ("403", "CONNECT 10.0.0.1:443", (BOB,)),
        ("403", "OPTIONS *", (BOB,)),
        ("400", "GET api/v1/pods", (BOB,)),
        ("400", "GET /apis", ("no header",)),
        ("400", "GET /apis", tuple(f"x{n}: y" for n in range(500))),
        ("400", "GET /apis", ("x: " + "y" * 100_000,)),
        ("400", "POST /apis", ("content-length: 3", "content-length: 5")),
        ("400", "POST /apis", ("content-length: 3", "transfer-encoding: chunked")),
    ],
)
def test_odd_requests_are_refused_in_order(
    wanted: str, request_line: str, headers: tuple[str, ...]
) -> None:
    async def main() -> None:
        async with api_server() as line:
            assert status(await line.ask(request_line, *headers)) == wanted

    asyncio.run(main())


def test_what_would_fill_memory_is_cut_off() -> None:
    async def main() -> None:
        async with api_server() as line:
            bomb = gzip.compress(b"[" + b" " * 200_000_000)
            answer = await line.ask(REVIEWS, BOB, "content-encoding: gzip", body=bomb)
            assert status(answer) == "413"
            large = await line.ask(REVIEWS, BOB, body=b" " * (http.MAX_BODY + 1))
            assert status(large) in ("413", "")  # it may close while we still write
            head = b"GET / HTTP/1.1\r\nx: " + b"y" * 30_000_000
            assert status(await line.say(head)) in ("400", "")
            odd = b'{"spec": {"resourceAttributes": {"verb": "get"}}, "\xe2\x82\xac\\r\\nx: y": 1}'
            answer = await line.ask(REVIEWS, BOB, body=odd)
            assert status(answer) == "201" and "\nx: y" not in answer

    asyncio.run(main())


def test_who_is_slow_loses_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "IDLE", 0.2)
    monkeypatch.setattr(http, "BODY_TIMEOUT", 0.2)

    async def main() -> None:
        async with api_server() as line:
            half_a_body = b"POST /apis HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{"
            silent, half_a_head, slow = await asyncio.gather(
                line.say(b""), line.say(b"GET / HTTP/1.1\r\nx"), line.say(half_a_body)
            )
            assert silent == half_a_head == ""
            assert status(slow) == "504"

    asyncio.run(main())

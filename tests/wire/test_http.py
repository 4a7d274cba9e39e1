"""The edge between sockets and the Requests and Responses of kube_edu.host."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from kube_edu.host import Handler, Request, Response
from kube_edu.wire import http
from kube_edu.wire.http import COMPRESS, MAX_BODY, HttpConnection, HttpServer

Conversation = Callable[[HttpConnection], Awaitable[None]]


def converse(handler: Handler, conversation: Conversation) -> None:
    async def main() -> None:
        server = HttpServer(handler)
        port = await server.listen("127.0.0.1", 0)
        client = HttpConnection(f"127.0.0.1:{port}")
        try:
            async with asyncio.timeout(20):
                await conversation(client)
        finally:
            await client.close()
            await server.close()

    asyncio.run(main())


def test_a_request_arrives_with_all_its_parts() -> None:
    seen: list[Request] = []

    async def handler(request: Request) -> Response:
        seen.append(request)
        return Response(201, {"kind": "Echo"}, {"x-answer": "42"})

    async def conversation(client: HttpConnection) -> None:
        query = (("command", "ls"), ("command", "-l &=+"), ("watch", ""))
        request = Request("POST", "/api/v1/a b/ü", query, {"accept": "x/y"}, {"ä": [1, None]})
        answer = await client.request(request)
        assert (answer.status, answer.body) == (201, {"kind": "Echo"})
        assert answer.headers["x-answer"] == "42"

    converse(handler, conversation)
    (request,) = seen
    assert (request.method, request.path) == ("POST", "/api/v1/a b/ü")
    assert request.query == (("command", "ls"), ("command", "-l &=+"), ("watch", ""))
    assert request.headers["accept"] == "x/y"
    assert request.headers["content-type"] == "application/json"
    assert request.body.strip() == '{"ä":[1,null]}'.encode()
    assert request.peer.address == "127.0.0.1"


@pytest.mark.parametrize(
    ("body", "read"),
    [({"a": 1}, {"a": 1}), ([1], [1]), ("text", b"text"), (b"\x00\xff", b"\x00\xff"), (None, b"")],
)
def test_bodies_travel_as_what_they_are(body: Any, read: Any) -> None:
    async def handler(request: Request) -> Response:
        return Response(body=body)

    async def conversation(client: HttpConnection) -> None:
        assert (await client.request(Request("GET", "/"))).body == read

    converse(handler, conversation)


def test_a_long_body_is_compressed_for_who_takes_it_so() -> None:
    body = {"data": "x" * COMPRESS}

    async def handler(request: Request) -> Response:
        return Response(body=body)

    async def conversation(client: HttpConnection) -> None:
        plain = await client.request(Request("GET", "/"))
        assert (plain.body, "content-encoding" in plain.headers) == (body, False)
        packed = await client.request(Request("GET", "/", headers={"accept-encoding": "gzip"}))
        assert (packed.body, packed.headers["content-encoding"]) == (body, "gzip")

    converse(handler, conversation)


def test_what_is_ready_together_comes_whole_and_in_order() -> None:
    class Numbers:
        """Counts to a thousand; up to ten numbers are ready at any time."""

        def __init__(self) -> None:
            self.last = 0

        def __aiter__(self) -> Numbers:
            return self

        async def __anext__(self) -> dict[str, int]:
            if self.last == 1000:
                raise StopAsyncIteration
            self.last += 1
            return {"n": self.last}

        def ready(self) -> bytes:
            numbers = range(self.last + 1, min(self.last + 10, 1000) + 1)
            self.last += len(numbers)
            return b"".join(b'{"n":%d}\n' % number for number in numbers)

    async def handler(request: Request) -> Response:
        return Response(stream=Numbers())

    async def conversation(client: HttpConnection) -> None:
        answer = await client.request(Request("GET", "/", (("watch", "true"),)))
        assert answer.stream is not None
        assert [each["n"] async for each in answer.stream] == list(range(1, 1001))

    converse(handler, conversation)


def test_each_message_of_a_watch_arrives_when_it_is_sent() -> None:
    more = asyncio.Event()

    async def events() -> AsyncIterator[dict[str, Any]]:
        yield {"type": "ADDED", "object": {"name": "ünï\ncode"}}
        await more.wait()
        yield {"type": "MODIFIED", "object": {"data": "x" * 300_000}}

    async def handler(request: Request) -> Response:
        return Response(stream=events())

    async def conversation(client: HttpConnection) -> None:
        answer = await client.request(Request("GET", "/", (("watch", "true"),)))
        assert answer.stream is not None
        first = await anext(answer.stream)
        assert first == {"type": "ADDED", "object": {"name": "ünï\ncode"}}
        more.set()
        second = await anext(answer.stream)
        assert len(second["object"]["data"]) == 300_000
        assert [rest async for rest in answer.stream] == []

    converse(handler, conversation)


def test_a_log_arrives_as_bytes() -> None:
    async def lines() -> AsyncIterator[Any]:
        yield b"one\n"
        yield "two\n"

    async def handler(request: Request) -> Response:
        return Response(headers={"content-type": "text/plain"}, stream=lines())

    async def conversation(client: HttpConnection) -> None:
        answer = await client.request(Request("GET", "/log"))
        assert answer.stream is not None
        assert b"".join([chunk async for chunk in answer.stream]) == b"one\ntwo\n"

    converse(handler, conversation)


def test_a_reader_that_leaves_ends_the_stream_on_the_server() -> None:
    ended = asyncio.Event()

    async def events() -> AsyncIterator[dict[str, Any]]:
        try:
            yield {}
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def handler(request: Request) -> Response:
        return Response(stream=events())

    async def conversation(client: HttpConnection) -> None:
        answer = await client.request(Request("GET", "/", (("watch", "true"),)))
        assert answer.stream is not None
        await anext(answer.stream)
        await answer.close()
        await ended.wait()

    converse(handler, conversation)


def test_a_reader_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "STALLED", 0.05)
    ended = asyncio.Event()

    async def events() -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(1 << 20)
        finally:
            ended.set()

    async def handler(request: Request) -> Response:
        return Response(stream=events())

    async def main() -> None:
        server = HttpServer(handler)
        port = await server.listen("127.0.0.1", 0)
        with socket.create_connection(("127.0.0.1", port)) as silent:
            silent.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            async with asyncio.timeout(20):
                await ended.wait()
        await server.close()

    asyncio.run(main())


def test_a_stream_that_breaks_is_a_connection_error() -> None:
    async def events() -> AsyncIterator[dict[str, Any]]:
        yield {}
        raise ConnectionError("etcd is gone")

    async def handler(request: Request) -> Response:
        return Response(stream=events())

    async def conversation(client: HttpConnection) -> None:
        answer = await client.request(Request("GET", "/", (("watch", "true"),)))
        assert answer.stream is not None
        await anext(answer.stream)
        with pytest.raises(ConnectionError):
            await anext(answer.stream)

    converse(handler, conversation)


def test_closing_the_server_breaks_its_streams() -> None:
    async def events() -> AsyncIterator[dict[str, Any]]:
        yield {}
        await asyncio.Event().wait()

    async def handler(request: Request) -> Response:
        return Response(stream=events())

    async def main() -> None:
        server = HttpServer(handler)
        port = await server.listen("127.0.0.1", 0)
        client = HttpConnection(f"127.0.0.1:{port}")
        answer = await client.request(Request("GET", "/", (("watch", "true"),)))
        assert answer.stream is not None
        async with asyncio.timeout(20):
            await anext(answer.stream)
            await server.close()
            with pytest.raises(ConnectionError):
                await anext(answer.stream)
            with pytest.raises(ConnectionError):
                await client.request(Request("GET", "/"))
        await client.close()

    asyncio.run(main())


def test_a_body_over_three_mebibytes_is_refused_with_a_status() -> None:
    async def handler(request: Request) -> Response:
        return Response(body={"size": len(request.body)})

    async def conversation(client: HttpConnection) -> None:
        most = await client.request(Request("POST", "/", body=bytes(MAX_BODY)))
        assert most.body == {"size": MAX_BODY}
        more = await client.request(Request("POST", "/", body=bytes(MAX_BODY + 1)))
        assert (more.status, more.body["reason"]) == (413, "RequestEntityTooLarge")
        assert more.body["message"] == "Request entity too large: limit is 3145728"

    converse(handler, conversation)


HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("sent", [
    b"no http\r\n\r\n",
    b"FROB / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 100_000 + b"\r\n\r\n",
    HEAD + b"Content-Length: two\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
], ids=range(7))  # fmt: skip
def test_what_is_no_http_is_a_bad_request_and_nothing_to_log(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = said_to(sent)
    assert answer.startswith(b"HTTP/1.") and b" 400 Bad Request" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["reason"] == "BadRequest"
    assert not caplog.records


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_TIMEOUT", 0.01)
    assert b"504 Gateway Timeout" in said_to(HEAD + b"Content-Length: 50\r\n\r\n{")


def said_to(sent: bytes) -> bytes:
    """What a server answers to these very bytes."""

    async def handler(request: Request) -> Response:
        return Response(body="it was read")

    async def main() -> bytes:
        server = HttpServer(handler)
        port = await server.listen("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            answer = head + await reader.readexactly(length)
        writer.close()
        await server.close()
        return answer

    return asyncio.run(main())


def test_a_bug_in_a_handler_is_an_internal_error_and_is_told() -> None:
    told: list[str] = []

    async def handler(request: Request) -> Response:
        raise ValueError("a slip")

    async def conversation(client: HttpConnection) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context["message"]))
        answer = await client.request(Request("GET", "/x"))
        assert (answer.status, answer.body["reason"]) == (500, "InternalError")

    converse(handler, conversation)
    assert told == ["the handler of GET /x failed"]


def test_the_client_looks_up_where_a_server_can_be_reached() -> None:
    async def handler(request: Request) -> Response:
        return Response(body=request.headers["host"])

    async def main() -> None:
        server = HttpServer(handler)
        port = await server.listen("127.0.0.1", 0)
        client = HttpConnection("node-1:10250", locate=lambda host, asked: ("127.0.0.1", port))
        async with asyncio.timeout(20):
            assert (await client.request(Request("GET", "/"))).status == 200
        await client.close()
        await server.close()

    asyncio.run(main())

"""The client: where it asks again, and where it must not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest

from kube_edu.etcd import EtcdClient, EtcdError
from kube_edu.etcd.errors import failure, no_leader
from kube_edu.etcd.messages import (
    Event,
    KeyValue,
    PutRequest,
    PutResponse,
    RangeRequest,
    RangeResponse,
    ResponseHeader,
    WatchCreateRequest,
    WatchResponse,
)
from kube_edu.host import Request, Response
from kube_edu.wire import protobuf

T = TypeVar("T")


class Member:
    """Answers with `answers` one after the other, the last of them again and again."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []

    async def request(self, request: Request) -> Response:
        self.asked.append(request.body)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Response) else Response(body=answer)

    async def close(self) -> None: ...


def ask(call: Callable[[EtcdClient], Awaitable[T]], *members: Member) -> T:
    async def run() -> T:
        return await call(EtcdClient(members))

    return asyncio.run(run())


GONE = ConnectionResetError("gone")
REFUSED = ConnectionRefusedError("refused")


def test_a_read_goes_on_to_the_next_member() -> None:
    found = RangeResponse(count=1)
    for trouble in (GONE, REFUSED, failure(no_leader())):
        assert ask(lambda c: c.range(RangeRequest(b"a")), Member(trouble), Member(found)) == found


def test_a_write_that_may_have_happened_is_not_repeated() -> None:
    second = Member(PutResponse())
    with pytest.raises(EtcdError) as caught:
        ask(lambda c: c.put(PutRequest(b"a")), Member(GONE), second)
    assert caught.value.code == "Unavailable"
    assert second.asked == []


def test_a_write_that_was_refused_at_the_door_is() -> None:
    second = Member(PutResponse())
    ask(lambda c: c.put(PutRequest(b"a")), Member(REFUSED), second)
    assert second.asked == [PutRequest(b"a")]


def test_after_trouble_it_stays_with_the_member_that_answered() -> None:
    first, second = Member(REFUSED), Member(PutResponse())

    async def twice(client: EtcdClient) -> None:
        await client.put(PutRequest(b"a"))
        await client.put(PutRequest(b"b"))

    ask(twice, first, second)
    assert (len(first.asked), len(second.asked)) == (1, 2)


def test_answers_off_a_real_socket_are_bytes() -> None:
    found = RangeResponse(kvs=(KeyValue(b"a", 2, 2, 1, b"1"),), count=1)
    assert ask(lambda c: c.range(RangeRequest(b"a")), Member(protobuf.encode(found))) == found


def test_a_broken_watch_goes_on_behind_the_last_event_it_saw() -> None:
    def stream(revision: int, *revisions: int) -> Response:
        async def messages() -> AsyncIterator[WatchResponse]:
            yield WatchResponse(ResponseHeader(revision=revision), created=True)
            for each in revisions:
                event = Event(kv=KeyValue(b"a", mod_revision=each))
                yield WatchResponse(ResponseHeader(revision=each), events=(event,))

        return Response(stream=messages())

    first, second = Member(stream(5, 6, 8)), Member(stream(4), stream(9, 9))

    async def watch(client: EtcdClient) -> list[int]:
        seen = []
        async for response in client.watch(WatchCreateRequest(b"a")):
            seen += [event.kv.mod_revision for event in response.events]
            if 9 in seen:
                break
        return seen

    assert ask(watch, first, second) == [6, 8, 9]
    assert second.asked[0].create_request.start_revision == 9

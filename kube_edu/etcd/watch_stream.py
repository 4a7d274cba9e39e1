"""Many watches on one stream (etcd: server/etcdserver/api/v3rpc/watch.go)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

from kube_edu.etcd import errors
from kube_edu.etcd import messages as rpc
from kube_edu.etcd.errors import EtcdError, raise_for
from kube_edu.host import Handler, Request, Response
from kube_edu.wire import protobuf

WATCH_PATH = "/etcdserverpb.Watch/Watch"

FRAGMENT_BYTES = 2 * 1024 * 1024
"""Larger responses are cut, for clients that ask for it (etcd: --max-request-bytes and 512 KiB)."""

NO_WATCH = -1
"""As `watch_id`: the response is about the whole stream, or about no watch."""


class WatchStream:
    """An async iterator of responses to a stream of requests; it ends when that does. Raises
    EtcdError when the member has to break off: the client goes on elsewhere.

    `watch` serves one watch, `header` tells up to where this member has seen everything.
    """

    def __init__(
        self,
        requests: AsyncIterator[Any],
        watch: Handler,
        header: Callable[[], rpc.ResponseHeader],
    ) -> None:
        self._watch = watch
        self._header = header
        self._responses: asyncio.Queue[rpc.WatchResponse | EtcdError | None] = asyncio.Queue()
        self._watches: dict[int, asyncio.Task[None]] = {}
        self._next_id = 0
        self._reader = asyncio.create_task(self._read(requests))

    def __aiter__(self) -> WatchStream:
        return self

    async def __anext__(self) -> rpc.WatchResponse:
        response = await self._responses.get()
        if response is None:
            raise StopAsyncIteration
        if isinstance(response, EtcdError):
            raise response
        return response

    async def aclose(self) -> None:
        self._reader.cancel()
        for watch in self._watches.values():
            watch.cancel()

    async def _read(self, requests: AsyncIterator[Any]) -> None:
        try:
            async for request in requests:
                await self._take(protobuf.message(rpc.WatchRequest, request))
        except EtcdError as error:
            self._responses.put_nowait(error)
        finally:
            self._responses.put_nowait(None)

    async def _take(self, message: rpc.WatchRequest) -> None:
        if message.create_request is not None:
            await self._create(message)
        elif message.cancel_request is not None:
            id = message.cancel_request.watch_id
            watch = self._watches.pop(id, None)
            if watch is not None:
                watch.cancel()
                self._responses.put_nowait(rpc.WatchResponse(self._header(), id, canceled=True))
        elif message.progress_request is not None:
            progress = rpc.WatchResponse(self._header(), NO_WATCH)
            await asyncio.sleep(0)  # until the watches have handed on what came before it
            self._responses.put_nowait(progress)

    async def _create(self, message: rpc.WatchRequest) -> None:
        assert message.create_request is not None
        id = message.create_request.watch_id
        if id and id in self._watches:
            reason = "mvcc: duplicate watch ID provided on the WatchStream"
            refusal = rpc.WatchResponse(self._header(), NO_WATCH, True, True, 0, reason)
            self._responses.put_nowait(refusal)
            return
        if not id:
            while self._next_id in self._watches:
                self._next_id += 1
            id = self._next_id
            self._next_id += 1
        response = await self._watch(Request("POST", WATCH_PATH, body=message))
        raise_for(response)
        fragment = message.create_request.fragment
        self._watches[id] = asyncio.create_task(self._forward(id, response, fragment))

    async def _forward(self, id: int, response: Response, fragment: bool) -> None:
        assert response.stream is not None
        try:
            async for message in response.stream:
                whole = replace(message, watch_id=id)
                for part in fragments(whole) if fragment else (whole,):
                    self._responses.put_nowait(part)
                if message.canceled:
                    del self._watches[id]
                    return
            self._responses.put_nowait(errors.no_leader())
        finally:
            await response.close()


def fragments(response: rpc.WatchResponse) -> Iterator[rpc.WatchResponse]:
    """A response in parts that are not too large; all but the last say `fragment`."""
    part: list[rpc.Event] = []
    size = 0
    for event in response.events:
        length = len(protobuf.encode(event))
        if part and size + length > FRAGMENT_BYTES:
            yield replace(response, fragment=True, events=tuple(part))
            part, size = [], 0
        part.append(event)
        size += length
    yield replace(response, events=tuple(part))

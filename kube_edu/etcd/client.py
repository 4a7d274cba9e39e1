"""A client of an etcd cluster (etcd: client/v3).

It talks to one member, and goes on to the next when that one is gone. A question may be asked
again; a request that may have been executed is never repeated, so its caller gets an EtcdError
and has to look what happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, TypeVar

from kube_edu.etcd import messages as rpc
from kube_edu.etcd.errors import EtcdError, raise_for
from kube_edu.etcd.service_messages import Empty, StatusResponse
from kube_edu.host import HttpClient, Request, Response
from kube_edu.wire import protobuf

T = TypeVar("T")

TIMEOUT = 10.0
"""Seconds for one answer: a little longer than the server takes to give up by itself."""

RETRY = 0.1
"""Seconds between two rounds through the members."""


class EtcdClient:
    """`clients` are the connections to the members, in the order in which they are tried."""

    def __init__(self, clients: Sequence[HttpClient]) -> None:
        self._clients = list(clients)
        self._current = 0

    async def range(self, request: rpc.RangeRequest) -> rpc.RangeResponse:
        return await self._call("KV/Range", request, rpc.RangeResponse, repeat=True)

    async def put(self, request: rpc.PutRequest) -> rpc.PutResponse:
        return await self._call("KV/Put", request, rpc.PutResponse)

    async def delete_range(self, request: rpc.DeleteRangeRequest) -> rpc.DeleteRangeResponse:
        return await self._call("KV/DeleteRange", request, rpc.DeleteRangeResponse)

    async def txn(self, request: rpc.TxnRequest) -> rpc.TxnResponse:
        return await self._call("KV/Txn", request, rpc.TxnResponse)

    async def compact(self, request: rpc.CompactionRequest) -> rpc.CompactionResponse:
        return await self._call("KV/Compact", request, rpc.CompactionResponse)

    async def lease_grant(self, request: rpc.LeaseGrantRequest) -> rpc.LeaseGrantResponse:
        return await self._call("Lease/LeaseGrant", request, rpc.LeaseGrantResponse)

    async def lease_revoke(self, request: rpc.LeaseRevokeRequest) -> rpc.LeaseRevokeResponse:
        return await self._call("Lease/LeaseRevoke", request, rpc.LeaseRevokeResponse)

    async def lease_time_to_live(
        self, request: rpc.LeaseTimeToLiveRequest
    ) -> rpc.LeaseTimeToLiveResponse:
        method = "Lease/LeaseTimeToLive"
        return await self._call(method, request, rpc.LeaseTimeToLiveResponse, repeat=True)

    async def lease_keep_alive(
        self, request: rpc.LeaseKeepAliveRequest
    ) -> rpc.LeaseKeepAliveResponse:
        """Start a lease's time anew; a TTL of 0 says that it is gone."""
        method = "Lease/LeaseKeepAlive"
        return await self._call(method, request, rpc.LeaseKeepAliveResponse, repeat=True)

    async def status(self) -> StatusResponse:
        """What the member at hand says of itself, its version above all."""
        return await self._call("Maintenance/Status", Empty(), StatusResponse, repeat=True)

    async def watch(
        self, request: rpc.WatchCreateRequest, progress: asyncio.Event | None = None
    ) -> AsyncGenerator[rpc.WatchResponse, None]:
        """Changes from `start_revision` on (0: from now on), in order and without a gap, whatever
        member they come from; the first response says `created`. Ends after a response that says
        `canceled`, and only then. Each time that `progress` is set, the member is asked how far
        it has come, and answers with a response without events."""
        created = False
        while True:
            try:
                first = rpc.WatchRequest(request)
                body = first if progress is None else _requests(first, progress)
                response = await self._once("Watch/Watch", body)
                async with aclosing(_messages(response, rpc.WatchResponse)) as messages:
                    async for message in messages:
                        if message.created:
                            if created:
                                continue
                            created = True
                        yield message
                        if message.canceled:
                            return
                        request = replace(request, start_revision=_next_revision(request, message))
            except ConnectionError:
                pass
            except EtcdError as error:
                if error.code != "Unavailable":
                    raise
            self._go_on()
            await asyncio.sleep(RETRY)

    # -- one request --------------------------------------------------------------------------

    async def _call(self, method: str, request: Any, answer: type[T], repeat: bool = False) -> T:
        """Ask a member, and the next ones if that is safe. Raises EtcdError."""
        for attempt in range(len(self._clients)):
            try:
                response = await self._once(method, request)
                if response.stream is None:
                    return protobuf.message(answer, response.body)
                async with aclosing(_messages(response, answer)) as messages:
                    async for message in messages:
                        return message
                raise ConnectionResetError("the stream ended without an answer")
            except (ConnectionError, EtcdError) as error:
                if isinstance(error, EtcdError) and error.code != "Unavailable":
                    raise
                self._go_on()
                safe = repeat or isinstance(error, ConnectionRefusedError)
                if not safe or attempt == len(self._clients) - 1:
                    raise _unavailable(error) from error
        raise AssertionError("an EtcdClient needs at least one member")

    async def _once(self, method: str, request: Any) -> Response:
        client = self._clients[self._current]
        message = Request("POST", f"/etcdserverpb.{method}", body=request)
        try:
            async with asyncio.timeout(TIMEOUT):
                response = await client.request(message)
        except TimeoutError:
            raise EtcdError("Unavailable", "etcdserver: request timed out") from None
        raise_for(response)
        return response

    def _go_on(self) -> None:
        self._current = (self._current + 1) % len(self._clients)


async def _requests(
    first: rpc.WatchRequest, progress: asyncio.Event
) -> AsyncIterator[rpc.WatchRequest]:
    yield first
    while True:
        await progress.wait()
        progress.clear()
        yield rpc.WatchRequest(progress_request=rpc.WatchProgressRequest())


def _unavailable(error: Exception) -> EtcdError:
    return error if isinstance(error, EtcdError) else EtcdError("Unavailable", str(error))


def _next_revision(request: rpc.WatchCreateRequest, message: rpc.WatchResponse) -> int:
    """Where a watch goes on when it has to begin again after this message."""
    if message.events:
        return message.events[-1].kv.mod_revision + 1
    if message.header is None or (message.created and request.start_revision):
        return request.start_revision
    return max(request.start_revision, message.header.revision + 1)


async def _messages(response: Response, kind: type[T]) -> AsyncGenerator[T, None]:
    assert response.stream is not None
    try:
        async for message in response.stream:
            yield protobuf.message(kind, message)
    finally:
        await response.close()

"""The client of the store that lab 03 works with: etcd's own requests, with text in place of bytes.

    compare("mod", "counter", "=", 7)      put("counter", "8")      get("counter")
    delete("counter")

make the parts of a transaction, in the words that `etcdctl txn` has for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kube_edu.etcd import EtcdClient, EtcdError
from kube_edu.etcd.messages import (
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRangeRequest,
    KeyValue,
    LeaseGrantRequest,
    LeaseKeepAliveRequest,
    LeaseRevokeRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    ResponseOp,
    TxnRequest,
    WatchCreateRequest,
    WatchRequest,
    WatchResponse,
    prefix_end,
)
from kube_edu.host import HttpClient, Request

RESULTS = {
    "=": CompareResult.EQUAL,
    "!=": CompareResult.NOT_EQUAL,
    ">": CompareResult.GREATER,
    "<": CompareResult.LESS,
}
TARGETS = {
    "create": (CompareTarget.CREATE, "create_revision"),
    "mod": (CompareTarget.MOD, "mod_revision"),
    "version": (CompareTarget.VERSION, "version"),
    "value": (CompareTarget.VALUE, "value"),
    "lease": (CompareTarget.LEASE, "lease"),
}
RETRY = 0.3
"""Seconds until a watch that finds nobody to serve it ends."""


class Unanswered(ConnectionError):
    """No answer came. The request may have been executed, or may not."""


class LeaseGone(TimeoutError):
    """The lease has run out, and is no more."""


@dataclass(frozen=True, slots=True)
class Kv:
    """A key at some revision."""

    key: str
    value: str
    create_revision: int
    mod_revision: int
    version: int
    lease: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The keys of a range, sorted, and the revision of the store at which they were so."""

    kvs: tuple[Kv, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class TxnAnswer:
    """Which way a transaction went, and what its operations answered: a get its Kv or None, a
    delete the number of keys, a put None. `revision` is that of the store after it."""

    succeeded: bool
    revision: int
    results: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """`type` is "PUT" or "DELETE"; of what was deleted `kv` has only key and mod_revision."""

    type: str
    kv: Kv


@dataclass(frozen=True, slots=True)
class WatchAnswer:
    """Changes, in order. If the watch was refused, because what it wants is compacted, it is
    `canceled`, and `compact_revision` says from where on there is anything to be had."""

    events: tuple[Change, ...]
    revision: int
    canceled: bool = False
    compact_revision: int = 0


def compare(target: str, key: str, result: str, wanted: Any) -> Compare:
    """`compare("create", "lock", "=", 0)`: the key "lock" does not exist. The target is "create",
    "mod", "version", "lease" or "value", the result "=", "!=", ">" or "<"."""
    if target not in TARGETS or result not in RESULTS:
        raise ValueError(
            f"compare({target!r}, …, {result!r}, …): the target is one of "
            f"{', '.join(TARGETS)}, the result one of {'  '.join(RESULTS)}"
        )
    kind, name = TARGETS[target]
    value: Any = str(wanted).encode() if target == "value" else int(wanted)
    return Compare(RESULTS[result], kind, key.encode(), **{name: value})


def put(key: str, value: str, lease: int = 0) -> RequestOp:
    return RequestOp(request_put=PutRequest(key.encode(), str(value).encode(), int(lease)))


def get(key: str) -> RequestOp:
    return RequestOp(request_range=RangeRequest(key.encode()))


def delete(key: str) -> RequestOp:
    return RequestOp(request_delete_range=DeleteRangeRequest(key.encode()))


class Etcd:
    """A client. Every answer that does not come is an Unanswered (a ConnectionError)."""

    def __init__(self, clients: Sequence[HttpClient]) -> None:
        self.connections = list(clients)
        self._client = EtcdClient(clients)

    async def get(self, key: str) -> Kv | None:
        """The key as it is now; None if it does not exist."""
        answer = await self._ask("range", RangeRequest(key.encode()))
        return text_of(answer.kvs[0]) if answer.kvs else None

    async def list(self, prefix: str) -> Listing:
        """All keys that begin so, as they are now."""
        start = prefix.encode()
        answer = await self._ask("range", RangeRequest(start, prefix_end(start)))
        return Listing(tuple(map(text_of, answer.kvs)), answer.header.revision)

    async def put(self, key: str, value: str, lease: int = 0) -> int:
        """Set a key, whatever it is; returns the revision at which that happened."""
        request = PutRequest(key.encode(), str(value).encode(), int(lease))
        return int((await self._ask("put", request)).header.revision)

    async def delete(self, key: str) -> int:
        """Delete a key; returns how many there were (0 or 1)."""
        answer = await self._ask("delete_range", DeleteRangeRequest(key.encode()))
        return int(answer.deleted)

    async def txn(
        self,
        compares: Sequence[Compare],
        success: Sequence[RequestOp],
        failure: Sequence[RequestOp] = (),
    ) -> TxnAnswer:
        """If all comparisons hold do `success`, else `failure`; all at one revision."""
        request = TxnRequest(tuple(compares), tuple(success), tuple(failure))
        if not all(isinstance(op, RequestOp) for op in (*request.success, *request.failure)):
            raise TypeError(
                "the operations of a Txn are made by put(…), get(…) and delete(…); etcd.put(…), "
                "etcd.get(…) and etcd.delete(…) are requests of their own"
            )
        answer = await self._ask("txn", request)
        results = tuple(map(_result, answer.responses))
        return TxnAnswer(answer.succeeded, answer.header.revision, results)

    def watch(self, key: str, start_revision: int = 0, *, prefix: bool = False) -> Watch:
        """Changes of a key (with `prefix`: of all that begin so) from a revision on; 0 is "from
        now on". An async iterator of WatchAnswer, which ends when the connection breaks."""
        start = key.encode()
        end = prefix_end(start) if prefix else b""
        return Watch(self.connections, WatchCreateRequest(start, end, int(start_revision)))

    async def grant(self, ttl: int) -> int:
        """A new lease of so many seconds; returns its ID."""
        return int((await self._ask("lease_grant", LeaseGrantRequest(ttl))).ID)

    async def keep_alive(self, lease: int) -> int:
        """Start a lease's time anew; returns its seconds, 0 if it is gone."""
        request = LeaseKeepAliveRequest(lease)
        return int((await self._ask("lease_keep_alive", request)).TTL)

    async def keep(self, lease: int, every: float = 1.0) -> None:
        """Keep a lease alive, until it is gone."""
        left = lease
        while left:
            await asyncio.sleep(every)
            with suppress(ConnectionError, TimeoutError):
                left = await self.keep_alive(lease)

    async def revoke(self, lease: int) -> None:
        """End a lease, and the keys that hang on it."""
        await self._ask("lease_revoke", LeaseRevokeRequest(lease))

    async def _ask(self, method: str, request: Any) -> Any:
        try:
            return await getattr(self._client, method)(request)
        except EtcdError as error:
            if error.code == "Unavailable":
                raise Unanswered(error.message) from None
            if error.code == "NotFound":
                raise LeaseGone(error.message) from None
            raise


class Watch:
    """One watch on one connection: no more is done for it than etcd does."""

    def __init__(self, clients: Sequence[HttpClient], request: WatchCreateRequest) -> None:
        self.request = request
        self._clients = clients
        self._responses: Any = None
        self._waiting: deque[WatchAnswer] = deque()
        self._ended = False

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> WatchAnswer:
        while not self._ended and not self._waiting:
            try:
                if self._responses is None:
                    self._responses = await self._open()
                self._waiting.extend(self.pieces(await anext(self._responses)))
            except (ConnectionError, StopAsyncIteration):
                self._ended = True
                await asyncio.sleep(RETRY)
        if not self._waiting:
            raise StopAsyncIteration
        return self._waiting.popleft()

    def pieces(self, message: WatchResponse) -> Sequence[WatchAnswer]:
        """What there is to tell of a message: nothing, if it only says that the watch is there."""
        assert message.header is not None
        if message.created or not (message.events or message.canceled):
            return ()
        changes = tuple(Change(event.type.name, text_of(event.kv)) for event in message.events)
        return (
            WatchAnswer(
                changes, message.header.revision, message.canceled, message.compact_revision
            ),
        )

    async def _open(self) -> Any:
        """The stream of the first member that serves it."""
        request = Request("POST", "/etcdserverpb.Watch/Watch", body=WatchRequest(self.request))
        for client in self._clients:
            try:
                response = await client.request(request)
            except ConnectionError:
                continue
            if response.stream is not None:
                return aiter(response.stream)
        raise ConnectionError("no member answers")


def text_of(kv: KeyValue) -> Kv:
    return Kv(
        kv.key.decode(errors="replace"),
        kv.value.decode(errors="replace"),
        kv.create_revision,
        kv.mod_revision,
        kv.version,
        kv.lease,
    )


def _result(response: ResponseOp) -> Any:
    if response.response_range is not None:
        kvs = response.response_range.kvs
        return text_of(kvs[0]) if kvs else None
    if response.response_delete_range is not None:
        return response.response_delete_range.deleted
    return None

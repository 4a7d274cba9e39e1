"""Objects in etcd: JSON under their key, guarded by revisions.

Every write is a transaction that compares the revision at which the key was last written: whoever
comes second loses and has to read again (apiserver, pkg/storage/etcd3/store.go).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from kube_edu.api.meta import Object
from kube_edu.api.status import (
    ApiError,
    gone,
    service_unavailable,
    timeout,
    too_large_resource_version,
)
from kube_edu.apiserver.encryption import PLAIN, Encryption
from kube_edu.apiserver.stored import Decoder, Stored, encode, with_revision
from kube_edu.etcd import messages as rpc
from kube_edu.etcd.client import EtcdClient
from kube_edu.etcd.errors import EtcdError

T = TypeVar("T")

TIMEOUT = 30.0
"""Seconds that the store has for one answer."""


class Page(NamedTuple):
    """Objects read at one revision, in the order of their keys."""

    found: list[Stored]
    revision: int
    remaining: int
    """So many keys follow."""


class Lost(Exception):
    """A write that lost: its object is not at the revision that was expected, or a key that it
    wanted to claim is taken."""

    def __init__(self, current: Object | None, taken: list[str]) -> None:
        super().__init__("the write lost")
        self.current = current
        self.taken = taken


class Storage:
    """Objects by key, over a client of etcd. Raises ApiError where the store fails."""

    def __init__(self, client: EtcdClient, encryption: Encryption = PLAIN) -> None:
        self._client = client
        self._encryption = encryption
        self._decoder = Decoder()
        self._lease = 0
        self._lease_until = 0.0

    async def read(self, key: str) -> Stored | None:
        """The newest state of an object: what a majority of the store agrees on."""
        response = await _answer(self._client.range, rpc.RangeRequest(key.encode()))
        return self.stored(response.kvs[0]) if response.kvs else None

    async def get(self, key: str) -> Object | None:
        stored = await self.read(key)
        return stored.decoded() if stored is not None else None

    async def is_stale(self, key: str) -> bool:
        """Whether an object ought to be written anew, for its key of encryption has changed."""
        if self._encryption is PLAIN:
            return False
        response = await _answer(self._client.range, rpc.RangeRequest(key.encode()))
        return any(self._encryption.is_stale(key, kv.value) for kv in response.kvs)

    async def page(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0
    ) -> Page:
        """Objects below a prefix from the key `start` on, at a revision (0: the newest)."""
        first, end = (start or prefix).encode(), rpc.prefix_end(prefix.encode())
        request = rpc.RangeRequest(first, end, limit, revision)
        response = await _answer(self._client.range, request)
        found = [self.stored(kv) for kv in response.kvs]
        return Page(found, revision or at(response.header), response.count - len(found))

    async def revision(self) -> int:
        """The store's revision, as a majority of it agrees now: a read of a key that is not there
        (etcd3/store.go, GetCurrentResourceVersion)."""
        response = await _answer(self._client.range, rpc.RangeRequest(b"/registry/"))
        return at(response.header)

    async def tells_progress(self) -> bool:
        """Whether the store's watches say reliably, when asked, how far they have come
        (apiserver, pkg/storage/feature/feature_support_checker.go)."""
        status = await _answer(lambda _: self._client.status(), None)
        version = tuple(int(number) for number in re.findall(r"\d+", status.version)[:3])
        return version >= (3, 5, 13) or (3, 4, 31) <= version < (3, 5)

    async def keys(self, prefix: str) -> list[str]:
        request = rpc.RangeRequest(prefix.encode(), rpc.prefix_end(prefix.encode()), keys_only=True)
        response = await _answer(self._client.range, request)
        return [kv.key.decode() for kv in response.kvs]

    async def write(
        self,
        key: str,
        obj: Object | None,
        *,
        expected: int,
        claim: Mapping[str, Object] | None = None,
        release: list[str] | None = None,
        ttl: int = 0,
    ) -> Object:
        """Put the object (None: delete it) if its key was last written at revision `expected`
        (0: does not exist). In the same transaction, `claim` creates keys that must not exist yet
        and `release` deletes some: what a Service owns comes and goes with it. With a `ttl` the
        store deletes the object after so many seconds. Returns the object with its new
        resourceVersion; raises Lost."""
        lease = await self._leased(ttl) if ttl and obj is not None else 0
        claims = claim or {}
        compare = [_at_revision(key, expected), *(_at_revision(k, 0) for k in claims)]
        success = [_delete(key) if obj is None else self._put(key, obj, lease)]
        success += [self._put(k, value) for k, value in claims.items()]
        success += [_delete(k) for k in release or ()]
        failure = [
            rpc.RequestOp(request_range=rpc.RangeRequest(k.encode())) for k in (key, *claims)
        ]
        request = rpc.TxnRequest(tuple(compare), tuple(success), tuple(failure))
        response = await _answer(self._client.txn, request)
        if response.succeeded:
            return with_revision(obj or {}, at(response.header))
        found = [r.response_range.kvs for r in response.responses if r.response_range is not None]
        taken = [k for k, kvs in zip(claims, found[1:], strict=True) if kvs]
        current = self.stored(found[0][0]).decoded() if found[0] else None
        raise Lost(current, taken)

    async def _leased(self, ttl: int) -> int:
        """A lease that lives this long at least: one serves all that are written within a minute
        (etcd3/lease_manager.go)."""
        now = asyncio.get_running_loop().time()
        if now >= self._lease_until:
            granted = await _answer(self._client.lease_grant, rpc.LeaseGrantRequest(ttl + 60))
            self._lease, self._lease_until = granted.ID, now + 60
        return self._lease

    def watch(
        self, prefix: str, since: int, progress: asyncio.Event
    ) -> AsyncGenerator[rpc.WatchResponse, None]:
        """What changes below a prefix after revision `since`, and how far that has come whenever
        `progress` is set."""
        key = prefix.encode()
        request = rpc.WatchCreateRequest(key, rpc.prefix_end(key), since + 1, progress_notify=True)
        return self._client.watch(request, progress)

    def _put(self, key: str, obj: Object, lease: int = 0) -> rpc.RequestOp:
        sealed = self._encryption.seal(key, encode(obj))
        return rpc.RequestOp(request_put=rpc.PutRequest(key.encode(), sealed, lease))

    def stored(self, kv: rpc.KeyValue) -> Stored:
        opened = self._encryption.open(kv.key.decode(), kv.value)
        return self._decoder.stored(kv if opened is kv.value else replace(kv, value=opened))

    async def compact(self, revision: int) -> None:
        await _answer(self._client.compact, rpc.CompactionRequest(revision))


def at(header: rpc.ResponseHeader | None) -> int:
    """The store's revision when it answered."""
    return header.revision if header is not None else 0


def _at_revision(key: str, revision: int) -> rpc.Compare:
    equal, modified = rpc.CompareResult.EQUAL, rpc.CompareTarget.MOD
    return rpc.Compare(equal, modified, key.encode(), mod_revision=revision)


def _delete(key: str) -> rpc.RequestOp:
    return rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key.encode()))


async def _answer(call: Callable[[Any], Awaitable[T]], request: Any) -> T:
    """One call of the store, its failures told in the API's words."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return await call(request)
    except TimeoutError:
        raise timeout("request did not complete within the allotted timeout") from None
    except EtcdError as failure:
        raise store_failure(failure) from failure
    except ConnectionError as failure:
        raise service_unavailable(f"the store is unavailable: {failure}") from failure


def store_failure(failure: EtcdError) -> ApiError:
    text = failure.message
    if "compacted" in text:
        return gone("The resourceVersion for the provided list is too old.")
    if "future revision" in text:
        return too_large_resource_version(text)
    if "timed out" in text or failure.code == "DeadlineExceeded":
        return timeout(text)
    return service_unavailable(f"the store is unavailable: {text}")

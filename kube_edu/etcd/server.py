"""An etcd member: answers clients, and keeps its state the same as the other members' by Raft.

A write becomes a log entry, proposed by the leader (other members hand theirs on to it), and is
answered when this member has applied it. A read is answered from this member's own state, once
ReadIndex has made sure that it is new enough (etcd: server/etcdserver/v3_server.go).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from kube_edu.etcd import errors
from kube_edu.etcd.check import check
from kube_edu.etcd.driver import ELECTION_TICKS, SNAPSHOT_PATH, TICK, RaftDriver
from kube_edu.etcd.errors import CODES, EtcdError
from kube_edu.etcd.messages import (
    CompactionRequest,
    DeleteRangeRequest,
    InternalRaftRequest,
    LeaseGrantRequest,
    LeaseKeepAliveRequest,
    LeaseKeepAliveResponse,
    LeaseRevokeRequest,
    LeaseTimeToLiveRequest,
    LeaseTimeToLiveResponse,
    PutRequest,
    RangeRequest,
    TxnRequest,
    WatchRequest,
)
from kube_edu.etcd.mvcc import Store
from kube_edu.etcd.state import State, compare_holds
from kube_edu.host import Host, Request, Response
from kube_edu.raft import Entry, Message, RaftNode, Rules
from kube_edu.wire import protobuf

REQUEST_TIMEOUT = 5 + 2 * ELECTION_TICKS * TICK
"""Seconds for one request: etcd's five, and time to elect a leader."""

ASK_AGAIN = 1.0
"""Seconds after which the leader is asked again about a lease."""

MAX_REQUEST_BYTES = 1536 * 1024

LEADERLESS_TICKS = 3 * ELECTION_TICKS
"""After so long without a leader, watchers are told to look elsewhere."""

PROGRESS_TICKS = round(600 / TICK)

PROPOSE_PATH = "/raft/propose"
KEEP_ALIVE_PATH = "/etcdserverpb.Lease/LeaseKeepAlive"
TIME_TO_LIVE_PATH = "/etcdserverpb.Lease/LeaseTimeToLive"

# A proposal's bytes reach all members of a simulated cluster as one object: decode them once.
_decode = functools.lru_cache(maxsize=64)(
    functools.partial(protobuf.decode, InternalRaftRequest)
)  # fmt: skip


class EtcdServer:
    """The member `host.name` of `members` (name → peer endpoint).

    `roles` may replace "raft.grant_vote", "raft.append_entries", "raft.commit_index",
    "raft.election_timeout" and "etcd.compare_holds".
    """

    def __init__(
        self,
        host: Host,
        members: Mapping[str, str],
        *,
        roles: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        roles = roles or {}
        rules = {
            name: roles[f"raft.{name}"]
            for name in ("election_timeout", "grant_vote", "append_entries", "commit_index")
            if f"raft.{name}" in roles
        }
        self._host = host
        self._endpoint = members[host.name]
        compare = roles.get("etcd.compare_holds", compare_holds)
        self.state = State(compare=compare, record=host.record)
        self.state.member_id = numbered(host.name)
        self.state.cluster_id = numbered(",".join(sorted(members)))
        self._driver = RaftDriver(
            host,
            members,
            Rules(**rules),
            apply=self._apply,
            snapshot=self.state.snapshot,
            restore=self.state.restore,
            ticked=self._ticked,
        )
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._ids = itertools.count(host.random.getrandbits(40) << 20)
        self._leaderless = 0
        self._ticks = 0
        self._stopped = False
        self._methods: dict[str, tuple[type, Callable[[Any], Awaitable[Response]]]] = {
            "/etcdserverpb.KV/Range": (RangeRequest, self._range),
            "/etcdserverpb.KV/Put": (PutRequest, self._write("put")),
            "/etcdserverpb.KV/DeleteRange": (DeleteRangeRequest, self._write("delete_range")),
            "/etcdserverpb.KV/Txn": (TxnRequest, self._txn),
            "/etcdserverpb.KV/Compact": (CompactionRequest, self._write("compaction")),
            "/etcdserverpb.Watch/Watch": (WatchRequest, self._watch),
            "/etcdserverpb.Lease/LeaseGrant": (LeaseGrantRequest, self._grant),
            "/etcdserverpb.Lease/LeaseRevoke": (LeaseRevokeRequest, self._write("lease_revoke")),
            KEEP_ALIVE_PATH: (LeaseKeepAliveRequest, self._keep_alive),
            TIME_TO_LIVE_PATH: (LeaseTimeToLiveRequest, self._time_to_live),
        }

    @property
    def store(self) -> Store:
        """The keys, for a look inside."""
        return self.state.store

    @property
    def node(self) -> RaftNode:
        """The Raft member, for a look inside."""
        return self._driver.node

    async def run(self) -> None:
        """Take part in the cluster. A disk that fails stops the member: it answers nothing more,
        rather than something that it might not remember."""
        port = int(self._endpoint.rpartition(":")[2])
        server = await self._host.serve(port, self._handle_peer, identity="etcd")
        try:
            await self._driver.run()
        except* OSError:
            self._stopped = True
            self.state.watches.end_all()
        finally:
            await server.close()

    async def handle(self, request: Request) -> Response:
        """Answer a client: POST /etcdserverpb.KV/Range and so on, with the message, or its
        protobuf, as the body. A failure is a gRPC "trailers-only" response: the status and its
        text in the headers."""
        try:
            message_type, method = self._method(request.path)
            return await method(_body(message_type, request.body))
        except EtcdError as error:
            return failure(error)

    def _method(self, path: str) -> tuple[type, Callable[[Any], Awaitable[Response]]]:
        if self._stopped:
            raise errors.stopped()
        if path not in self._methods:
            raise errors.unknown_method(path)
        return self._methods[path]

    # -- keys ---------------------------------------------------------------------------------

    async def _range(self, request: RangeRequest) -> Response:
        check(request)
        if not request.serializable:
            await self._barrier()
        return Response(body=self.state.apply(request))

    async def _txn(self, request: TxnRequest) -> Response:
        check(request)
        if reads_only(request):
            await self._barrier()
            return Response(body=self.state.apply(request))
        return Response(body=await self._propose(txn=request))

    def _write(self, name: str) -> Callable[[Any], Awaitable[Response]]:
        async def write(request: Any) -> Response:
            check(request)
            return Response(body=await self._propose(**{name: request}))

        return write

    async def _watch(self, request: WatchRequest) -> Response:
        if self._leaderless >= LEADERLESS_TICKS:
            raise errors.no_leader()
        if request.create_request is None:
            raise errors.unknown_method("a watch stream that does not begin with a create_request")
        return Response(stream=self.state.watches.watch(request.create_request))

    # -- leases -------------------------------------------------------------------------------

    async def _grant(self, request: LeaseGrantRequest) -> Response:
        request = replace(request, ID=request.ID or self._host.random.getrandbits(62) + 1)
        return Response(body=await self._propose(lease_grant=request))

    async def _keep_alive(self, request: LeaseKeepAliveRequest) -> Response:
        answer = await self._ask_leader(KEEP_ALIVE_PATH, request)
        return Response(stream=_once(answer))

    async def _time_to_live(self, request: LeaseTimeToLiveRequest) -> Response:
        return Response(body=await self._ask_leader(TIME_TO_LIVE_PATH, request))

    async def _ask_leader(self, path: str, request: Any) -> Any:
        """Only the leader knows how much time leases have left."""
        async with _deadline():
            while True:
                leader = self._driver.leader
                if self._counts_leases:
                    await self._driver.read_barrier()  # it still leads, and knows all leases
                    return self._lease(request)
                if leader and not self._driver.leads:
                    with contextlib.suppress(ConnectionError, TimeoutError):
                        async with asyncio.timeout(ASK_AGAIN):
                            question = Request("POST", path, body=request)
                            response = await self._driver.ask(leader, question)
                        if response.status == 200:
                            return response.body
                await asyncio.sleep(TICK)

    @property
    def _counts_leases(self) -> bool:
        """Whether this member leads, and has begun to count the leases' time in this term."""
        return self._driver.leads and self.state.leases.term == self.node.term

    def _lease(self, request: Any) -> Any:
        now = asyncio.get_running_loop().time()
        leases, header = self.state.leases, self.state.header()
        if isinstance(request, LeaseKeepAliveRequest):
            return LeaseKeepAliveResponse(header, request.ID, leases.renew(request.ID, now))
        lease = leases.leases.get(request.ID)
        if lease is None:
            return LeaseTimeToLiveResponse(header, request.ID, -1)
        keys = tuple(sorted(lease.keys)) if request.keys else ()
        left = max(int(lease.expiry - now), 0)
        return LeaseTimeToLiveResponse(header, request.ID, left, lease.ttl, keys)

    # -- through the log ----------------------------------------------------------------------

    async def _barrier(self) -> None:
        async with _deadline():
            await self._driver.read_barrier()

    async def _propose(self, **request: Any) -> Any:
        """Put a request through the log; returns its response, or raises its EtcdError. When the
        time is up, it may still happen later."""
        id = next(self._ids)
        data = protobuf.encode(InternalRaftRequest(ID=id, **request))
        if len(data) > MAX_REQUEST_BYTES:
            raise errors.request_too_large()
        answer = self._answers[id] = asyncio.get_running_loop().create_future()
        leader = self._driver.leader
        try:
            async with _deadline():
                await self._submit(data)
                return await answer
        except EtcdError as error:
            if error.code == "Unavailable" and leader and leader != self._driver.leader:
                raise errors.leader_failed() from None
            raise
        finally:
            del self._answers[id]

    async def _submit(self, data: bytes) -> None:
        """Get a proposal to the leader, once. While nobody leads, wait."""
        while not self._driver.propose(data):
            leader = self._driver.leader
            if leader:
                try:
                    request = Request("POST", PROPOSE_PATH, body=data)
                    if (await self._driver.ask(leader, request)).status == 200:
                        return
                except ConnectionRefusedError:
                    pass  # it was not delivered
                except ConnectionError:
                    return  # it may have been: wait for the answer, and do not ask twice
            await asyncio.sleep(TICK)

    def _apply(self, entry: Entry) -> None:
        request = _decode(entry.data)
        name, operation = _operation(request)
        store = self.state.store
        before = store.revision
        self.state.term = entry.term
        answer = self._answers.get(request.ID)
        try:
            response = self.state.apply(operation)
            if answer is not None and not answer.done():
                answer.set_result(response)
        except EtcdError as error:
            if answer is not None and not answer.done():
                answer.set_exception(error)
        changes = store.changes(before + 1) if store.revision > before else ()
        self._host.record(
            "etcd.apply",
            index=entry.index,
            revision=store.revision,
            op=name,
            keys=[event.kv.key.decode(errors="replace") for events in changes for event in events],
        )

    def _ticked(self) -> None:
        leases, now = self.state.leases, asyncio.get_running_loop().time()
        if not self._driver.leads:
            leases.demote()
        else:
            if not self._counts_leases:
                leases.promote(now, self.node.term)
            for id in leases.tick(now):
                revoke = InternalRaftRequest(next(self._ids), lease_revoke=LeaseRevokeRequest(id))
                self._driver.propose(protobuf.encode(revoke))
        self._leaderless = 0 if self._driver.leader else self._leaderless + 1
        if self._leaderless == LEADERLESS_TICKS:
            self.state.watches.end_all()
        self._ticks += 1
        if self._ticks % PROGRESS_TICKS == 0:
            self.state.watches.progress()

    # -- other members ------------------------------------------------------------------------

    async def _handle_peer(self, request: Request) -> Response:
        """What members ask one another beside Raft's messages."""
        if request.path == SNAPSHOT_PATH:
            self._driver.take_snapshot(_body(Message, request.body))
            return Response()
        if request.path == PROPOSE_PATH:
            return Response(200 if self._driver.propose(request.body) else 421)
        if not self._driver.leads:
            return Response(421)
        message_type, _ = self._method(request.path)
        try:
            return Response(
                body=await self._ask_leader(request.path, _body(message_type, request.body))
            )
        except EtcdError as error:
            return Response(503, body=error.message)


def reads_only(request: TxnRequest) -> bool:
    """Whether a transaction, whichever way it goes, changes nothing."""
    return all(
        op.request_range is not None or (op.request_txn is not None and reads_only(op.request_txn))
        for op in request.success + request.failure
    )


def failure(error: EtcdError) -> Response:
    """An error as gRPC puts it into the headers of a response without a message."""
    headers = {"grpc-status": str(CODES[error.code]), "grpc-message": error.message}
    return Response(headers=headers)


def numbered(name: str) -> int:
    """An id for a name, as etcd makes them from a member's addresses."""
    return int.from_bytes(hashlib.sha1(name.encode()).digest()[:8])


@contextlib.asynccontextmanager
async def _deadline() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT):
            yield
    except TimeoutError:
        raise errors.timed_out() from None


async def _once(message: Any) -> AsyncIterator[Any]:
    yield message


def _body(message_type: type, body: Any) -> Any:
    return protobuf.decode(message_type, body) if isinstance(body, bytes) else body


def _operation(request: InternalRaftRequest) -> tuple[str, Any]:
    """The one operation of a log entry, and its name."""
    for name in OPERATIONS:
        operation = getattr(request, name)
        if operation is not None:
            return name, operation
    raise ValueError(f"an entry without an operation: {request}")


OPERATIONS = ("put", "txn", "delete_range", "range", "compaction", "lease_grant", "lease_revoke")

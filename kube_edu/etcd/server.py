"""An etcd member: answers clients, and keeps its state the same as the other members' by Raft.

A write becomes a log entry, proposed by the leader (other members hand theirs on to it), and is
answered when this member has applied it. A read is answered from this member's own state, once
ReadIndex has made sure that it is new enough (etcd: server/etcdserver/v3_server.go).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from kube_edu.etcd import errors
from kube_edu.etcd import messages as rpc
from kube_edu.etcd.check import check
from kube_edu.etcd.cluster import MEMBERS_PATH, ClusterService, MemberRemoved, Methods
from kube_edu.etcd.deadline import REQUEST_TIMEOUT, deadline
from kube_edu.etcd.driver import ELECTION_TICKS, SNAPSHOT_PATH, TICK, RaftDriver
from kube_edu.etcd.errors import EtcdError, failure
from kube_edu.etcd.lease_service import KEEP_ALIVE_PATH, TIME_TO_LIVE_PATH, LeaseService
from kube_edu.etcd.membership import Membership, endpoint_of, numbered
from kube_edu.etcd.mvcc import Store
from kube_edu.etcd.service_messages import HeaderOnly
from kube_edu.etcd.state import State, compare_holds
from kube_edu.etcd.watch import Watcher
from kube_edu.host import Host, Request, Response
from kube_edu.raft import Entry, Message, RaftNode, Rules
from kube_edu.wire import protobuf

MAX_REQUEST_BYTES = 1536 * 1024

LEADERLESS_TICKS = 3 * ELECTION_TICKS
"""After so long without a leader, watchers are told to look elsewhere."""

PROGRESS_TICKS = round(600 / TICK)

PROPOSE_PATH = "/raft/propose"

NOT_NOW, REFUSED = 421, 503
"""What a member answers another one that it cannot serve; REFUSED has an EtcdError as its body."""

R = TypeVar("R")

# A proposal's bytes reach all members of a simulated cluster as one object: decode them once.
_decode = functools.lru_cache(maxsize=64)(
    functools.partial(protobuf.decode, rpc.InternalRaftRequest)
)  # fmt: skip


class EtcdServer:
    """The member `host.name` of `members` (name → peer URL or endpoint): of those that the cluster
    begins with, or, with `join`, of one that exists and has been told of this member.

    `client_urls` is what the other members tell of it.
    `roles` may replace each of Raft's `Rules` ("raft.grant_vote", ...), and "etcd.compare_holds".
    """

    def __init__(
        self,
        host: Host,
        members: Mapping[str, str],
        *,
        join: bool = False,
        cluster_id: int = 0,
        client_urls: Sequence[str] = (),
        roles: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        roles = roles or {}
        rules = {
            field.name: roles[f"raft.{field.name}"]
            for field in fields(Rules)
            if f"raft.{field.name}" in roles
        }
        self._host = host
        self._endpoint = endpoint_of(members[host.name])
        self._client_urls = tuple(client_urls)
        compare = roles.get("etcd.compare_holds", compare_holds)
        self.state = State(compare=compare, record=host.record)
        if not join:
            cluster_id = cluster_id or numbered(",".join(sorted(members)))
            self.state.members = Membership.initial(members, cluster_id)
        self._driver = RaftDriver(
            host,
            members,
            self.state,
            Rules(**rules),
            join=join,
            apply=self._apply,
            apply_change=self._apply_change,
            ticked=self._ticked,
        )
        self._proposed: dict[bytes, tuple[rpc.InternalRaftRequest, asyncio.Future[Any]]] = {}
        self._ids = itertools.count(host.random.getrandbits(40) << 20)
        self.cluster = ClusterService(
            self._driver, self.state, self._barrier, self._propose, self._ids, self._ask_leader
        )
        self._leases = leases = LeaseService(
            self._driver, self.state, self._propose, host.random, self._ask_leader
        )
        self._deciders = {**self.cluster.deciders, **leases.deciders}
        self._leaderless = 0
        self._ticks = 0
        self._stopped = False
        self.methods: Methods = {
            "/etcdserverpb.KV/Range": (rpc.RangeRequest, self._range),
            "/etcdserverpb.KV/Put": (rpc.PutRequest, self._write("put")),
            "/etcdserverpb.KV/DeleteRange": (rpc.DeleteRangeRequest, self._write("delete_range")),
            "/etcdserverpb.KV/Txn": (rpc.TxnRequest, self._txn),
            "/etcdserverpb.KV/Compact": (rpc.CompactionRequest, self._write("compaction")),
            "/etcdserverpb.Watch/Watch": (rpc.WatchRequest, self._watch),
            "/etcdserverpb.Lease/LeaseGrant": (rpc.LeaseGrantRequest, leases.grant),
            "/etcdserverpb.Lease/LeaseRevoke": (
                rpc.LeaseRevokeRequest,
                self._write("lease_revoke"),
            ),
            KEEP_ALIVE_PATH: (rpc.LeaseKeepAliveRequest, leases.keep_alive),
            TIME_TO_LIVE_PATH: (rpc.LeaseTimeToLiveRequest, leases.time_to_live),
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
        """Take part in the cluster, until this member is removed from it. A disk that fails stops
        it too: it answers nothing more, rather than something that it might not remember."""
        port = int(self._endpoint.rpartition(":")[2])
        server = await self._host.serve(port, self._handle_peer, identity="etcd")
        try:
            await self.cluster.join(self._endpoint)
            self.state.member_id = numbered(self.node.name)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._driver.run())
                group.create_task(self.cluster.publish(self._host.name, self._client_urls))
                group.create_task(self.cluster.removed())
        except* (OSError, MemberRemoved):
            self._stopped = True
            self.state.watches.end_all()
        finally:
            await server.close()

    async def handle(self, request: Request) -> Response:
        """Answer a client: POST /etcdserverpb.KV/Range and so on, with the message, or its
        protobuf, as the body. A failure is a gRPC "trailers-only" response: the status and its
        text in the headers."""
        try:
            if self._stopped:
                raise errors.stopped()
            if request.path not in self.methods:
                raise errors.unknown_method(request.path)
            kind, method = self.methods[request.path]
            message: Any = protobuf.message(kind, request.body)
            if self.node.name in self.node.conf.learners and not _for_learners(request, message):
                raise errors.not_for_learners()
            answer = await method(message)
        except EtcdError as error:
            return failure(error)
        return Response(stream=answer) if hasattr(answer, "__aiter__") else Response(body=answer)

    # -- keys ---------------------------------------------------------------------------------

    async def _range(self, request: rpc.RangeRequest) -> Any:
        check(request)
        if not request.serializable:
            await self._barrier()
        return self.state.apply(request)

    async def _txn(self, request: rpc.TxnRequest) -> Any:
        check(request)
        if not reads_only(request):
            return await self._propose(txn=request)
        await self._barrier()
        return self.state.apply(request)

    def _write(self, name: str) -> Callable[[Any], Awaitable[Any]]:
        async def write(request: Any) -> Any:
            check(request)
            return await self._propose(**{name: request})

        return write

    async def _watch(self, request: rpc.WatchRequest) -> Watcher:
        if self._leaderless >= LEADERLESS_TICKS:
            raise errors.no_leader()
        if request.create_request is None:
            raise errors.unknown_method("a watch stream that does not begin with a create_request")
        return self.state.watches.watch(request.create_request)

    # -- through the log ----------------------------------------------------------------------

    async def _barrier(self) -> None:
        async with deadline():
            await self._driver.read_barrier()

    async def _propose(self, **request: Any) -> Any:
        """Put a request through the log; returns its response, or raises its EtcdError. When the
        time is up, it may still happen later."""
        proposal = rpc.InternalRaftRequest(next(self._ids), **request)
        data = protobuf.encode(proposal)
        if len(data) > MAX_REQUEST_BYTES:
            raise errors.request_too_large()
        answer = asyncio.get_running_loop().create_future()
        self._proposed[data] = proposal, answer
        leader = self._driver.leader
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                await self._submit(data)
                return await answer
        except TimeoutError:
            failed = leader and leader != self._driver.leader
            raise (errors.leader_failed() if failed else errors.timed_out()) from None
        finally:
            del self._proposed[data]

    async def _submit(self, data: bytes) -> None:
        """Get a proposal to the leader, once: when its answer is lost, it may have got there."""
        if not self._driver.propose(data):
            with contextlib.suppress(ConnectionError):
                await self._ask_leader(PROPOSE_PATH, data, HeaderOnly)

    def _apply(self, entry: Entry) -> None:
        request, answer = self._proposed.get(entry.data) or (_decode(entry.data), None)
        name, operation = _operation(request)
        store = self.state.store
        before = store.revision
        self.state.term = entry.term
        try:
            response = self.state.change(operation)
            if answer is not None and not answer.done():
                answer.set_result(self.state.answer(response))
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

    def _apply_change(self, entry: Entry) -> bool:
        assert entry.change is not None
        keys = [single.node for single in entry.change.changes]
        revision = self.state.store.revision
        self._host.record(
            "etcd.apply", index=entry.index, revision=revision, op="conf_change", keys=keys
        )
        return self.cluster.apply(entry)

    def _ticked(self) -> None:
        for revoke in self._leases.tick():
            request = rpc.InternalRaftRequest(next(self._ids), lease_revoke=revoke)
            self._driver.propose(protobuf.encode(request))
        self._leaderless = 0 if self._driver.leader else self._leaderless + 1
        if self._leaderless == LEADERLESS_TICKS:
            self.state.watches.end_all()
        self._ticks += 1
        if self._ticks % PROGRESS_TICKS == 0:
            self.state.watches.progress()

    # -- other members ------------------------------------------------------------------------

    async def _ask_leader(self, path: str, body: Any, answer: type[R]) -> R:
        """What the leader answers, be it this member or another; while nobody leads, wait. Raises
        its EtcdError, or ConnectionError when the answer is lost: it may have happened."""
        request = Request("POST", path, body=body)
        while True:
            leader, response = self._driver.leader, Response(NOT_NOW)
            if self._driver.leads:
                response = await self._handle_peer(request)
            elif leader:
                with contextlib.suppress(ConnectionRefusedError):  # then it was not delivered
                    response = await self._driver.ask(leader, request)
            if response.status == 200:
                return protobuf.message(answer, response.body)
            if response.status == REFUSED:
                text = response.body
                raise EtcdError.parse(text.decode() if isinstance(text, bytes) else text)
            await asyncio.sleep(TICK)

    async def _handle_peer(self, request: Request) -> Response:
        """What members ask one another beside Raft's messages."""
        path, answer = request.path, None
        if self._driver.joining:
            return Response(NOT_NOW)
        if path == SNAPSHOT_PATH:
            self._driver.take_snapshot(protobuf.message(Message, request.body))
            return Response()
        if path == MEMBERS_PATH:  # as far as it knows: one that joins may be the majority
            return Response(body=self.state.members.save())
        if path == PROPOSE_PATH:
            return Response(200 if self._driver.propose(request.body) else NOT_NOW)
        kind, decide = self._deciders[path]
        try:
            if self._driver.leads:
                answer = await decide(protobuf.message(kind, request.body))
        except EtcdError as error:
            return Response(REFUSED, body=str(error))
        return Response(NOT_NOW) if answer is None else Response(body=answer)


def reads_only(request: rpc.TxnRequest) -> bool:
    """Whether a transaction, whichever way it goes, changes nothing."""
    return all(
        op.request_range is not None or (op.request_txn is not None and reads_only(op.request_txn))
        for op in request.success + request.failure
    )


def _for_learners(request: Request, message: Any) -> bool:
    """Whether a learner answers this, whose state may be old (etcd: isRPCSupportedForLearner)."""
    if isinstance(message, rpc.RangeRequest):
        return message.serializable
    return request.path.startswith("/etcdserverpb.Maintenance/S")  # Status, Snapshot


def _operation(request: rpc.InternalRaftRequest) -> tuple[str, Any]:
    """The one operation of a log entry, and its name."""
    operations = ((name, getattr(request, name)) for name in OPERATIONS)
    return next((name, each) for name, each in operations if each is not None)


OPERATIONS = (
    "put", "txn", "delete_range", "compaction", "lease_grant", "lease_revoke",
    "cluster_member_attr_set",
)  # fmt: skip

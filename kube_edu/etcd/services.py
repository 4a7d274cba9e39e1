"""All services of a member under one `handle`: those of the store itself (server.py), what
operators ask (Cluster, Maintenance, Auth), and what is made of keys and leases alone (Lock,
Election). A client that sends a stream of messages gives an async iterator as the body.

See etcd: server/etcdserver/api/v3rpc.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Any

from kube_edu.etcd import errors
from kube_edu.etcd import service_messages as ops
from kube_edu.etcd.backup import pack
from kube_edu.etcd.client import EtcdClient
from kube_edu.etcd.concurrency import Election, Lock
from kube_edu.etcd.errors import failure, raise_for
from kube_edu.etcd.lease_service import KEEP_ALIVE_PATH
from kube_edu.etcd.membership import numbered
from kube_edu.etcd.mvcc import Store
from kube_edu.etcd.server import EtcdServer
from kube_edu.etcd.watch_stream import WATCH_PATH, WatchStream
from kube_edu.host import Request, Response
from kube_edu.wire import protobuf

VERSION = "3.5.21"
"""What this store behaves like."""

AUTH = "/etcdserverpb.Auth/"

BLOB_BYTES = 64 * 1024


class Services:
    """The services of one member."""

    def __init__(self, server: EtcdServer) -> None:
        self._server = server
        client = EtcdClient([self])
        lock, election, cluster = Lock(client), Election(client), server.cluster
        server.methods |= {
            "/etcdserverpb.Lease/LeaseLeases": (ops.Empty, self._leases),
            "/etcdserverpb.Cluster/MemberList": (ops.MemberListRequest, cluster.member_list),
            "/etcdserverpb.Cluster/MemberAdd": (ops.MemberAddRequest, cluster.member_add),
            "/etcdserverpb.Cluster/MemberRemove": (ops.MemberRemoveRequest, cluster.member_remove),
            "/etcdserverpb.Cluster/MemberUpdate": (ops.MemberUpdateRequest, cluster.member_update),
            "/etcdserverpb.Cluster/MemberPromote": (
                ops.MemberPromoteRequest,
                cluster.member_promote,
            ),
            "/etcdserverpb.Maintenance/Status": (ops.Empty, self._status),
            "/etcdserverpb.Maintenance/Alarm": (ops.Empty, self._nothing_to_do),
            "/etcdserverpb.Maintenance/Defragment": (ops.Empty, self._nothing_to_do),
            "/etcdserverpb.Maintenance/Hash": (ops.Empty, self._hash),
            "/etcdserverpb.Maintenance/HashKV": (ops.HashKVRequest, self._hash_kv),
            "/etcdserverpb.Maintenance/Snapshot": (ops.Empty, self._snapshot),
            "/etcdserverpb.Maintenance/MoveLeader": (ops.MoveLeaderRequest, cluster.move_leader),
            f"{AUTH}AuthStatus": (ops.Empty, self._auth_status),
            "/v3lockpb.Lock/Lock": (ops.LockRequest, lock.lock),
            "/v3lockpb.Lock/Unlock": (ops.UnlockRequest, lock.unlock),
            "/v3electionpb.Election/Campaign": (ops.CampaignRequest, election.campaign),
            "/v3electionpb.Election/Proclaim": (ops.ProclaimRequest, election.proclaim),
            "/v3electionpb.Election/Leader": (ops.LeaderRequest, election.leader),
            "/v3electionpb.Election/Observe": (ops.LeaderRequest, election.observe),
            "/v3electionpb.Election/Resign": (ops.ResignRequest, election.resign),
        }

    async def handle(self, request: Request) -> Response:
        """Answer a client: POST /etcdserverpb.Maintenance/Status and so on."""
        path, body = request.path, request.body
        if path == WATCH_PATH and hasattr(body, "__aiter__"):
            header = self._server.state.header
            return Response(stream=WatchStream(body, self._server.handle, header))
        if path == KEEP_ALIVE_PATH and hasattr(body, "__aiter__"):
            return Response(stream=self._keep_alive(body))
        if path.startswith(AUTH) and path not in self._server.methods:
            return failure(errors.auth_not_enabled())
        return await self._server.handle(request)

    async def request(self, request: Request) -> Response:
        """As an HttpClient: Lock and Election are clients of their own member."""
        return await self.handle(request)

    async def close(self) -> None:
        """Nothing is kept open between requests."""

    # -- Lease --------------------------------------------------------------------------------

    async def _keep_alive(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for message in requests:
            response = await self._server.handle(Request("POST", KEEP_ALIVE_PATH, body=message))
            raise_for(response)
            assert response.stream is not None
            async for answer in response.stream:
                yield answer

    async def _leases(self, request: ops.Empty) -> ops.LeaseLeasesResponse:
        state = self._server.state
        leases = tuple(ops.LeaseStatus(id) for id in state.leases.leases)
        return ops.LeaseLeasesResponse(state.header(), leases)

    # -- Auth ---------------------------------------------------------------------------------

    async def _auth_status(self, request: ops.Empty) -> ops.AuthStatusResponse:
        return ops.AuthStatusResponse(self._server.state.header(), authRevision=1)

    # -- Maintenance --------------------------------------------------------------------------

    async def _status(self, request: ops.Empty) -> ops.StatusResponse:
        state, node = self._server.state, self._server.node
        size = sum(len(kv.key) + len(kv.value) for kv in state.store.versions())
        return ops.StatusResponse(
            state.header(),
            VERSION,
            dbSize=size,
            dbSizeInUse=size,
            leader=numbered(node.leader) if node.leader else 0,
            raftIndex=node.log.commit,
            raftTerm=node.term,
            raftAppliedIndex=node.log.applied,
            errors=() if node.leader else ("etcdserver: no leader",),
            isLearner=node.name in node.conf.learners,
        )

    async def _nothing_to_do(self, request: ops.Empty) -> ops.HeaderOnly:
        """The store leaves no holes, so there is nothing to defragment; and it has no quota that
        it could raise an alarm about."""
        return ops.HeaderOnly(self._server.state.header())

    async def _hash(self, request: ops.Empty) -> ops.HashResponse:
        state = self._server.state
        return ops.HashResponse(state.header(), hash_kv(state.store, state.store.revision))

    async def _hash_kv(self, request: ops.HashKVRequest) -> ops.HashKVResponse:
        state = self._server.state
        state.store.check_revision(request.revision)
        value = hash_kv(state.store, request.revision or state.store.revision)
        return ops.HashKVResponse(state.header(), value, state.store.compact_revision)

    async def _snapshot(self, request: ops.Empty) -> AsyncIterator[ops.SnapshotResponse]:
        return _blobs(pack(self._server.state.snapshot()))


async def _blobs(data: bytes) -> AsyncIterator[ops.SnapshotResponse]:
    for start in range(0, len(data), BLOB_BYTES):
        blob = data[start : start + BLOB_BYTES]
        yield ops.SnapshotResponse(remaining_bytes=len(data) - start - len(blob), blob=blob)


def hash_kv(store: Store, revision: int) -> int:
    """A checksum of the versions up to a revision: members that agree on it hold the same."""
    versions = (kv for kv in store.versions() if kv.mod_revision <= revision)
    checksum = 0
    for kv in sorted(versions, key=lambda kv: (kv.key, kv.mod_revision)):
        checksum = zlib.crc32(protobuf.encode(kv), checksum)
    return checksum

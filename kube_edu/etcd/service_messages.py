"""The messages of etcd's services around the store: Cluster, Maintenance, Auth, Lock and Election
(etcd 3.5: rpc.proto, v3lock.proto, v3election.proto).

Many of these are empty, or have nothing but a header; two classes stand for all of them.
"""

# ruff: noqa: RUF009

from __future__ import annotations

from dataclasses import dataclass

from kube_edu.etcd.messages import KeyValue, ResponseHeader
from kube_edu.wire.protobuf import pb


@dataclass(frozen=True, slots=True)
class Empty:
    """StatusRequest, HashRequest, DefragmentRequest, SnapshotRequest, MemberListRequest,
    LeaseLeasesRequest, AuthStatusRequest; and AlarmRequest, for no member ever raises one."""


@dataclass(frozen=True, slots=True)
class HeaderOnly:
    """DefragmentResponse, AlarmResponse, MoveLeaderResponse, UnlockResponse, ProclaimResponse,
    ResignResponse."""

    header: ResponseHeader | None = pb(1, None)


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    ID: int = pb(1, 0)


@dataclass(frozen=True, slots=True)
class LeaseLeasesResponse:
    header: ResponseHeader | None = pb(1, None)
    leases: tuple[LeaseStatus, ...] = pb(2, ())


@dataclass(frozen=True, slots=True)
class AuthStatusResponse:
    header: ResponseHeader | None = pb(1, None)
    enabled: bool = pb(2, False)
    authRevision: int = pb(3, 0, unsigned=True)


# -- Cluster ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Member:
    ID: int = pb(1, 0, unsigned=True)
    name: str = pb(2, "")
    peerURLs: tuple[str, ...] = pb(3, ())
    clientURLs: tuple[str, ...] = pb(4, ())
    isLearner: bool = pb(5, False)


@dataclass(frozen=True, slots=True)
class MemberListResponse:
    header: ResponseHeader | None = pb(1, None)
    members: tuple[Member, ...] = pb(2, ())


@dataclass(frozen=True, slots=True)
class MemberAddRequest:
    peerURLs: tuple[str, ...] = pb(1, ())
    isLearner: bool = pb(2, False)


@dataclass(frozen=True, slots=True)
class MemberAddResponse:
    header: ResponseHeader | None = pb(1, None)
    member: Member | None = pb(2, None)
    members: tuple[Member, ...] = pb(3, ())


@dataclass(frozen=True, slots=True)
class MemberRemoveRequest:
    ID: int = pb(1, 0, unsigned=True)


@dataclass(frozen=True, slots=True)
class MemberUpdateRequest:
    ID: int = pb(1, 0, unsigned=True)
    peerURLs: tuple[str, ...] = pb(2, ())


@dataclass(frozen=True, slots=True)
class MemberPromoteRequest:
    ID: int = pb(1, 0, unsigned=True)


@dataclass(frozen=True, slots=True)
class MemberListRequest:
    linearizable: bool = pb(1, False)


# -- Maintenance ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StatusResponse:
    header: ResponseHeader | None = pb(1, None)
    version: str = pb(2, "")
    dbSize: int = pb(3, 0)
    leader: int = pb(4, 0, unsigned=True)
    raftIndex: int = pb(5, 0, unsigned=True)
    raftTerm: int = pb(6, 0, unsigned=True)
    raftAppliedIndex: int = pb(7, 0, unsigned=True)
    errors: tuple[str, ...] = pb(8, ())
    dbSizeInUse: int = pb(9, 0)
    isLearner: bool = pb(10, False)


@dataclass(frozen=True, slots=True)
class HashResponse:
    header: ResponseHeader | None = pb(1, None)
    hash: int = pb(2, 0)


@dataclass(frozen=True, slots=True)
class HashKVRequest:
    revision: int = pb(1, 0)


@dataclass(frozen=True, slots=True)
class HashKVResponse:
    header: ResponseHeader | None = pb(1, None)
    hash: int = pb(2, 0)
    compact_revision: int = pb(3, 0)


@dataclass(frozen=True, slots=True)
class SnapshotResponse:
    header: ResponseHeader | None = pb(1, None)
    remaining_bytes: int = pb(2, 0, unsigned=True)
    blob: bytes = pb(3, b"")


@dataclass(frozen=True, slots=True)
class MoveLeaderRequest:
    targetID: int = pb(1, 0, unsigned=True)


# -- Lock and Election ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LockRequest:
    name: bytes = pb(1, b"")
    lease: int = pb(2, 0)


@dataclass(frozen=True, slots=True)
class LockResponse:
    header: ResponseHeader | None = pb(1, None)
    key: bytes = pb(2, b"")


@dataclass(frozen=True, slots=True)
class UnlockRequest:
    key: bytes = pb(1, b"")


@dataclass(frozen=True, slots=True)
class CampaignRequest:
    name: bytes = pb(1, b"")
    lease: int = pb(2, 0)
    value: bytes = pb(3, b"")


@dataclass(frozen=True, slots=True)
class LeaderKey:
    """What a leader shows to prove that it leads: its key, and the revision that made it."""

    name: bytes = pb(1, b"")
    key: bytes = pb(2, b"")
    rev: int = pb(3, 0)
    lease: int = pb(4, 0)


@dataclass(frozen=True, slots=True)
class CampaignResponse:
    header: ResponseHeader | None = pb(1, None)
    leader: LeaderKey | None = pb(2, None)


@dataclass(frozen=True, slots=True)
class ProclaimRequest:
    leader: LeaderKey | None = pb(1, None)
    value: bytes = pb(2, b"")


@dataclass(frozen=True, slots=True)
class LeaderRequest:
    name: bytes = pb(1, b"")


@dataclass(frozen=True, slots=True)
class LeaderResponse:
    header: ResponseHeader | None = pb(1, None)
    kv: KeyValue | None = pb(2, None)


@dataclass(frozen=True, slots=True)
class ResignRequest:
    leader: LeaderKey | None = pb(1, None)

"""The messages of etcd's v3 API: names, fields and numbers of rpc.proto and kv.proto (etcd 3.5,
api/etcdserverpb and api/mvccpb).

Messages are immutable, so that one may be shared by all who see it.
"""

# ruff: noqa: RUF009

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from kube_edu.wire.protobuf import pb


@dataclass(frozen=True, slots=True)
class ResponseHeader:
    cluster_id: int = pb(1, 0, unsigned=True)
    member_id: int = pb(2, 0, unsigned=True)
    revision: int = pb(3, 0)
    raft_term: int = pb(4, 0, unsigned=True)


@dataclass(frozen=True, slots=True)
class KeyValue:
    key: bytes = pb(1, b"")
    create_revision: int = pb(2, 0)
    mod_revision: int = pb(3, 0)
    version: int = pb(4, 0)
    value: bytes = pb(5, b"")
    lease: int = pb(6, 0)


class EventType(IntEnum):
    PUT = 0
    DELETE = 1


@dataclass(frozen=True, slots=True)
class Event:
    type: EventType = pb(1, EventType.PUT)
    kv: KeyValue = pb(2, KeyValue())
    prev_kv: KeyValue | None = pb(3, None)


# -- KV ---------------------------------------------------------------------------------------


class SortOrder(IntEnum):
    NONE = 0
    ASCEND = 1
    DESCEND = 2


class SortTarget(IntEnum):
    KEY = 0
    VERSION = 1
    CREATE = 2
    MOD = 3
    VALUE = 4


@dataclass(frozen=True, slots=True)
class RangeRequest:
    key: bytes = pb(1, b"")
    range_end: bytes = pb(2, b"")
    limit: int = pb(3, 0)
    revision: int = pb(4, 0)
    sort_order: SortOrder = pb(5, SortOrder.NONE)
    sort_target: SortTarget = pb(6, SortTarget.KEY)
    serializable: bool = pb(7, False)
    keys_only: bool = pb(8, False)
    count_only: bool = pb(9, False)
    min_mod_revision: int = pb(10, 0)
    max_mod_revision: int = pb(11, 0)
    min_create_revision: int = pb(12, 0)
    max_create_revision: int = pb(13, 0)


@dataclass(frozen=True, slots=True)
class RangeResponse:
    header: ResponseHeader | None = pb(1, None)
    kvs: tuple[KeyValue, ...] = pb(2, ())
    more: bool = pb(3, False)
    count: int = pb(4, 0)


@dataclass(frozen=True, slots=True)
class PutRequest:
    key: bytes = pb(1, b"")
    value: bytes = pb(2, b"")
    lease: int = pb(3, 0)
    prev_kv: bool = pb(4, False)
    ignore_value: bool = pb(5, False)
    ignore_lease: bool = pb(6, False)


@dataclass(frozen=True, slots=True)
class PutResponse:
    header: ResponseHeader | None = pb(1, None)
    prev_kv: KeyValue | None = pb(2, None)


@dataclass(frozen=True, slots=True)
class DeleteRangeRequest:
    key: bytes = pb(1, b"")
    range_end: bytes = pb(2, b"")
    prev_kv: bool = pb(3, False)


@dataclass(frozen=True, slots=True)
class DeleteRangeResponse:
    header: ResponseHeader | None = pb(1, None)
    deleted: int = pb(2, 0)
    prev_kvs: tuple[KeyValue, ...] = pb(3, ())


class CompareResult(IntEnum):
    EQUAL = 0
    GREATER = 1
    LESS = 2
    NOT_EQUAL = 3


class CompareTarget(IntEnum):
    VERSION = 0
    CREATE = 1
    MOD = 2
    VALUE = 3
    LEASE = 4


@dataclass(frozen=True, slots=True)
class Compare:
    """What is compared with is the field that `target` names; unset, it is zero."""

    result: CompareResult = pb(1, CompareResult.EQUAL)
    target: CompareTarget = pb(2, CompareTarget.VERSION)
    key: bytes = pb(3, b"")
    version: int | None = pb(4, None)
    create_revision: int | None = pb(5, None)
    mod_revision: int | None = pb(6, None)
    value: bytes | None = pb(7, None)
    lease: int | None = pb(8, None)
    range_end: bytes = pb(64, b"")


@dataclass(frozen=True, slots=True)
class TxnRequest:
    compare: tuple[Compare, ...] = pb(1, ())
    success: tuple[RequestOp, ...] = pb(2, ())
    failure: tuple[RequestOp, ...] = pb(3, ())


@dataclass(frozen=True, slots=True)
class RequestOp:
    """One of these."""

    request_range: RangeRequest | None = pb(1, None)
    request_put: PutRequest | None = pb(2, None)
    request_delete_range: DeleteRangeRequest | None = pb(3, None)
    request_txn: TxnRequest | None = pb(4, None)


@dataclass(frozen=True, slots=True)
class TxnResponse:
    header: ResponseHeader | None = pb(1, None)
    succeeded: bool = pb(2, False)
    responses: tuple[ResponseOp, ...] = pb(3, ())


@dataclass(frozen=True, slots=True)
class ResponseOp:
    """One of these."""

    response_range: RangeResponse | None = pb(1, None)
    response_put: PutResponse | None = pb(2, None)
    response_delete_range: DeleteRangeResponse | None = pb(3, None)
    response_txn: TxnResponse | None = pb(4, None)


@dataclass(frozen=True, slots=True)
class CompactionRequest:
    revision: int = pb(1, 0)
    physical: bool = pb(2, False)


@dataclass(frozen=True, slots=True)
class CompactionResponse:
    header: ResponseHeader | None = pb(1, None)


# -- Watch ------------------------------------------------------------------------------------


class FilterType(IntEnum):
    NOPUT = 0
    NODELETE = 1


@dataclass(frozen=True, slots=True)
class WatchCreateRequest:
    key: bytes = pb(1, b"")
    range_end: bytes = pb(2, b"")
    start_revision: int = pb(3, 0)
    progress_notify: bool = pb(4, False)
    filters: tuple[FilterType, ...] = pb(5, ())
    prev_kv: bool = pb(6, False)
    watch_id: int = pb(7, 0)
    fragment: bool = pb(8, False)


@dataclass(frozen=True, slots=True)
class WatchCancelRequest:
    watch_id: int = pb(1, 0)


@dataclass(frozen=True, slots=True)
class WatchProgressRequest:
    pass


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """One of these."""

    create_request: WatchCreateRequest | None = pb(1, None)
    cancel_request: WatchCancelRequest | None = pb(2, None)
    progress_request: WatchProgressRequest | None = pb(3, None)


@dataclass(frozen=True, slots=True)
class WatchResponse:
    header: ResponseHeader | None = pb(1, None)
    watch_id: int = pb(2, 0)
    created: bool = pb(3, False)
    canceled: bool = pb(4, False)
    compact_revision: int = pb(5, 0)
    cancel_reason: str = pb(6, "")
    fragment: bool = pb(7, False)
    events: tuple[Event, ...] = pb(11, ())


# -- Lease ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LeaseGrantRequest:
    TTL: int = pb(1, 0)
    ID: int = pb(2, 0)


@dataclass(frozen=True, slots=True)
class LeaseGrantResponse:
    header: ResponseHeader | None = pb(1, None)
    ID: int = pb(2, 0)
    TTL: int = pb(3, 0)
    error: str = pb(4, "")


@dataclass(frozen=True, slots=True)
class LeaseRevokeRequest:
    ID: int = pb(1, 0)


@dataclass(frozen=True, slots=True)
class LeaseRevokeResponse:
    header: ResponseHeader | None = pb(1, None)


@dataclass(frozen=True, slots=True)
class LeaseKeepAliveRequest:
    ID: int = pb(1, 0)


@dataclass(frozen=True, slots=True)
class LeaseKeepAliveResponse:
    header: ResponseHeader | None = pb(1, None)
    ID: int = pb(2, 0)
    TTL: int = pb(3, 0)


@dataclass(frozen=True, slots=True)
class LeaseTimeToLiveRequest:
    ID: int = pb(1, 0)
    keys: bool = pb(2, False)


@dataclass(frozen=True, slots=True)
class LeaseTimeToLiveResponse:
    header: ResponseHeader | None = pb(1, None)
    ID: int = pb(2, 0)
    TTL: int = pb(3, 0)
    grantedTTL: int = pb(4, 0)
    keys: tuple[bytes, ...] = pb(5, ())


# -- what goes through the log ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClusterMemberAttrSetRequest:
    """What a member says of itself when it has started (membership.proto; its Attributes are
    fields of the request here)."""

    member_ID: int = pb(1, 0, unsigned=True)
    name: str = pb(2, "")
    client_urls: tuple[str, ...] = pb(3, ())


@dataclass(frozen=True, slots=True)
class InternalRaftRequest:
    """A Raft entry's data (raft_internal.proto): one of the requests, with the `ID` by which the
    member that proposed it knows its answer."""

    ID: int = pb(1, 0, unsigned=True)
    put: PutRequest | None = pb(4, None)
    delete_range: DeleteRangeRequest | None = pb(5, None)
    txn: TxnRequest | None = pb(6, None)
    compaction: CompactionRequest | None = pb(7, None)
    lease_grant: LeaseGrantRequest | None = pb(8, None)
    lease_revoke: LeaseRevokeRequest | None = pb(9, None)
    cluster_member_attr_set: ClusterMemberAttrSetRequest | None = pb(1301, None)


def prefix_end(prefix: bytes) -> bytes:
    """The `range_end` that makes a range of all keys with this prefix (clientv3:
    GetPrefixRangeEnd)."""
    for position in reversed(range(len(prefix))):
        if prefix[position] < 0xFF:
            return prefix[:position] + bytes([prefix[position] + 1])
    return b"\0"

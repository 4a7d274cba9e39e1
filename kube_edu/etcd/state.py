"""The replicated state machine: keys, leases, watches and members, and how each request changes
them.

The same requests in the same order make the same state on every member; whatever differs between
members (clocks, connections) stays outside. It needs no network:

    state = State()
    state.apply(PutRequest(b"a", b"1"))
    state.apply(RangeRequest(b"a")).kvs
"""

# ruff: noqa: RUF009

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from kube_edu.etcd import messages as rpc
from kube_edu.etcd.lease import Lessor
from kube_edu.etcd.membership import Membership, SavedMembership
from kube_edu.etcd.mvcc import Store
from kube_edu.etcd.watch import WatchHub
from kube_edu.wire import protobuf
from kube_edu.wire.protobuf import pb

RESULTS: dict[rpc.CompareResult, Callable[[Any, Any], bool]] = {
    rpc.CompareResult.EQUAL: operator.eq,
    rpc.CompareResult.GREATER: operator.gt,
    rpc.CompareResult.LESS: operator.lt,
    rpc.CompareResult.NOT_EQUAL: operator.ne,
}

CompareRule = Callable[[rpc.Compare, rpc.KeyValue | None], bool]


def compare_holds(compare: rpc.Compare, kv: rpc.KeyValue | None) -> bool:
    """Whether a Txn's comparison holds for a key, or for one that does not exist (None): its
    numbers are 0 then, so that "create revision = 0" asks for absence; its value is comparable
    with nothing, not even by NOT_EQUAL (etcd: apply.go, applyCompare)."""
    if compare.target is rpc.CompareTarget.VALUE:
        if kv is None:
            return False
        return RESULTS[compare.result](kv.value, compare.value or b"")
    kv = kv or rpc.KeyValue()
    actual, wanted = {
        rpc.CompareTarget.VERSION: (kv.version, compare.version),
        rpc.CompareTarget.CREATE: (kv.create_revision, compare.create_revision),
        rpc.CompareTarget.MOD: (kv.mod_revision, compare.mod_revision),
        rpc.CompareTarget.LEASE: (kv.lease, compare.lease),
    }[compare.target]
    return RESULTS[compare.result](actual, wanted or 0)


class State:
    """All that a member serves. `member` and `term` only show in the headers of responses."""

    def __init__(
        self,
        *,
        compare: CompareRule = compare_holds,
        record: Callable[..., Any] = lambda kind, **fields: None,
    ) -> None:
        self.store = Store()
        self.leases = Lessor()
        self.watches = WatchHub(self.store, self.header, record)
        self.members = Membership()
        self.member_id = self.term = 0
        self._compare = compare
        self._appliers: dict[type, Callable[[Any], Any]] = {
            rpc.RangeRequest: self._range,
            rpc.PutRequest: self._put,
            rpc.DeleteRangeRequest: self._delete_range,
            rpc.TxnRequest: self._txn,
            rpc.CompactionRequest: self._compact,
            rpc.LeaseGrantRequest: self._grant,
            rpc.LeaseRevokeRequest: self._revoke,
            rpc.ClusterMemberAttrSetRequest: lambda request: self.members.publish(request),
        }

    def apply(self, request: Any) -> Any:
        """Do what a request asks, and answer it."""
        return self.answer(self.change(request))

    def change(self, request: Any) -> Any:
        """Do what a request asks; its changes are one revision, and go to the watchers. Raises
        EtcdError, and then nothing has changed. Returns what `answer` needs."""
        response = self._appliers[type(request)](request)
        events = self.store.commit()
        if events:
            self.watches.notify(events)
        return response

    def answer(self, response: Any) -> Any:
        return replace(response, header=self.header())

    def header(self) -> rpc.ResponseHeader:
        return rpc.ResponseHeader(
            self.members.cluster_id, self.member_id, self.store.revision, self.term
        )

    # -- one request each ---------------------------------------------------------------------

    def _range(self, request: rpc.RangeRequest) -> rpc.RangeResponse:
        return self.store.range(request)

    def _put(self, request: rpc.PutRequest) -> rpc.PutResponse:
        self._check_put(request)
        return self._do_put(request)

    def _check_put(self, request: rpc.PutRequest) -> None:
        self.store.check_put(request)
        self.leases.check(request.lease)

    def _do_put(self, request: rpc.PutRequest) -> rpc.PutResponse:
        previous = self.store.get(request.key)
        response = self.store.put(request)
        kv = self.store.get(request.key)
        assert kv is not None
        if kv.lease or previous is not None:
            self.leases.move(kv.key, previous.lease if previous is not None else 0, kv.lease)
        return response

    def _delete_range(self, request: rpc.DeleteRangeRequest) -> rpc.DeleteRangeResponse:
        deleted = self._delete(self.store.keys(request.key, request.range_end))
        return rpc.DeleteRangeResponse(
            deleted=len(deleted), prev_kvs=tuple(deleted) if request.prev_kv else ()
        )

    def _delete(self, keys: list[bytes]) -> list[rpc.KeyValue]:
        deleted = self.store.delete(keys)
        for kv in deleted:
            self.leases.move(kv.key, kv.lease, 0)
        return deleted

    def _compact(self, request: rpc.CompactionRequest) -> rpc.CompactionResponse:
        self.store.compact(request.revision)
        return rpc.CompactionResponse()

    def _grant(self, request: rpc.LeaseGrantRequest) -> rpc.LeaseGrantResponse:
        lease = self.leases.grant(request.ID, request.TTL)
        return rpc.LeaseGrantResponse(ID=lease.id, TTL=lease.ttl)

    def _revoke(self, request: rpc.LeaseRevokeRequest) -> rpc.LeaseRevokeResponse:
        self._delete(self.leases.revoke(request.ID))
        return rpc.LeaseRevokeResponse()

    # -- transactions -------------------------------------------------------------------------

    def _txn(self, request: rpc.TxnRequest) -> rpc.TxnResponse:
        """If all comparisons hold, `success`, else `failure`. Every decision, those of nested
        transactions too, is made on the state before the first change."""
        plan = self._decide(request)
        self._check_plan(plan)
        return self._run(plan)

    def _decide(self, request: rpc.TxnRequest) -> Plan:
        succeeded = all(self._holds(compare) for compare in request.compare)
        ops = request.success if succeeded else request.failure
        nested = [None if op.request_txn is None else self._decide(op.request_txn) for op in ops]
        return Plan(succeeded, list(zip(ops, nested, strict=True)))

    def _holds(self, compare: rpc.Compare) -> bool:
        """For an interval: for every key of it; an empty one is like one missing key."""
        if not compare.range_end:
            return self._compare(compare, self.store.get(compare.key))
        keys = self.store.keys(compare.key, compare.range_end)
        if not keys:
            return self._compare(compare, None)
        return all(self._compare(compare, self.store.get(key)) for key in keys)

    def _check_plan(self, plan: Plan) -> None:
        for op, nested in plan.steps:
            if nested is not None:
                self._check_plan(nested)
            elif op.request_put is not None:
                self._check_put(op.request_put)
            elif op.request_range is not None:
                self.store.check_revision(op.request_range.revision)

    def _run(self, plan: Plan) -> rpc.TxnResponse:
        responses = []
        for op, nested in plan.steps:
            if nested is not None:
                responses.append(rpc.ResponseOp(response_txn=self._run(nested)))
            elif op.request_range is not None:
                responses.append(rpc.ResponseOp(response_range=self._range(op.request_range)))
            elif op.request_put is not None:
                responses.append(rpc.ResponseOp(response_put=self._do_put(op.request_put)))
            elif op.request_delete_range is not None:
                deleted = self._delete_range(op.request_delete_range)
                responses.append(rpc.ResponseOp(response_delete_range=deleted))
        return rpc.TxnResponse(succeeded=plan.succeeded, responses=tuple(responses))

    # -- snapshots ----------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Everything, for a member that is too far behind, and for a shorter log."""
        leases = tuple(SavedLease(lease.id, lease.ttl) for lease in self.leases.leases.values())
        store = self.store
        versions = tuple(store.versions())
        members = self.members.save()
        return protobuf.encode(
            Saved(store.revision, store.compact_revision, versions, leases, members)
        )

    def restore(self, data: bytes) -> None:
        """Become what `snapshot` saved; watches go on."""
        saved = protobuf.decode(Saved, data)
        self.store = Store.restore(saved.revision, saved.compact_revision, saved.versions)
        self.members = Membership.restore(saved.members or SavedMembership())
        self.leases = Lessor()
        for lease in saved.leases:
            self.leases.grant(lease.ID, lease.TTL)
        for kv in self.store.range(rpc.RangeRequest(b"\0", b"\0")).kvs:
            self.leases.move(kv.key, 0, kv.lease)
        self.watches.restore(self.store)


class Plan(NamedTuple):
    """A transaction with its decisions made: the operations to run, and the plans of nested
    transactions."""

    succeeded: bool
    steps: list[tuple[rpc.RequestOp, Plan | None]]


@dataclass(frozen=True, slots=True)
class SavedLease:
    ID: int = pb(1, 0)
    TTL: int = pb(2, 0)


@dataclass(frozen=True, slots=True)
class Saved:
    revision: int = pb(1, 0)
    compact_revision: int = pb(2, 0)
    versions: tuple[rpc.KeyValue, ...] = pb(3, ())
    leases: tuple[SavedLease, ...] = pb(4, ())
    members: SavedMembership | None = pb(5, None)

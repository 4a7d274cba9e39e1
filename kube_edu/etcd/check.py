"""What is wrong with a request by itself, before it reaches the log (etcd: api/v3rpc/key.go)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kube_edu.etcd import errors
from kube_edu.etcd import messages as rpc
from kube_edu.etcd.mvcc import FROM_KEY

MAX_TXN_OPS = 128


def check(request: Any) -> None:
    """Raise EtcdError if this request can never succeed."""
    if isinstance(request, rpc.RangeRequest | rpc.DeleteRangeRequest):
        if not request.key:
            raise errors.empty_key()
    elif isinstance(request, rpc.PutRequest):
        _check_put(request)
    elif isinstance(request, rpc.TxnRequest):
        _check_txn(request)
        _check_overlap(request.success)
        _check_overlap(request.failure)


def _check_put(request: rpc.PutRequest) -> None:
    if not request.key:
        raise errors.empty_key()
    if request.ignore_value and request.value:
        raise errors.value_provided()
    if request.ignore_lease and request.lease:
        raise errors.lease_provided()


def _check_txn(request: rpc.TxnRequest) -> None:
    if max(map(len, (request.compare, request.success, request.failure))) > MAX_TXN_OPS:
        raise errors.too_many_ops()
    if not all(compare.key for compare in request.compare):
        raise errors.empty_key()
    for op in request.success + request.failure:
        if op.request_txn is not None:
            _check_txn(op.request_txn)
        else:
            plain = op.request_range or op.request_put or op.request_delete_range
            if plain is None:
                raise errors.key_not_found()  # etcd's word for an operation without a request
            check(plain)


Interval = tuple[bytes, bytes]


def _check_overlap(ops: Sequence[rpc.RequestOp]) -> tuple[dict[bytes, None], list[Interval]]:
    """A branch may change each key only once, for a key has one version a revision. Returns the
    keys that it puts, and the intervals that it deletes."""
    deletes = [
        (op.request_delete_range.key, op.request_delete_range.range_end)
        for op in ops
        if op.request_delete_range is not None
    ]
    puts: dict[bytes, None] = {}
    for op in ops:
        if op.request_txn is not None:
            # only one of the two will run, so they may put the same keys
            then_puts, then_deletes = _check_overlap(op.request_txn.success)
            else_puts, else_deletes = _check_overlap(op.request_txn.failure)
            _refuse_overlap(puts, then_deletes + else_deletes)
            deletes += then_deletes + else_deletes
            new = then_puts | else_puts
        elif op.request_put is not None:
            new = {op.request_put.key: None}
        else:
            continue
        if any(key in puts for key in new):
            raise errors.duplicate_key()
        puts |= new
        if op.request_put is not None:
            _refuse_overlap(new, deletes)
    return puts, deletes


def _refuse_overlap(puts: dict[bytes, None], deletes: list[Interval]) -> None:
    for key in puts:
        for start, end in deletes:
            if key == start or (start < key and (end == FROM_KEY or key < end)):
                raise errors.duplicate_key()

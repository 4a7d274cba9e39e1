"""What revisions promise: one order of all changes, which every answer fits into.

etcd says with each answer at which revision the store was. That is a witness of the order, over all
keys: no search is needed to check it.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_edu.classroom.checkers.history import Get, Operation, Put
from kube_edu.classroom.checkers.violation import Violation
from kube_edu.classroom.checkers.watch_guarantees import Changes


def order(history: Iterable[Operation]) -> Violation | None:
    """What was answered before another operation was called has a lower revision, or, if the
    later one changes nothing, no higher one."""
    moments: list[tuple[float, Operation]] = []
    for operation in history:
        if operation.answered:
            moments += [(operation.called, operation), (operation.returned, operation)]
    newest: Operation | None = None
    at_call: dict[int, Operation | None] = {}
    for moment, operation in sorted(moments, key=lambda pair: pair[0]):
        if moment == operation.called:
            at_call[operation.called] = newest
            continue
        before = at_call[operation.called]
        if before is not None:
            least = before.revision + isinstance(operation.action, Put)
            if operation.revision < least:
                reason = (
                    f'"{operation}" is of revision {operation.revision}, though "{before}", which '
                    f"was answered before, is of revision {before.revision}"
                )
                return _violation("revision order", reason, operation)
        if newest is None or operation.revision > newest.revision:
            newest = operation
    return None


def reads(history: Iterable[Operation], changes: Changes) -> Violation | None:
    """Every read, a serializable one too, is of the store as it was at the revision that it
    names."""
    for operation in history:
        if not operation.answered or not isinstance(operation.action, Get):
            continue
        kv = changes.at(operation.action.key.encode(), operation.revision)
        value = None if kv is None else kv.value.decode()
        if value != operation.answer:
            reason = f'"{operation}" is of revision {operation.revision}, where it was {value!r}'
            return _violation("reads of a revision", reason, operation)
    return None


def durable(history: Iterable[Operation], changes: Changes) -> Violation | None:
    """Every put that was answered is among the changes, at the revision that was answered."""
    for operation in history:
        if not operation.answered or not isinstance(operation.action, Put):
            continue
        kv = changes.at(operation.action.key.encode(), operation.revision)
        if kv is None or kv.mod_revision != operation.revision:
            reason = f'"{operation}" was acknowledged at revision {operation.revision}, and is lost'
            return _violation("durability", reason, operation)
    return None


def _violation(promise: str, reason: str, operation: Operation) -> Violation:
    return Violation(promise, reason, int(operation.returned), operation.time, operation.client)

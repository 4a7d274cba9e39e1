"""Linearizability: can all answers be explained by one order of the operations, in which each takes
effect at one moment between its call and its answer?

After Wing and Gong, "Testing and Verifying Concurrent Objects" (1993), in the form of Lowe's
just-in-time linearization ("Testing for Linearizability", 2017): the history is read from its
beginning, and at each answer all ways are kept in which the operations may have happened so far. An
operation is placed no earlier than an answer needs it. When no way is left, the answer in hand is
the one that cannot be explained. Keys that no operation links are checked by themselves (Horn
and Kroening, "Faster linearizability checking via P-compositionality", 2015).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

from kube_edu.classroom.checkers.history import (
    Operation,
    State,
    act,
    keys,
    seen,
    writes,
    written,
)
from kube_edu.classroom.checkers.violation import Violation
from kube_edu.classroom.search import shrink, without_one

PROMISE = "linearizability"


@dataclass(frozen=True, slots=True)
class NotLinearizable(Violation):
    """`history` is the shortest that still shows it; `operation` is the one whose answer cannot
    be explained."""

    history: tuple[Operation, ...] = ()
    operation: Operation | None = None

    def __str__(self) -> str:
        lines = [
            f"  {op.called:>5} to {'...' if op.returned == inf else op.returned!s:<5} {op}"
            + ("   <- this one" if op is self.operation else "")
            for op in self.history
        ]
        return "\n".join([Violation.__str__(self), *lines])


def check(history: Iterable[Operation]) -> NotLinearizable | None:
    """The first answer in a history that no order explains, with the shortest history like it."""
    for part in independent(history):
        culprit = unexplained(part)
        if culprit is not None:
            smallest, culprit = shortest(part, culprit)
            reason = (
                f'no order of the operations explains the answer of "{culprit}"; '
                f"{len(smallest)} operations show it"
            )
            return NotLinearizable(
                PROMISE,
                reason,
                int(culprit.returned),
                culprit.time,
                culprit.client,
                smallest,
                culprit,
            )
    return None


def independent(history: Iterable[Operation]) -> Iterator[list[Operation]]:
    """The history in parts that have no key in common. Reads without an answer say nothing."""
    groups: dict[str, list[str]] = {}
    operations = [op for op in history if op.answered or writes(op.action)]
    for operation in operations:
        merged: list[str] = []
        for key in keys(operation.action):
            if key not in merged:
                merged = merged + groups.get(key, [key])
        for key in merged:
            groups[key] = merged
    parts: dict[int, list[Operation]] = {}
    for operation in operations:
        parts.setdefault(id(groups[keys(operation.action)[0]]), []).append(operation)
    yield from parts.values()


# -- the search -------------------------------------------------------------------------------

Way = tuple[State, int, int]
"""One way in which things may have gone: the state, and of the operations that are under way those
that have happened: the answered ones, and those that never will be, each a set of bits."""


def unexplained(history: Sequence[Operation]) -> Operation | None:
    """The first operation whose answer no order explains; None if all can be explained."""
    moments = [(float(op.called), False, number) for number, op in enumerate(history)]
    moments += [(op.returned, True, number) for number, op in enumerate(history) if op.answered]
    ways: list[Way] = [((), 0, 0)]
    under_way: list[int] = []
    for _, returns, number in sorted(moments):
        if not returns:
            under_way.append(number)
            continue
        ways = explained(ways, history, under_way, number)
        if not ways:
            return history[number]
        under_way.remove(number)
        ways = [(state, done & ~(1 << number), lost) for state, done, lost in ways]
    return None


def explained(
    ways: list[Way], history: Sequence[Operation], under_way: list[int], wanted: int
) -> list[Way]:
    """All ways to go on in which operation `wanted` has happened, and none later than it need be.

    A way in which fewer unanswered operations have happened, and all else is equal, can do all
    that the other can: the other is dropped. That keeps the search small.
    """
    bit = 1 << wanted
    kept: dict[tuple[State, int], list[int]] = {}
    found: list[Way] = []
    layer = ways
    while layer:
        next_layer: list[Way] = []
        for state, done, lost in layer:
            smaller = kept.setdefault((state, done), [])
            if any(other & lost == other for other in smaller):
                continue
            smaller.append(lost)
            if done & bit:
                found.append((state, done, lost))
                continue
            for number in under_way:
                mine = 1 << number
                if (done | lost) & mine:
                    continue
                operation = history[number]
                answer, after = act(state, operation.action)
                if not operation.answered:
                    if after != state:
                        next_layer.append((after, done, lost | mine))
                elif answer == operation.answer:
                    next_layer.append((after, done | mine, lost))
        layer = next_layer
    return found


# -- the shortest history ---------------------------------------------------------------------


def shortest(
    history: Sequence[Operation], culprit: Operation
) -> tuple[tuple[Operation, ...], Operation]:
    """A history that is as short as can be and still violates, for the same reason.

    An operation may be left out if all that the culprit saw is still written by somebody, and
    if without the culprit's answer all is still well. So what remains is about this answer, and
    not about what was left out.
    """
    before = tuple(op for op in history if op.called < culprit.returned)
    told = [
        pair
        for pair in seen(culprit.action, culprit.answer)
        if any(pair in written(op.action) for op in before)
    ]

    def judge(candidate: tuple[Operation, ...]) -> Operation | None:
        if culprit not in candidate:
            return None
        others = [op for op in candidate if op is not culprit]
        if not all(any(pair in written(op.action) for op in others) for pair in told):
            return None
        unanswered = replace(culprit, answer=None, returned=inf)
        if unexplained([*others, unanswered]) is not None:
            return None
        return culprit if unexplained(candidate) is not None else None

    # What is answered later than the culprit is, for the culprit, not answered.
    cut = tuple(
        op if op.returned <= culprit.returned else replace(op, answer=None, returned=inf)
        for op in before
    )
    return shrink((cut, culprit), without_one, judge, tries=10 * len(cut) + 200)

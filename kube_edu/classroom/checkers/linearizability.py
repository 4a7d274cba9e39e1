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
from typing import Any

from kube_edu.classroom.checkers.history import (
    Action,
    Delete,
    Operation,
    Put,
    State,
    act,
    anonymous,
    changed,
    compared,
    keys,
    read,
    seen,
    written,
)
from kube_edu.classroom.checkers.violation import Violation
from kube_edu.classroom.search import shrink

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
    operations = [op for op in history if op.answered or changed(op.action)]
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
    search = Search(history)
    moments = [(float(op.called), False, number) for number, op in enumerate(history)]
    moments += [(op.returned, True, number) for number, op in enumerate(history) if op.answered]
    for _, returns, number in sorted(moments):
        if not returns:
            search.under_way.append(number)
        elif not search.explain(number):
            return history[number]
    return None


class Search:
    """All ways in which things may have gone so far. What keeps them few:

    - An operation that shares no key with the one to be explained can as well happen later.
    - A way in which fewer unanswered operations have happened, and all else is equal, can do all
      that the other can.
    - Values that nobody has ever seen are all alike, and so are the unanswered operations that
      would write them: the oldest happens first.
    """

    def __init__(self, history: Sequence[Operation]) -> None:
        told = {pair for op in history if op.answered for pair in seen(op.action, op.answer)}
        told |= {pair for op in history for pair in compared(op.action)}
        self.under_way: list[int] = []
        self._history = [replace(op, action=anonymous(op.action, told)) for op in history]
        self._ways: list[Way] = [((), 0, 0)]
        self._twins = older_twins(self._history)
        self._outcomes: dict[tuple[State, int], tuple[Any, State]] = {}

    def explain(self, wanted: int) -> bool:
        """Go on to where operation `wanted` has happened, placing no other before it without need.
        Whether there is a way."""
        bit = 1 << wanted
        kept: dict[tuple[State, int], list[int]] = {}
        found: list[Way] = []
        candidates = self._relevant(wanted)
        layer = self._ways
        while layer:
            longer: list[Way] = []
            for state, done, lost in layer:
                smaller = kept.setdefault((state, done), [])
                if any(other & lost == other for other in smaller):
                    continue
                smaller.append(lost)
                if done & bit:
                    found.append((state, done & ~bit, lost))
                else:
                    longer += self._steps((state, done, lost), candidates)
            layer = longer
        self._ways = found
        self.under_way.remove(wanted)
        return bool(found)

    def _steps(self, way: Way, candidates: list[int]) -> Iterator[Way]:
        """One more operation, where its answer allows it."""
        state, done, lost = way
        for number in candidates:
            bit, twin = 1 << number, self._twins[number]
            if (done | lost) & bit or twin & ~lost:
                continue
            if (state, number) not in self._outcomes:
                self._outcomes[state, number] = act(state, self._history[number].action)
            answer, after = self._outcomes[state, number]
            operation = self._history[number]
            if not operation.answered:
                if after != state:
                    yield after, done, lost | bit
            elif answer == operation.answer:
                yield after, done | bit, lost

    def _relevant(self, wanted: int) -> list[int]:
        """Which operations under way it may matter to place before the wanted one: those that
        share a key with it, or with another such operation."""
        chosen, rest = [wanted], [number for number in self.under_way if number != wanted]
        for number in chosen:  # which grows
            for other in list(rest):
                if self._matters(self._history[other], self._history[number].action):
                    rest.remove(other)
                    chosen.append(other)
        return sorted(chosen)

    def _matters(self, before: Operation, action: Action) -> bool:
        """Whether it may make a difference that an operation comes before an action."""
        if not read(action).isdisjoint(changed(before.action)):
            return True
        if not before.answered and isinstance(before.action, Put | Delete):
            return False  # it would be overwritten, and nobody could tell
        touched = read(before.action) | changed(before.action)
        return not changed(action).isdisjoint(touched)


def older_twins(history: Sequence[Operation]) -> list[int]:
    """For each unanswered operation the bit of the one before it that is just like it, or 0."""
    latest: dict[Action, int] = {}
    twins = [0] * len(history)
    for number in sorted(range(len(history)), key=lambda number: history[number].called):
        if not history[number].answered:
            twins[number] = latest.get(history[number].action, 0)
            latest[history[number].action] = 1 << number
    return twins


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
    return shrink((cut, culprit), without_some, judge, tries=10 * len(cut) + 200)


def without_some(history: tuple[Operation, ...]) -> Iterator[tuple[Operation, ...]]:
    """The history with a part left out: each half, each quarter, ..., each single operation."""
    size = len(history)
    while size > 1:
        size = (size + 1) // 2
        for start in range(0, len(history), size):
            yield history[:start] + history[start + size :]

"""Lab 04, first exercise: how many votes are enough."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from kube_edu.classroom.exercise import Exercise, Report, Verdict, failed, passed
from kube_edu.classroom.guard import Guard
from kube_edu.classroom.raft_lab import Plan, World, names
from kube_edu.classroom.raft_plans import halves, losses, mixed, rivals
from kube_edu.classroom.raft_search import Search
from kube_edu.raft import ConfState, RaftNode

SEEDS = 50
LARGEST = 7
"""Clusters of up to so many members are tried on paper."""

Enough = Callable[[list[str], list[str]], bool]


def judge_enough(answer: Callable[..., Any], report: Report) -> Verdict:
    """Let it decide every election (and every other question that wants a majority)."""
    enough = _guarded(answer)
    search = Search(lambda plan: _world(plan, enough), World)
    reason = _misconception(enough)
    plans = mixed(SEEDS, (halves, 4), (losses, 3), (halves, 5), (losses, 5), (rivals, 3))
    found = search.find(plans, report)
    if found is not None:
        return search.verdict(found, reason or found.failing.reason)
    if reason:
        return failed(reason)
    return passed(f"{SEEDS} clusters of 3 to 5 members: never two leaders in a term, never none.")


@dataclass(frozen=True, slots=True)
class CountedBy(ConfState):
    """A configuration in which somebody else decides what a majority is."""

    enough: Enough = lambda yes, members: False

    def agreed(self, names: Collection[str]) -> bool:
        return self.enough(list(names), list(self.voters))


def _world(plan: Plan, enough: Enough) -> World:
    def make(name: str, members: tuple[str, ...], **settings: Any) -> RaftNode:
        node = RaftNode(name, members, **settings)
        node.conf = CountedBy(voters=members, enough=enough)
        return node

    return World(plan, make=make)


def _guarded(answer: Callable[..., Any]) -> Enough:
    guard = Guard(answer)
    known: dict[tuple[tuple[str, ...], int], bool] = {}

    def enough(yes: list[str], members: list[str]) -> bool:
        key = tuple(yes), len(members)
        if key not in known:
            result = guard.call(yes, members)
            if not isinstance(result, bool):
                kind = type(result).__name__
                raise guard.slip(f"it should return True or False, and returned {kind}")
            known[key] = result
        return known[key]

    return enough


def _misconception(enough: Enough) -> str:
    """The smallest cluster in which it counts wrongly, and what that leads to."""
    wrong = [
        (votes, size)
        for size in [*range(3, LARGEST + 1), 2, 1]
        for votes in range(1, size + 1)
        if enough(list(names(size)[:votes]), list(names(size))) != (2 * votes > size)
    ]
    if not wrong:
        return ""
    too_few = [(votes, size) for votes, size in wrong if 2 * votes <= size]
    if too_few:
        votes, size = too_few[0]
        if all(2 * votes == size for votes, size in too_few):
            return (
                f"{votes} of {size} is half, and not a majority: the other half can do the same, "
                "and then two lead in one term."
            )
        if any(size == 2 * votes + 1 and size > 3 for votes, size in too_few) and votes == 2:
            odd = next(((v, s) for v, s in too_few if s % 2), (votes, size))
            fixed = all((2, s) in too_few for s in range(4, LARGEST + 1))
            if fixed:
                return (
                    "it counts to two, whatever the size of the cluster: two of three are a "
                    f"majority, {odd[0]} of {odd[1]} are not. Two groups could both decide."
                )
            return (
                f"{odd[0]} of {odd[1]} are not a majority (look at how Python rounds: round(2.5) "
                "is 2): the others could decide something else."
            )
        return (
            f"{votes} of {size} votes are enough for it: {size // max(votes, 1)} groups could "
            "each elect a leader of their own in one term."
        )
    votes, size = wrong[0]
    if all((s - 1, s) in wrong for s in range(3, LARGEST + 1)):
        return (
            "it wants the vote of every member: as soon as one is down, nobody can be elected any "
            "more. A majority is enough, for any two majorities have a member in common."
        )
    down = size - votes
    return (
        f"{votes} of {size} are a majority, and it says that they are not: with {down} of {size} "
        f"member{'s' * (size > 1)} down nobody is elected, though those that are left could."
    )


ENOUGH = Exercise(
    "enough",
    judge_enough,
    [
        "Any two groups that may each decide have to have a member in common. How large must they "
        "be, so that this is always so?",
        "More than half of all members: not of those that answer, and not just half. "
        "len(members) says how many there are.",
        "Whole numbers are safest: 2 * len(yes) > len(members).",
    ],
)

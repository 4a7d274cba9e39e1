"""Lab 04, first exercise: how many votes are enough."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from kube_edu.classroom.exercise import Exercise, Report, Verdict, failed, passed
from kube_edu.classroom.guard import Guard
from kube_edu.classroom.raft_lab import World
from kube_edu.classroom.raft_plan import Plan, names
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


WAYS: tuple[tuple[Callable[[int, int], bool], str], ...] = (
    (
        lambda yes, size: 2 * yes >= size,
        "2 of 4 is half, and not a majority: the other half can do the same, and then two lead in "
        "one term.",
    ),
    (
        lambda yes, size: yes >= 2,
        "it counts to two, whatever the size of the cluster: two of three are a majority, two of "
        "five are not. Two groups could both decide.",
    ),
    (
        lambda yes, size: yes >= size // 2,
        "it rounds half of the members down: 1 of 3 is not a majority, and a member that is cut "
        "off would make itself leader.",
    ),
    (
        lambda yes, size: yes >= round(size / 2),
        "2 of 5 are not a majority (look at how Python rounds: round(2.5) is 2): the others could "
        "decide something else.",
    ),
    (
        lambda yes, size: yes >= 1,
        "a single vote is enough for it, and a candidate has that from the start: each could make "
        "itself leader.",
    ),
    (
        lambda yes, size: yes >= size,
        "it wants the vote of every member: as soon as one is down, nobody can be elected any "
        "more. A majority is enough, for any two majorities have a member in common.",
    ),
    (
        lambda yes, size: yes > size // 2 + 1,
        "it wants one vote more than a majority: that is safe, but a cluster of three stands no "
        "failure any more, and one of five a single one.",
    ),
    (
        lambda yes, size: 3 * yes >= 2 * size,
        "it wants two thirds: that is safe, but more than is needed, and a cluster of five stands "
        "one failure, where it could stand two. Any two majorities have a member in common.",
    ),
)
"""Other ways to count, and what each leads to."""


def _misconception(enough: Enough) -> str:
    """The way in which it counts, if it is one of those that many take; else the first wrong
    count, in the smallest cluster."""
    cases = [(yes, size) for size in range(3, LARGEST + 1) for yes in range(1, size + 1)]
    counted = [enough(list(names(size)[:yes]), list(names(size))) for yes, size in cases]
    for way, told in WAYS:
        if counted == [way(yes, size) for yes, size in cases]:
            return told
    for (yes, size), says in zip(cases, counted, strict=True):
        if says and 2 * yes <= size:
            return (
                f"{yes} of {size} votes are enough for it: those that are left could elect another "
                "leader in the same term."
            )
        if not says and 2 * yes > size:
            return (
                f"{yes} of {size} are a majority, and it says that they are not: with "
                f"{size - yes} down nobody is elected, though those that are left could."
            )
    return ""


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

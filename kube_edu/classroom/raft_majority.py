"""Lab 04, first exercise: how many votes are enough."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from kube_edu.classroom.exercise import Exercise, Report, Verdict, failed, passed, prose
from kube_edu.classroom.guard import Guard
from kube_edu.classroom.raft_lab import World
from kube_edu.classroom.raft_plan import Plan, names
from kube_edu.classroom.raft_plans import halves, losses, mixed, rivals
from kube_edu.classroom.raft_search import search
from kube_edu.raft import ConfState, RaftNode

SEEDS = 50
LARGEST = 7
"""Clusters of up to so many members are tried on paper."""

Enough = Callable[[list[str], list[str]], bool]


def judge_enough(answer: Callable[..., Any], report: Report) -> Verdict:
    """Let it decide every election (and every other question that wants a majority)."""
    enough = _guarded(answer)
    trials = search(lambda plan: _world(plan, enough))
    reason = _misconception(enough)
    plans = mixed(SEEDS, (halves, 4), (losses, 3), (halves, 5), (losses, 5), (rivals, 3))
    found = trials.find(plans, report)
    if found is not None:
        return trials.told(found, reason)
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


WAYS: dict[str, Callable[[int, int], bool]] = {
    "half": lambda yes, size: 2 * yes >= size,
    "two": lambda yes, size: yes >= 2,
    "half, rounded down": lambda yes, size: yes >= size // 2,
    "half, rounded": lambda yes, size: yes >= round(size / 2),
    "one": lambda yes, size: yes >= 1,
    "all": lambda yes, size: yes >= size,
    "one more": lambda yes, size: yes > size // 2 + 1,
    "two thirds": lambda yes, size: 3 * yes >= 2 * size,
}
"""Other ways to count."""
REASONS: dict[str, str] = prose("04-raft-elections")["reasons"]["enough"]
"""What each leads to."""


def _misconception(enough: Enough) -> str:
    """The way in which it counts, if it is one of those that many take; else the first wrong
    count, in the smallest cluster."""
    cases = [(yes, size) for size in range(3, LARGEST + 1) for yes in range(1, size + 1)]
    counted = [enough(list(names(size)[:yes]), list(names(size))) for yes, size in cases]
    for name, way in WAYS.items():
        if counted == [way(yes, size) for yes, size in cases]:
            return REASONS[name]
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


ENOUGH = Exercise("enough", judge_enough)

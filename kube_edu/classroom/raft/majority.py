"""Lab 04, first exercise: how many votes are enough."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

from kube_edu.classroom.guard import Guard
from kube_edu.classroom.raft.lab import World
from kube_edu.classroom.raft.plan import names
from kube_edu.classroom.raft.plans import halves, losses, rivals
from kube_edu.classroom.raft.search import Played, exercise
from kube_edu.classroom.trial import Reasons
from kube_edu.raft import ConfState, RaftNode

LARGEST = 7
"""Clusters of up to so many members are tried on paper."""

Enough = Callable[[list[str], list[str]], bool]


@dataclass(frozen=True, slots=True)
class CountedBy(ConfState):
    """A configuration in which somebody else decides what a majority is."""

    enough: Enough = lambda yes, members: False

    def agreed(self, names: Collection[str]) -> bool:
        return self.enough(list(names), list(self.voters))


class Elected(Played):
    """The answer decides every election (and every other question that wants a majority)."""

    @staticmethod
    def reference(yes: list[str], members: list[str]) -> bool:
        return 2 * len(yes) > len(members)

    def played_by(self, answer: Enough) -> World:
        enough = _guarded(answer)

        def make(name: str, members: tuple[str, ...], **settings: Any) -> RaftNode:
            node = RaftNode(name, members, **settings)
            node.conf = CountedBy(voters=members, enough=enough)
            return node

        return World(self.plan, make=make)

    @staticmethod
    def exam(answer: Enough) -> tuple[str, None]:
        return _misconception(_guarded(answer)), None


def _guarded(answer: Enough) -> Enough:
    guard = Guard(answer)

    @cache
    def enough(yes: tuple[str, ...], members: tuple[str, ...]) -> bool:
        return guard.ask(bool, "True or False", list(yes), list(members))

    return lambda yes, members: enough(tuple(yes), tuple(members))


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
because = Reasons("04-raft-elections", "enough")


def _misconception(enough: Enough) -> str:
    """The way in which it counts, if it is one of those that many take; else the first wrong
    count, in the smallest cluster."""
    cases = [(yes, size) for size in range(3, LARGEST + 1) for yes in range(1, size + 1)]
    counted = [enough(list(names(size)[:yes]), list(names(size))) for yes, size in cases]
    for name, way in WAYS.items():
        if counted == [way(yes, size) for yes, size in cases]:
            return because(name).reason
    for (yes, size), says in zip(cases, counted, strict=True):
        if says and 2 * yes <= size:
            return because("too few", yes=yes, size=size).reason
        if not says and 2 * yes > size:
            return because("too many", yes=yes, size=size, down=size - yes).reason
    return ""


ENOUGH = exercise(
    Elected,
    "enough",
    "of 3 to 5 members: never two leaders in a term, never none.",
    (halves, 4), (losses, 3), (halves, 5), (losses, 5), (rivals, 3),
)  # fmt: skip

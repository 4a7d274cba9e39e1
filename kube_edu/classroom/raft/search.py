"""Searching plans for a run in which an answer breaks a promise of Raft, and telling of it.

An exercise of lab 04 says how to make a world with a student's rule in it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from kube_edu.classroom.checkers import raft_safety
from kube_edu.classroom.checkers.violation import Violation
from kube_edu.classroom.exercise import Exercise
from kube_edu.classroom.raft.lab import World
from kube_edu.classroom.raft.plan import Plan
from kube_edu.classroom.raft.plans import Family, mixed
from kube_edu.classroom.trial import Answer, Failure, Judge, Trial
from kube_edu.trace import Event, Trace
from kube_edu.viz import Figure, space_time

SEEDS = 50
ROWS = 30
"""Of the figure; of a longer run the end is what matters."""
MORE_TIME = 20.0
"""Seconds."""


Check = Callable[[World], Failure | None]
"""Looks at a world that has run to the end of its plan; the kind of what is wrong is the promise
that is broken."""


def holds(promise: Callable[[Trace], Violation | None]) -> Check:
    """A check of what a checker says of the trace."""

    def check(world: World) -> Failure | None:
        violation = promise(world.trace)
        if violation is None:
            return None
        return Failure(violation.promise, violation.reason, violation.event)

    return check


def safe(world: World) -> Failure | None:
    """Does every promise of Figure 3 hold?"""
    if world.broken:
        return Failure("state-machine safety", world.broken, len(world.trace) - 1)
    return holds(raft_safety.check)(world)


def live(world: World) -> Failure | None:
    """Is there, in the end, a leader whom a majority follows? It may be on its way: a world that
    lacks one gets some more time."""

    def led() -> bool:
        following = [node for node in world.nodes.values() if node.leader == world.leader != ""]
        return len(following) > len(world.members) // 2

    if led() or world.run(world.now + MORE_TIME, until=led):
        return None
    up = len(world.nodes)
    reason = (
        f"{up} of {len(world.members)} members are up, and at {world.now:.0f} s still nobody leads"
    )
    return Failure("progress", reason, len(world.trace) - 1)


class Played(Trial):
    """A plan, played with a student's rule and with ours: what counts is what goes wrong in the one
    and not in the other."""

    failing: Failure
    trace: Trace
    keeps_kind = True
    checks: ClassVar[Sequence[Check]] = (safe, live)
    """Asked in this order."""

    def __init__(self, plan: Plan, answer: Answer) -> None:
        super().__init__(plan, answer)
        self.plan = plan
        self.world = self.played_by(answer)
        self.trace = self.world.trace

    def run(self) -> Failure | None:
        failing = self._wrong(self.world)
        return failing if failing and self._wrong(self.played_by(self.reference)) is None else None

    @staticmethod
    @abstractmethod
    def reference(*arguments: Any) -> Any:
        """Our rule."""

    @abstractmethod
    def played_by(self, answer: Answer) -> World:
        """A world of the plan, with an answer for its rule."""

    @staticmethod
    def exam(answer: Answer) -> tuple[str, Any]:
        """Questions on paper."""
        return "", None

    def _wrong(self, world: World) -> Failure | None:
        world.run(self.plan.seconds)
        return next((found for check in self.checks if (found := check(world))), None)

    def details(self) -> Sequence[str]:
        broken = f"broken: {self.failing.kind}. {self.failing.reason}."
        return broken, self.plan.in_words(self.plan.seconds)

    def drawn(self) -> Figure:
        return space_time(
            self.trace,
            f"The smallest run that breaks {self.failing.kind}",
            members=self.plan.members,
            mark=self.failing.at,
            why=self.failing.reason,
            rows=ROWS,
        )


def exercise(
    played: type[Played], name: str, praise: str, *families: tuple[Family, int]
) -> Exercise:
    """An exercise of lab 04, tried on plans of these families."""
    plans = partial(mixed, SEEDS, *families)
    told = f"{{runs}} clusters {praise}"
    judge = Judge(played, played.reference, plans, told, telling, exam=played.exam)
    return Exercise(name, judge)


def telling(event: Event) -> Any:
    """What members decide: votes, roles, answers, what is written and committed."""
    fields = event.fields
    if event.kind == "raft.send" and fields["type"] in ("MsgVoteResp", "MsgPreVoteResp"):
        return event.host, fields["to"], fields["type"], fields["term"], fields.get("reject")
    if event.kind in ("raft.role", "raft.vote", "raft.append", "raft.commit"):
        return event.host, event.kind, *fields.values()
    return None

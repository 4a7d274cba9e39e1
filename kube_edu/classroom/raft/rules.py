"""Lab 05: a student's rule in the place of ours, in a small world of members, where every call that
is made of it is looked at.

Runs are tried until a call goes wrong; the run is made smaller for as long as a call goes wrong in
the same way; then it is drawn, and goes on, to see what comes of it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from kube_edu.classroom.checkers.raft_safety import check as check_promises
from kube_edu.classroom.exercise import Exercise
from kube_edu.classroom.guard import untouched
from kube_edu.classroom.raft.lab import World
from kube_edu.classroom.raft.plan import Plan
from kube_edu.classroom.raft.scenes import random_plans
from kube_edu.classroom.trial import Answer, Failure, Judge, Trial
from kube_edu.raft import Rules
from kube_edu.trace import Event, Trace
from kube_edu.viz.figure import Figure
from kube_edu.viz.logs import LogRow, log_rows, logs
from kube_edu.viz.space_time import space_time

SEEDS = 50
AFTERMATH = 1500
"""Steps for which a run goes on after the wrong one."""
ROWS = 20
"""Of the space-time diagram: the last moments before the wrong step are what matters."""


class RuleRun(Trial):
    """A run of a plan, in which one rule is the student's; subclasses say which."""

    trace: Trace

    def __init__(self, plan: Plan, answer: Answer) -> None:
        super().__init__(plan, answer)
        self.plan = plan
        self.wrong: Failure | None = None
        """`kind` is the misconception, `at` the places in the logs that show it."""
        self.rows: Sequence[LogRow] = ()
        self.step = 0
        """Where in the trace the wrong call was made."""
        self.until = 0.0
        self.world = World(plan, self.rules())
        self.trace = self.world.trace

    @abstractmethod
    def rules(self) -> Rules:
        """Ours, but for the student's, whose calls are watched."""

    def run(self) -> Failure | None:
        """Up to the first call that goes wrong."""
        self.world.run(self.plan.seconds, until=lambda: self.wrong is not None)
        self.until = self.world.now
        return self.wrong

    def found(self, wrong: Failure | None, rows: Sequence[LogRow] = ()) -> None:
        """Note the first call that went wrong, with the logs at the time."""
        if wrong is not None and self.wrong is None:
            self.wrong, self.step = wrong, len(self.trace) - 1
            self.rows = rows or world_rows(self.world)

    def _seen(self) -> int:
        """Where in the trace to see it: what the call wrote or committed, or what led to it."""
        called = self.trace[self.step]
        there = (
            number
            for number in range(self.step, min(self.step + 12, len(self.trace)))
            if self.trace[number][:2] == called[:2]
            and self.trace[number].kind in ("raft.append", "raft.commit")
        )
        return next(there, self.step)

    @cached_property
    def what_comes_of_it(self) -> str:
        """Let it go on as if nothing were wrong; the promise of Raft that breaks, in words."""
        enough = self.world.steps + AFTERMATH
        self.world.run(self.plan.seconds + 2, until=lambda: self.world.steps > enough)
        broken = check_promises(self.world.trace)
        if broken is not None:
            return f"{broken.time:.2f} s  {broken.promise}: {broken.reason}"
        return self.world.broken

    def alike(self, other: RuleRun) -> bool:
        """Do they go wrong in the same way, and does as much come of it?"""
        assert self.wrong is not None and other.wrong is not None
        return self.wrong.kind == other.wrong.kind and (
            not other.what_comes_of_it or bool(self.what_comes_of_it)
        )

    def details(self) -> Sequence[str]:
        then = self.what_comes_of_it
        run = self.plan.in_words(self.plan.seconds if then else self.until)
        return [run, f"and what comes of it:\n  {then}" if then else ""]

    def drawn(self) -> tuple[Figure, Figure]:
        wrong = self.wrong
        assert wrong is not None
        return (
            logs("The logs at the step that goes wrong", self.rows, wrong.at),
            space_time(self.trace, "The run up to that step", mark=self._seen(),
                       members=self.plan.members, why=wrong.kind, rows=ROWS),
        )  # fmt: skip


def exercise(run: type[RuleRun], reference: Answer, *first: Plan) -> Exercise:
    """An exercise of lab 05: the answer is put to the test in the given runs, and in many that
    chance makes."""
    praise = "{runs} runs with crashes, cuts and lost, late and doubled messages."
    plans = lambda: [*first, *random_plans(SEEDS)]  # noqa: E731
    return Exercise(reference.__name__, Judge(run, reference, plans, praise, _telling))


def _telling(event: Event) -> Any:
    """What becomes of logs, and what a leader sends: by whom, and what."""
    if event.kind in ("raft.append", "raft.commit", "raft.role"):
        return event.host, event.kind, tuple(event.fields.items())
    if event.kind == "raft.send" and event.fields["type"] in ("MsgApp", "MsgAppResp"):
        hidden = ("message",)
        return event.host, tuple((k, str(v)) for k, v in event.fields.items() if k not in hidden)
    return None


def rules_by(*answers: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """Roles for a Cluster: each answer by its name, if it is more than a stub."""
    return {f"raft.{answer.__name__}": answer for answer in answers if not untouched(answer)}


def world_rows(world: World) -> list[LogRow]:
    """The logs of all members of a world; of those that are down, what is on their disks."""
    up = {row.name: row for row in log_rows(world.nodes)}
    rows = []
    for name, member in world.members.items():
        disk = member.disk
        snapshot = disk.snapshot.index if disk.snapshot else 0
        down = LogRow(name, tuple(disk.entries), disk.hard.term, disk.hard.commit, up=False,
                      snapshot=snapshot)  # fmt: skip
        rows.append(up.get(name, down))
    return rows


def world_logs(world: World, title: str) -> Figure:
    """The logs of a world's members, drawn."""
    return logs(title, world_rows(world))

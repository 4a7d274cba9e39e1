"""Lab 05: a student's rule in the place of ours, in a small world of members, where every call that
is made of it is looked at.

Runs are tried until a call goes wrong; the run is made smaller for as long as a call goes wrong in
the same way; then it is drawn, and goes on, to see what comes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from kube_edu.classroom.checkers.raft_safety import check as check_promises
from kube_edu.classroom.exercise import Report, Verdict, failed, passed
from kube_edu.classroom.guard import Guard, untouched
from kube_edu.classroom.parting import parting
from kube_edu.classroom.raft_lab import World
from kube_edu.classroom.raft_plan import Plan
from kube_edu.classroom.raft_scenes import random_plans
from kube_edu.classroom.search import first_failing, shrink, without_one
from kube_edu.raft import Rules
from kube_edu.trace import Event
from kube_edu.viz.figure import Figure
from kube_edu.viz.logs import LogMark, LogRow, log_rows, logs
from kube_edu.viz.space_time import space_time

SEEDS = 50
AFTERMATH = 1500
"""Steps for which a run goes on after the wrong one."""
ROWS = 20
"""Of the space-time diagram: the last moments before the wrong step are what matters."""


@dataclass(frozen=True)
class Wrong:
    """A call that went wrong. `about` names the misconception in a few words, `reason` is a
    sentence on this very case, and the logs show it."""

    about: str
    reason: str
    rows: Sequence[LogRow] = ()
    marks: Sequence[LogMark] = ()


class Trial:
    """A run of a plan, in which one rule is the student's."""

    def __init__(self, plan: Plan, watch: Watch, guard: Guard) -> None:
        self.plan = plan
        self.wrong: Wrong | None = None
        self.at = 0
        """Where in the trace the wrong call was made."""
        self.until = 0.0
        self.world = World(plan, watch(self, guard))

    def run(self) -> Trial | None:
        """Up to the first call that goes wrong; None if none does."""
        self.world.run(self.plan.seconds, until=lambda: self.wrong is not None)
        self.until = self.world.now
        return self if self.wrong is not None else None

    def found(self, wrong: Wrong | None) -> None:
        """Note the first call that went wrong."""
        if wrong is not None and self.wrong is None:
            self.wrong, self.at = wrong, len(self.world.trace) - 1

    def step(self) -> int:
        """Where in the trace to see it: what the call wrote or committed, or what led to it."""
        called = self.world.trace[self.at]
        there = (
            number
            for number in range(self.at, min(self.at + 12, len(self.world.trace)))
            if self.world.trace[number][:2] == called[:2]
            and self.world.trace[number].kind in ("raft.append", "raft.commit")
        )
        return next(there, self.at)

    @cached_property
    def what_comes_of_it(self) -> str:
        """Let it go on as if nothing were wrong; the promise of Raft that breaks, in words."""
        enough = self.world.steps + AFTERMATH
        self.world.run(self.plan.seconds + 2, until=lambda: self.world.steps > enough)
        broken = check_promises(self.world.trace)
        if broken is not None:
            return f"{broken.time:.2f} s  {broken.promise}: {broken.reason}"
        return self.world.broken

    @cached_property
    def parting(self) -> str:
        """The first step at which the run parts from that with our rules, in words."""
        reference = World(self.plan)
        reference.run(self.world.now)
        return parting(self.world.trace, reference.trace, _telling)


Watch = Callable[[Trial, Guard], Rules]
"""Makes the rules of a world: ours, but for the student's, whose calls it watches."""


def judge_rule(
    watch: Watch, first: Sequence[Plan], answer: Callable[..., Any], report: Report
) -> Verdict:
    """Put the answer to the test in the given runs, and in many that chance makes."""
    guard = Guard(answer)
    tried = 0

    def judge(plan: Plan) -> Trial | None:
        nonlocal tried
        tried += 1
        report(
            f"run {tried} of {len(first) + SEEDS}: {len(plan.members)} members, seed {plan.seed}"
        )
        return Trial(plan, watch, guard).run()

    found = first_failing([*first, *random_plans(SEEDS)], judge)
    if found is None:
        return passed(f"{tried} runs with crashes, cuts and lost, late and doubled messages.")
    first_found = found[1]

    def same(plan: Plan) -> Trial | None:
        trial = Trial(plan, watch, guard).run()
        return trial if trial is not None and _alike(trial, first_found) else None

    report("making the run smaller …")
    plan, trial = shrink(found, _smaller, same, tries=120)
    return _explained(plan, trial)


def _alike(trial: Trial, other: Trial) -> bool:
    """Do they go wrong in the same way, and does as much come of it?"""
    assert trial.wrong is not None and other.wrong is not None
    return (
        trial.wrong.about == other.wrong.about
        and (not other.what_comes_of_it or bool(trial.what_comes_of_it))
        and (not other.parting or bool(trial.parting))
    )


def _explained(plan: Plan, trial: Trial) -> Verdict:
    wrong = trial.wrong
    assert wrong is not None
    then = trial.what_comes_of_it
    acts_until = plan.seconds if then else trial.until
    details = [f"the smallest run (seed {plan.seed}):\n{_in_words(plan, acts_until)}"]
    if trial.parting:
        details.append(trial.parting)
    if then:
        details.append(f"and what comes of it:\n  {then}")
    figures = [logs("The logs at the step that goes wrong", wrong.rows, wrong.marks)]
    figures.append(space_time(trial.world.trace, "The run up to that step", mark=trial.step(),
                              members=plan.members, why=wrong.about, rows=ROWS))  # fmt: skip
    return failed(wrong.reason, *details, figure=tuple(figures))


def _telling(event: Event) -> Any:
    """What becomes of logs, and what a leader sends: by whom, and what."""
    if event.kind in ("raft.append", "raft.commit", "raft.role"):
        return event.host, event.kind, tuple(event.fields.items())
    if event.kind == "raft.send" and event.fields["type"] in ("MsgApp", "MsgAppResp"):
        hidden = ("message",)
        return event.host, tuple((k, str(v)) for k, v in event.fields.items() if k not in hidden)
    return None


def _in_words(plan: Plan, until: float) -> str:
    lines = []
    if any(plan.logs.values()):
        each = [f"{name}: {' '.join(map(str, plan.logs.get(name, ())))}" for name in plan.members]
        lines.append("  logs at the start (terms of the entries)  " + ";  ".join(each))
    acts = [f"  {act}" for act in plan.acts if act.at <= until]
    return "\n".join(lines + (acts or ["  no disturbance at all"]))


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Without one act; without one member, where it has no part in it; without the last entry of
    one log."""
    for acts in without_one(plan.acts):
        yield replace(plan, acts=acts)
    concerned = {name for act in plan.acts for name in act.who}
    for name in plan.members[::-1]:
        if name not in concerned and len(plan.members) > 3:
            yield replace(
                plan,
                members=tuple(member for member in plan.members if member != name),
                logs={member: log for member, log in plan.logs.items() if member != name},
            )
    for name, log in plan.logs.items():
        if log:
            yield replace(plan, logs={**plan.logs, name: log[:-1]})


def number(guard: Guard, *arguments: Any) -> int:
    """What the student's function answers, where an index is due."""
    answer = guard.call(*arguments)
    if not isinstance(answer, int) or isinstance(answer, bool):
        raise guard.slip(f"it returned {answer!r:.40}: the index of an entry is a number")
    return answer


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

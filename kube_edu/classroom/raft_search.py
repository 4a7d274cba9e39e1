"""Searching plans for a run in which an answer breaks a promise of Raft, and telling of it.

A lab gives a `Search`: how to make a world with a student's rule in it, and one with ours. What is
found is shrunk to the fewest acts and the shortest time, drawn up to the step that is wrong, and
compared with the reference's run of the same plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kube_edu.classroom.checkers import raft_safety
from kube_edu.classroom.checkers.violation import Violation
from kube_edu.classroom.exercise import Report, Verdict, failed
from kube_edu.classroom.parting import parting
from kube_edu.classroom.raft_lab import World
from kube_edu.classroom.raft_plan import Plan
from kube_edu.classroom.search import first_failing, shrink, without_one
from kube_edu.trace import Event, Trace
from kube_edu.viz import Figure, space_time

SHRINKS = 120
ROWS = 30
"""Of the figure; of a longer run the end is what matters."""
MORE_TIME = 20.0
"""Seconds."""


@dataclass(frozen=True)
class Failing:
    """What is wrong with a run: the promise, a sentence, and where and when in the trace."""

    promise: str
    reason: str
    mark: int
    time: float


Check = Callable[[World], Failing | None]
"""Looks at a world that has run to the end of its plan."""


@dataclass(frozen=True)
class Found:
    """The smallest run that fails."""

    plan: Plan
    failing: Failing
    world: World


def holds(promise: Callable[[Trace], Violation | None]) -> Check:
    """A check of what a checker says of the trace."""

    def check(world: World) -> Failing | None:
        violation = promise(world.trace)
        if violation is None:
            return None
        return Failing(violation.promise, violation.reason, violation.event, violation.time)

    return check


def safe(world: World) -> Failing | None:
    """Does every promise of Figure 3 hold?"""
    if world.broken:
        return Failing("state-machine safety", world.broken, len(world.trace) - 1, world.now)
    return holds(raft_safety.check)(world)


def live(world: World) -> Failing | None:
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
    return Failing("progress", reason, len(world.trace) - 1, world.now)


@dataclass(frozen=True)
class Search:
    """`mine` and `ours` make a world of a plan; `checks` are asked in this order."""

    mine: Callable[[Plan], World]
    ours: Callable[[Plan], World]
    checks: Sequence[Check] = (safe, live)

    def find(self, plans: Iterable[Plan], report: Report) -> Found | None:
        """The first plan that fails, made as small as it gets."""
        tried = 0

        def judge(plan: Plan) -> Failing | None:
            nonlocal tried
            tried += 1
            if tried % 5 == 1:
                report(f"run {tried}: {len(plan.members)} members, {len(plan.acts)} disturbances …")
            return self._fails(plan)

        found = first_failing(plans, judge)
        if found is None:
            return None
        promise = found[1].promise

        def same(plan: Plan) -> Failing | None:
            report("making the failing run smaller …")
            failing = self._fails(plan)
            return failing if failing and failing.promise == promise else None

        plan, failing = shrink((_up_to(*found), found[1]), _smaller, same, tries=SHRINKS)
        return Found(plan, failing, _run(self.mine, plan))

    def verdict(self, found: Found, reason: str, *figures: Figure) -> Verdict:
        """`reason` names the misconception; what happened is told below it, and drawn after the
        `figures`."""
        trace, failing = found.world.trace, found.failing
        reference = _run(self.ours, found.plan)
        case = f"the smallest case (seed {found.plan.seed}, {len(found.plan.members)} members)"
        acts = [f"  {act}" for act in found.plan.acts] or ["  no disturbance at all"]
        details = [
            f"broken: {failing.promise}. {failing.reason}.",
            "\n".join([f"{case}:", *acts]),
        ]
        apart = parting(trace, reference.trace, telling)
        return failed(
            reason, *details, *([apart] if apart else []), figure=(*figures, _drawn(found))
        )

    def _fails(self, plan: Plan) -> Failing | None:
        """What is wrong with a run in which ours does nothing wrong."""
        failing = self._judge(self.mine, plan)
        return failing if failing and self._judge(self.ours, plan) is None else None

    def _judge(self, make: Callable[[Plan], World], plan: Plan) -> Failing | None:
        world = _run(make, plan)
        return next((found for check in self.checks if (found := check(world))), None)


def _drawn(found: Found) -> Figure:
    failing = found.failing
    return space_time(
        found.world.trace,
        f"The smallest run that breaks {failing.promise}",
        members=found.plan.members,
        mark=failing.mark,
        why=failing.reason,
        rows=ROWS,
    )


def _run(make: Callable[[Plan], World], plan: Plan) -> World:
    world = make(plan)
    world.run(plan.seconds)
    return world


def telling(event: Event) -> Any:
    """What members decide: votes, roles, answers, what is written and committed."""
    fields = event.fields
    if event.kind == "raft.send" and fields["type"] in ("MsgVoteResp", "MsgPreVoteResp"):
        return event.host, fields["to"], fields["type"], fields["term"], fields.get("reject")
    if event.kind in ("raft.role", "raft.vote", "raft.append", "raft.commit"):
        return event.host, event.kind, *fields.values()
    return None


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Fewer acts, fewer members."""
    for acts in without_one(plan.acts):
        yield replace(plan, acts=acts)
    named = [name for act in plan.acts for name in act.who]
    for members in without_one(plan.members):
        if len(members) >= 3 and not [n for n in named if n in plan.members and n not in members]:
            yield replace(plan, members=members)


def _up_to(plan: Plan, failing: Failing) -> Plan:
    """Nothing after the failure matters (but who waits for a leader has to wait)."""
    if failing.promise == "progress":
        return plan
    acts = tuple(act for act in plan.acts if act.at <= failing.time)
    return replace(plan, acts=acts, seconds=round(failing.time + 0.05, 2))

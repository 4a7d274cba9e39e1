"""Lab 05, second exercise: up to where a leader may call entries committed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kube_edu.classroom.append_rule import Page
from kube_edu.classroom.exercise import Exercise, Report, Verdict
from kube_edu.classroom.guard import Guard
from kube_edu.classroom.raft_plan import Act, Plan, names
from kube_edu.classroom.raft_rules import Trial, Wrong, judge_rule, number, world_rows
from kube_edu.classroom.raft_scenes import FIGURE_8
from kube_edu.raft import Leader, Rules
from kube_edu.raft.rules import commit_index
from kube_edu.viz.logs import LogMark

HALF = Plan(
    seed=4,
    members=names(4),
    acts=(
        Act(0.1, "time out", ("etcd-1",)),
        Act(0.3, "cut off", ("etcd-1", "etcd-2"), seconds=1.0),
        Act(0.4, "propose", ("etcd-1",), data="x=1"),
    ),
    seconds=1.2,
    pre_vote=False,
)
"""Two of four: a half is no majority, for the other half could say the same."""

THREE = Plan(
    seed=6,
    members=names(3),
    acts=(Act(0.1, "time out", ("etcd-1",)), Act(0.3, "propose", ("etcd-1",), data="x=1")),
    seconds=0.6,
    pre_vote=False,
)
"""Nothing befalls it: who waits for all three waits too long."""


def _watch(trial: Trial, guard: Guard) -> Rules:
    def rule(leader: Leader) -> int:
        right = commit_index(leader)
        answer = number(guard, replace(leader, log=Page(leader.log)))
        name = next(n for n, node in trial.world.nodes.items() if node.log is leader.log)
        found = _misjudged(leader, name, max(answer, leader.commit), right)
        trial.found(found and replace(found, rows=world_rows(trial.world)))
        return answer

    return replace(Rules(), commit_index=rule)


def judge_commit(answer: Callable[..., Any], report: Report) -> Verdict:
    return judge_rule(_watch, [FIGURE_8, HALF, THREE], answer, report)


def _misjudged(leader: Leader, name: str, answer: int, right: int) -> Wrong | None:
    """What is wrong with an answer; one below leader.commit is taken for that."""
    if answer == right:
        return None
    if answer > leader.log.last_index:
        return Wrong(
            "there is no such entry",
            f"you call entry {answer} committed, and the leader's log ends at "
            f"{leader.log.last_index}.",
        )
    wrong = _too_early(leader, answer) if answer > right else _too_late(leader, answer, right)
    return replace(wrong, marks=[LogMark(name, max(answer, right))])


def _too_early(leader: Leader, answer: int) -> Wrong:
    members, majority, have = _counted(leader, answer)
    where = f"entry {answer} is known to be on {have} of {members} disks"
    if have >= majority:
        return Wrong(
            "it commits an entry of an older term by counting",
            f"{where}. That is a majority, but the entry is of term {leader.log.term(answer)}, and "
            f"this is term {leader.term}: a member with another entry in its place may still be "
            "elected, and replace it (section 5.4.2, Figure 8). Only an entry of the leader's own "
            "term settles it, and all before it.",
        )
    if have * 2 == members:
        return Wrong(
            "it takes a half for a majority",
            f"{where}: that is a half, and the other half could agree on something else. A "
            f"majority is {majority}.",
        )
    if have == majority - 1:
        return Wrong(
            "it counts one too few",
            f"{where}, the leader's among them: it is in leader.match as everybody else is, and "
            f"must not be added to it. A majority of {members} is {majority}.",
        )
    return Wrong(
        "it commits what hardly anybody has",
        f"{where}. Were these lost, nobody would know of it. A majority is {majority}.",
    )


def _too_late(leader: Leader, answer: int, right: int) -> Wrong:
    members, majority, have = _counted(leader, right)
    due = f"you stay at entry {answer}, and entry {right} is on {have} of {members} disks"
    between = range(leader.commit + 1, right)
    old = next((i for i in between if leader.log.term(i) != leader.term), 0)
    if answer < old:
        return Wrong(
            "it never gets past the entries of older terms",
            f"{due}, and is of the leader's own term. Entry {old}, of term "
            f"{leader.log.term(old)}, is not committed by counting, but along with entry {right}: "
            "whoever has that one has all before it.",
        )
    if answer == leader.commit and have == majority:
        return Wrong(
            "it waits for more than a majority",
            f"{due}, the leader's among them. That is a majority. Waiting for more, the "
            "cluster would stand still as soon as one member is lost that it could do without.",
        )
    return Wrong(
        "it does not commit all that a majority has",
        f"{due}. Committed is the last entry that a majority has, with all before it.",
    )


def _counted(leader: Leader, index: int) -> tuple[int, int, int]:
    """How many members there are, how many are a majority, and how many have the entry."""
    members = len(leader.match)
    return members, members // 2 + 1, sum(match >= index for match in leader.match.values())


COMMIT = Exercise("commit_index", judge_commit)

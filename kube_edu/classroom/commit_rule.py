"""Lab 05, second exercise: up to where a leader may call entries committed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kube_edu.classroom.append_rule import Page
from kube_edu.classroom.exercise import Exercise, Report, Verdict
from kube_edu.classroom.guard import Guard
from kube_edu.classroom.raft_lab import Act, Plan, names
from kube_edu.classroom.raft_rules import Trial, Wrong, judge_rule, world_rows
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


def _watch(trial: Trial, guard: Guard) -> Rules:
    def rule(leader: Leader) -> int:
        right = commit_index(leader)
        answer = guard.call(replace(leader, log=Page(leader.log)))  # type: ignore[arg-type]
        if not isinstance(answer, int) or isinstance(answer, bool):
            raise guard.slip(f"it returned {answer!r:.40}: the index of an entry is a number")
        found = _misjudged(leader, max(answer, leader.commit), right)
        trial.found(found and replace(found, rows=world_rows(trial.world)))
        return answer

    return replace(Rules(), commit_index=rule)


def judge_commit(answer: Callable[..., Any], report: Report) -> Verdict:
    return judge_rule(_watch, [FIGURE_8, HALF], answer, report)


def _misjudged(leader: Leader, answer: int, right: int) -> Wrong | None:
    """What is wrong with an answer; one below leader.commit is taken for that."""
    match, members = leader.match, len(leader.match)
    majority = members // 2 + 1
    have = sum(index >= answer for index in match.values())
    if answer == right:
        return None
    if answer > leader.log.last_index:
        return Wrong(
            "there is no such entry",
            f"you call entry {answer} committed, and the leader's log ends at "
            f"{leader.log.last_index}.",
        )
    if answer > right:
        marks = [LogMark(_leader(leader), answer)]
        if have < majority:
            return _too_few(leader, answer, have, majority, marks)
        term = leader.log.term(answer)
        return Wrong(
            "it commits an entry of an older term by counting",
            f"entry {answer} is of term {term}, and this is term {leader.term}. That {have} of "
            f"{members} members have it is not enough: one with a later entry in its place may "
            "still be elected, and replace it (section 5.4.2, Figure 8). Only an entry of the "
            "leader's own term settles it, and all before it.",
            marks=marks,
        )
    return _too_late(leader, answer, right, majority, [LogMark(_leader(leader), right)])


def _too_few(leader: Leader, answer: int, have: int, majority: int, marks: list[LogMark]) -> Wrong:
    members, match = len(leader.match), leader.match
    where = f"entry {answer} is on the disks of {have} of {members} members"
    if have * 2 == members:
        return Wrong(
            "it takes a half for a majority",
            f"{where}: that is a half, and the other half could agree on something else. A "
            f"majority is {majority}.",
            marks=marks,
        )
    if match[_leader(leader)] < answer:
        return Wrong(
            "it counts the leader's entry before it is on its disk",
            f"{where}, and not on the leader's own: leader.match says for the leader, too, how far "
            "its disk is. If the power went now, the entry would be gone.",
            marks=marks,
        )
    if have == majority - 1:
        return Wrong(
            "it counts the leader twice",
            f"{where}, the leader's included: leader.match has the leader in it. A majority is "
            f"{majority}.",
            marks=marks,
        )
    return Wrong(
        "it commits what hardly anybody has",
        f"{where}. If they were lost, nobody would know of it. A majority of {members} is "
        f"{majority}.",
        marks=marks,
    )


def _too_late(
    leader: Leader, answer: int, right: int, majority: int, marks: list[LogMark]
) -> Wrong:
    match, members = leader.match, len(leader.match)
    have = sum(index >= right for index in match.values())
    newer = f"a majority has entry {right}, of the leader's own term, and you stay at {answer}"
    if any(leader.log.term(i) != leader.term for i in range(leader.commit + 1, right)):
        old = next(i for i in range(leader.commit + 1, right) if leader.log.term(i) != leader.term)
        if answer < right and answer < old:
            return Wrong(
                "it never gets past the entries of older terms",
                f"{newer}. Entry {old}, of term {leader.log.term(old)}, is not committed by "
                f"counting, but along with entry {right}: whoever has that one has all before it.",
                marks=marks,
            )
    if have == majority and members > 1:
        without = _without_leader(match, _leader(leader))
        if sum(index >= right for index in without) < majority <= have:
            return Wrong(
                "it waits for one more than a majority",
                f"{newer}. {have} of {members} members have it, the leader among them: that is "
                "a majority. Waiting for more, the cluster would stand still as soon as a member "
                "is lost that it could do without.",
                marks=marks,
            )
    return Wrong(
        "it does not commit what a majority has",
        f"{newer}: {have} of {members} members have it, and {majority} are a majority. The client "
        "waits for its answer in vain.",
        marks=marks,
    )


def _without_leader(match: Mapping[str, int], leader: str) -> list[int]:
    return [index for name, index in match.items() if name != leader]


def _leader(leader: Leader) -> str:
    return next(iter(leader.match))


COMMIT = Exercise(
    "commit_index",
    judge_commit,
    [
        "leader.match has, for each member, the index up to which its log is known to be like the "
        "leader's, and on disk. The leader is in it, too. Sorted from high to low, which of "
        "these numbers is reached by a majority?",
        "With 5 members it is the third: three have that or more. In general, that at position "
        "len(leader.match) // 2, counted from 0.",
        "Return it if it is greater than leader.commit and if that entry is of the leader's own "
        "term: leader.log.term(index) == leader.term. Else return leader.commit.",
    ],
)

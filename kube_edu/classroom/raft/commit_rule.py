"""Lab 05, second exercise: up to where a leader may call entries committed."""

from __future__ import annotations

from dataclasses import replace

from kube_edu.classroom.raft.append_rule import Page
from kube_edu.classroom.raft.rules import RuleRun, exercise
from kube_edu.classroom.raft.scenes import FIGURE_8, scene
from kube_edu.classroom.trial import Failure, Reasons
from kube_edu.raft import Leader, Rules
from kube_edu.raft.rules import commit_index
from kube_edu.viz.logs import LogMark

because = Reasons("05-raft-replication", "commit_index")


class Committed(RuleRun):
    def rules(self) -> Rules:
        return replace(Rules(), commit_index=self._commit)

    def _commit(self, leader: Leader) -> int:
        right = commit_index(leader)
        answer = self.guard.ask(int, "an index", replace(leader, log=Page(leader.log)))
        name = next(n for n, node in self.world.nodes.items() if node.log is leader.log)
        self.found(_misjudged(leader, name, max(answer, leader.commit), right))
        return answer


def _misjudged(leader: Leader, name: str, answer: int, right: int) -> Failure | None:
    """What is wrong with an answer; one below leader.commit is taken for that."""
    if answer == right:
        return None
    last, members = leader.log.last_index, len(leader.match)
    if answer > last:
        return because("there is no such entry", [], answer=answer, last=last)
    majority, latest = members // 2 + 1, max(answer, right)
    have = sum(match >= latest for match in leader.match.values())
    between = range(leader.commit + 1, right)
    old = next((i for i in between if leader.log.term(i) != leader.term), 0)
    if answer > right:
        kind = _too_early(have, members)
    elif answer < old:
        kind = "it never gets past the entries of older terms"
    elif answer == leader.commit and have == majority:
        kind = "it waits for more than a majority"
    else:
        kind = "it does not commit all that a majority has"
    return because(
        kind,
        [LogMark(name, latest)],
        answer=answer, right=right, have=have, members=members, majority=majority, old=old,
        term=leader.log.term(answer if answer > right else old), leader=leader,
    )  # fmt: skip


def _too_early(have: int, members: int) -> str:
    majority = members // 2 + 1
    if have >= majority:
        return "it commits an entry of an older term by counting"
    if have * 2 == members:
        return "it takes a half for a majority"
    return "it counts one too few" if have == majority - 1 else "it commits what hardly anybody has"


COMMIT = exercise(Committed, commit_index, FIGURE_8, scene("half"), scene("three"))

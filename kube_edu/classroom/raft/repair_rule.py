"""Lab 05, third exercise: how far a leader goes back with a follower whose log differs."""

from __future__ import annotations

from dataclasses import replace

from kube_edu.classroom.raft.append_rule import Page
from kube_edu.classroom.raft.rules import RuleRun, exercise
from kube_edu.classroom.raft.scenes import FIGURE_7, scene
from kube_edu.classroom.trial import Failure, Reasons
from kube_edu.raft import Log, Message, Rules
from kube_edu.raft.rules import next_index
from kube_edu.viz.logs import LogMark

because = Reasons("05-raft-replication", "next_index")


class Repaired(RuleRun):
    def rules(self) -> Rules:
        return replace(Rules(), next_index=self._next)

    def _next(self, log: Log, refusal: Message) -> int:
        answer = self.guard.ask(int, "an index", Page(log), refusal)
        self.found(_misjudged(log, refusal, answer, next_index(log, refusal)))
        return answer


def _misjudged(log: Log, refusal: Message, answer: int, right: int) -> Failure | None:
    """What is wrong with an answer. To send a term from its beginning is as good as ours: one
    refusal settles it (the paper's own way, at the end of section 5.3)."""
    begins = right
    while begins > log.first_index and log.term(begins - 1) == log.term(right - 1):
        begins -= 1
    if begins <= answer <= right:
        return None
    follower, hint, term = refusal.source, refusal.reject_hint, refusal.log_term
    known = because("has some" if hint else "has none", follower=follower, hint=hint, term=term,
                    agree=right - 1)  # fmt: skip
    return because(
        _misconception(log, refusal, answer, right),
        [LogMark(refusal.to, answer)] if answer > 0 else [],
        answer=answer, last=log.last_index, known=known.reason, before=answer - 1,
        its_term=log.term(answer - 1), term=term, follower=follower, hint=hint,
        refused=refusal.index, agree=right - 1,
    )  # fmt: skip


def _misconception(log: Log, refusal: Message, answer: int, right: int) -> str:
    hint = refusal.reject_hint
    if answer < 1:
        return "there is no such entry"
    if answer > log.last_index + 1:
        return "there is no such entry yet"
    if answer == hint + 1 > right:
        return "it does not compare the terms"
    if answer > hint + 1 and log.term(answer - 1) <= refusal.log_term:
        return "it looks at the terms alone"
    if answer > refusal.index:
        return "it does not go back"
    little = answer > right
    return "it goes back a little at a time" if little else "it goes back further than it need"


REPAIR = exercise(Repaired, next_index, scene("behind"), FIGURE_7)

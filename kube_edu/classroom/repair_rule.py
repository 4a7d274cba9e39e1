"""Lab 05, third exercise: how far a leader goes back with a follower whose log differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kube_edu.classroom.append_rule import Page
from kube_edu.classroom.exercise import Exercise, Report, Verdict
from kube_edu.classroom.guard import Guard
from kube_edu.classroom.raft_plan import Act, Plan, names
from kube_edu.classroom.raft_rules import Trial, Wrong, judge_rule, number, world_rows
from kube_edu.classroom.raft_scenes import FIGURE_7
from kube_edu.raft import Log, Message, Rules
from kube_edu.raft.rules import next_index
from kube_edu.viz.logs import LogMark

BEHIND = Plan(
    seed=3,
    members=names(3),
    logs={"etcd-1": (1, 1, 1, 2, 2), "etcd-2": (1, 1), "etcd-3": (1, 1, 1, 2, 2)},
    acts=(Act(0.1, "time out", ("etcd-1",)),),
    seconds=1.0,
    pre_vote=False,
)
"""A follower that only lacks entries, and some of them are of the same term as its last."""


def _watch(trial: Trial, guard: Guard) -> Rules:
    def rule(log: Log, refusal: Message) -> int:
        answer = number(guard, Page(log), refusal)
        wrong = _misjudged(log, refusal, answer, next_index(log, refusal))
        if wrong is not None:
            marks = [LogMark(refusal.to, answer)] if answer > 0 else []
            trial.found(replace(wrong, rows=world_rows(trial.world), marks=marks))
        return answer

    return replace(Rules(), next_index=rule)


def judge_repair(answer: Callable[..., Any], report: Report) -> Verdict:
    return judge_rule(_watch, [BEHIND, FIGURE_7], answer, report)


def _misjudged(log: Log, refusal: Message, answer: int, right: int) -> Wrong | None:
    """What is wrong with an answer. To send a term from its beginning is as good as ours: one
    refusal settles it (the paper's own way, at the end of section 5.3)."""
    follower, hint, term = refusal.source, refusal.reject_hint, refusal.log_term
    begins = right
    while begins > log.first_index and log.term(begins - 1) == log.term(right - 1):
        begins -= 1
    if begins <= answer <= right:
        return None
    if answer < 1:
        return Wrong(
            "there is no such entry",
            f"you would send entry {answer} next. The first entry of a log is entry 1.",
        )
    if answer > log.last_index + 1:
        return Wrong(
            "there is no such entry",
            f"you would send entry {answer} next, and this log ends at {log.last_index}.",
        )
    known = f"{follower} has none of this log's entries."
    if hint:
        known = (
            f"{follower} has an entry {hint} of term {term}, and terms never fall along a log: up "
            "to there it has none of a later term. The logs cannot agree beyond entry "
            f"{right - 1}."
        )
    if answer == hint + 1 > right:
        return Wrong(
            "it does not compare the terms",
            f"{known} Entry {answer - 1} here, which you would have it build on, is of term "
            f"{log.term(answer - 1)}: it is refused.",
        )
    if answer > hint + 1 and log.term(answer - 1) <= term:
        return Wrong(
            "it looks at the terms alone",
            f"this log has entries of term {term} up to entry {answer - 1}, but {follower} has "
            f"said that the logs agree up to entry {hint} at the best. What builds on entry "
            f"{answer - 1} is refused, again and again.",
        )
    if answer > refusal.index:
        return Wrong(
            "it does not go back",
            f"{follower} lacks entry {refusal.index} of this log, and you would send entry "
            f"{answer} next, which comes after it: that is refused again, and again.",
        )
    if answer > right:
        return Wrong(
            "it goes back a little at a time",
            f"{known} You would try entry {answer} next, and be refused again. A log that is off "
            "by a million entries would be mended by a million refusals.",
        )
    return Wrong(
        "it goes back further than it need",
        f"the logs may well agree up to entry {right - 1}, and you would send everything from "
        f"entry {answer} on. In a log that is old these are many; and where they are gone already "
        "a whole snapshot has to go instead.",
    )


REPAIR = Exercise("next_index", judge_repair)

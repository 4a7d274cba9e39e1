"""Lab 05, first exercise: how a follower takes entries from a leader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from kube_edu.classroom.exercise import Exercise, Report, Verdict
from kube_edu.classroom.guard import Guard, Slip
from kube_edu.classroom.raft_plan import Act, Plan, names
from kube_edu.classroom.raft_rules import Trial, Wrong, judge_rule
from kube_edu.classroom.raft_scenes import FIGURE_7
from kube_edu.raft import Entry, Log, Message, Rules, SafetyError
from kube_edu.raft.rules import append_entries
from kube_edu.viz.logs import LogMark, LogRow

LATE = Plan(
    seed=5,
    members=names(5),
    acts=(
        Act(0.1, "time out", ("etcd-1",)),
        Act(0.3, "duplicate", ("etcd-1", "etcd-2"), seconds=0.12),
        Act(0.301, "drop", ("etcd-1", "etcd-3"), seconds=0.5),
        Act(0.302, "drop", ("etcd-1", "etcd-4"), seconds=2.0),
        Act(0.303, "drop", ("etcd-1", "etcd-5"), seconds=2.0),
        Act(0.4, "propose", ("leader",), data="x=1"),
        Act(0.44, "propose", ("leader",), data="x=2"),
        Act(0.48, "propose", ("leader",), data="x=3"),
    ),
    seconds=1.5,
    pre_vote=False,
)
"""A message comes twice, and the second time late, before a majority has its entries."""

GAP = replace(LATE, acts=tuple(act for act in LATE.acts if act.what != "duplicate"))
"""Messages are lost, and later ones come through."""


class Page(Log):
    """A copy of a member's log, for the student's function to read and to append to."""

    def __init__(self, log: Log) -> None:
        super().__init__(log.entries(log.first_index), log.snapshot)
        self.commit = log.commit
        self.appended: list[Sequence[Entry]] = []
        self.error = ""

    def append(self, entries: Sequence[Entry]) -> None:
        try:
            super().append(entries)
        except SafetyError as error:
            self.error = str(error)
            raise
        self.appended.append(entries)

    def __deepcopy__(self, memo: Any) -> Page:
        return self  # it is a copy

    def __repr__(self) -> str:
        return f"log with the terms {' '.join(str(entry.term) for entry in all_of(self))}"


def all_of(log: Log) -> list[Entry]:
    return log.entries(log.first_index)


def _watch(trial: Trial, guard: Guard) -> Rules:
    def rule(log: Log, request: Message) -> bool:
        yours, right = Page(log), Page(log)
        takes = append_entries(right, request)
        answer = _answer(guard, yours, request)
        wrong = _misjudged(log, request, (answer, yours), (takes, right))
        trial.found(wrong and replace(wrong, rows=_rows(trial, log, request, yours, right)))
        for entries in yours.appended:
            log.append(entries)
        return answer

    return replace(Rules(), append_entries=rule)


def _answer(guard: Guard, page: Page, request: Message) -> bool:
    """What the student's function says; False if it asked the log for something impossible."""
    try:
        answer = guard.call(page, request)
    except Slip:
        if page.error:
            return False
        raise
    if not isinstance(answer, bool):
        raise guard.slip(
            f"it returned {answer!r:.40}: say True if the entries are taken, False if they are "
            "refused"
        )
    return answer


def judge_append(answer: Callable[..., Any], report: Report) -> Verdict:
    return judge_rule(_watch, [GAP, FIGURE_7, LATE], answer, report)


Outcome = tuple[bool, Page]


def _misjudged(log: Log, request: Message, yours: Outcome, right: Outcome) -> Wrong | None:
    """What is wrong with an outcome: the answer, and the log afterwards."""
    (answer, page), (takes, wanted) = yours, right
    if page.error:
        return _impossible(log, page.error) if takes else _should_refuse(log, request)
    if answer == takes and all_of(page) == all_of(wanted):
        return None
    if not takes:
        return _should_refuse(log, request) if answer else _refuses_and_changes(request)
    if not answer:
        return _should_take(log, request)
    return _should_bring(page, wanted, request)


def _should_bring(page: Page, wanted: Page, request: Message) -> Wrong:
    """The answer is right, and the log afterwards is not."""
    longest = max(page.last_index, wanted.last_index)
    at = next(i for i in range(1, longest + 1) if page.entries(i, i) != wanted.entries(i, i))
    marks = [LogMark("yours", at)]
    if at > request.index + len(request.entries):
        return Wrong(
            "it cuts off entries without a conflict",
            f"entry {at} is gone. The request is an old one, overtaken by a newer one that had "
            "brought it. What follows the request's entries may only go where one of them "
            "conflicts with the log: the follower has told the leader that it has entry "
            f"{at}, and the leader counts on that.",
            marks=marks,
        )
    sent = next((entry.term for entry in request.entries if entry.index == at), 0)
    if page.term(at):
        return Wrong(
            "it keeps an entry that conflicts with the leader's",
            f"entry {at} stays as it was, of term {page.term(at)}, though the leader has one of "
            f"term {sent} there. The leader's log is right: from the first conflict on, the "
            "follower's own entries give way.",
            marks=marks,
        )
    return Wrong(
        "it leaves out entries that the request brings",
        f"the request brings entry {at}, of term {sent}; the log afterwards ends before it, and "
        "you answered True: the leader takes it for written there, and may commit it.",
        marks=marks,
    )


def _refuses_and_changes(request: Message) -> Wrong:
    return Wrong(
        "it changes the log, and refuses",
        "the request is refused, rightly, but the log is not what it was: to refuse is to "
        "leave everything as it is.",
        marks=[LogMark("follower", request.index)],
    )


def _should_refuse(log: Log, request: Message) -> Wrong:
    index, marks = request.index, [LogMark("follower", request.index)]
    if index > log.last_index:
        return Wrong(
            "no consistency check: there is a gap",
            f"the entries follow entry {index}, and this log ends at {log.last_index}. True says "
            "that the log is the leader's up to the last entry of the request; here entries are "
            "missing.",
            marks=marks,
        )
    return Wrong(
        "no consistency check: the terms are not compared",
        f"the entries follow entry {index} of term {request.log_term}, and entry {index} here is "
        f"of term {log.term(index)}: these logs part before the request begins. Taken all the "
        "same, two logs with the same last entry would differ before it (section 5.3, Log "
        "Matching).",
        marks=marks,
    )


def _should_take(log: Log, request: Message) -> Wrong:
    marks = [LogMark("follower", max(request.index, 1))]
    if request.index == 0:
        return Wrong(
            "it refuses the beginning of the log",
            "these entries are the first of all: they follow entry 0, of term 0, which every log "
            "has. log.term(0) is 0.",
            marks=marks,
        )
    has = f"this log has entry {request.index} of term {request.log_term}, which the entries follow"
    if request.index < log.last_index:
        return Wrong(
            "it only takes entries at the end of its log",
            f"{has}, and goes on to entry {log.last_index}. That is no reason to refuse: what is "
            "there may be the same, or wrong. Refused, the leader never gets past it.",
            marks=marks,
        )
    none = "" if request.entries else " (there are none, which is no reason either)"
    return Wrong("it refuses what fits", f"{has}: nothing stands against them{none}.", marks=marks)


def _impossible(log: Log, error: str) -> Wrong:
    """The student's log.append was one that no log does."""
    if "gap" in error:
        return Wrong(
            "it leaves a gap",
            f"{error}: every entry that is missing has to come, from the first on.",
            marks=[LogMark("follower", log.last_index + 1)],
        )
    return Wrong(
        "it replaces what is committed",
        f"{error}: whatever has been committed is in the log of every leader, so there is never a "
        "conflict there to be mended.",
        marks=[LogMark("follower", log.commit)],
    )


def _rows(trial: Trial, log: Log, request: Message, yours: Page, right: Page) -> list[LogRow]:
    leader = trial.world.nodes.get(request.source)
    rows = []
    if leader is not None:
        there = all_of(leader.log)
        rows.append(LogRow(f"{leader.name}, now", there, leader.term, leader.log.commit))
    follows = f"follows {request.index} of term {request.log_term}"
    return [
        *rows,
        LogRow("follower", all_of(log), note=f"{request.to}, before", commit=log.commit),
        LogRow("request", request.entries, note=follows),
        LogRow("yours", all_of(yours), note="afterwards"),
        LogRow("right", all_of(right), note="afterwards"),
    ]


APPEND = Exercise("append_entries", judge_append)

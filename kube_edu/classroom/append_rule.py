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


class Page:
    """The follower's log in the student's hands: to read, and to append to. Not copied, for what
    is appended shall count."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.error = ""

    def __deepcopy__(self, memo: Any) -> Page:
        return self

    def term(self, index: int) -> int:
        return self._log.term(index)

    def entries(self, first: int, last: int | None = None) -> list[Entry]:
        return self._log.entries(first, last)

    @property
    def first_index(self) -> int:
        return self._log.first_index

    @property
    def last_index(self) -> int:
        return self._log.last_index

    @property
    def last_term(self) -> int:
        return self._log.last_term

    @property
    def commit(self) -> int:
        return self._log.commit

    def append(self, entries: Sequence[Entry]) -> None:
        try:
            self._log.append(list(entries))
        except SafetyError as error:
            self.error = str(error)
            raise

    def __repr__(self) -> str:
        return f"log with the terms {' '.join(str(e.term) for e in self.entries(1))}"


def _watch(trial: Trial, guard: Guard) -> Rules:
    def rule(log: Log, request: Message) -> bool:
        before = log.entries(log.first_index)
        right = Log(before, log.snapshot)
        takes = append_entries(right, request)
        page = Page(log)
        try:
            answer = guard.call(page, request)
        except Slip:
            if not page.error:
                raise
            wrong = _refused_by_log(page.error, before, takes, log, request)
            trial.found(
                replace(
                    wrong,
                    rows=_rows(trial, before, request, before, right.entries(right.first_index)),
                )
            )
            return False
        if not isinstance(answer, bool):
            raise guard.slip(f"it returned {answer!r:.40}: say True if the entries are taken, "
                             "False if they are refused")  # fmt: skip
        after, due = log.entries(log.first_index), right.entries(right.first_index)
        found = _misjudged(before, request, (answer, after), (takes, due))
        trial.found(found and replace(found, rows=_rows(trial, before, request, after, due)))
        return answer

    return replace(Rules(), append_entries=rule)


def judge_append(answer: Callable[..., Any], report: Report) -> Verdict:
    return judge_rule(_watch, [GAP, FIGURE_7, LATE], answer, report)


Outcome = tuple[bool, list[Entry]]


def _misjudged(
    before: list[Entry], request: Message, yours: Outcome, right: Outcome
) -> Wrong | None:
    """What is wrong with an outcome: the answer, and the log afterwards."""
    (answer, after), (takes, wanted) = yours, right
    if answer == takes and after == wanted:
        return None
    if not takes:
        return _should_refuse(before, request, answer)
    if not answer:
        return _should_take(before, request)
    at, gone = _first_difference(after, wanted)
    marks = [LogMark("yours", at)]
    if gone and at > request.index + len(request.entries):
        return Wrong(
            "it cuts off entries without a conflict",
            f"entry {at} is gone. The request is an old one, overtaken by a newer one that had "
            "brought it. What follows the request's entries may only go where one of them "
            "conflicts with the log: the follower has told the leader that it has entry "
            f"{at}, and the leader counts on that.",
            marks=marks,
        )
    kept = next((entry.term for entry in after if entry.index == at), 0)
    sent = next((entry.term for entry in request.entries if entry.index == at), 0)
    if kept:
        return Wrong(
            "it keeps an entry that conflicts with the leader's",
            f"entry {at} stays as it was, of term {kept}, though the leader has one of term {sent} "
            "there. The leader's log is right: from the first conflict on, the follower's own "
            "entries give way.",
            marks=marks,
        )
    return Wrong(
        "it leaves out entries that the request brings",
        f"the request brings entry {at}, of term {sent}; the log afterwards ends before it, and "
        "you answered True: the leader takes it for written there, and may commit it.",
        marks=marks,
    )


def _should_refuse(before: list[Entry], request: Message, answer: bool) -> Wrong:
    index, term = request.index, request.log_term
    last = before[-1].index if before else 0
    marks = [LogMark("follower", index)]
    if not answer:
        return Wrong(
            "it changes the log, and refuses",
            "the request is refused, rightly, but the log is not what it was: to refuse is to "
            "leave everything as it is.",
            marks=marks,
        )
    if index > last:
        return Wrong(
            "no consistency check: there is a gap",
            f"the entries follow entry {index}, and this log ends at {last}. True says that the "
            "log is the leader's up to the last entry of the request; here entries are missing.",
            marks=marks,
        )
    mine = next((entry.term for entry in before if entry.index == index), 0)
    return Wrong(
        "no consistency check: the terms are not compared",
        f"the entries follow entry {index} of term {term}, and entry {index} here is of term "
        f"{mine}: these logs part before the request begins. Taken all the same, two logs with "
        "the same last entry would differ before it (section 5.3, Log Matching).",
        marks=marks,
    )


def _should_take(before: list[Entry], request: Message) -> Wrong:
    marks = [LogMark("follower", max(request.index, 1))]
    if request.index == 0:
        return Wrong(
            "it refuses the beginning of the log",
            "these entries are the first of all: they follow entry 0, of term 0, which every log "
            "has. log.term(0) is 0.",
            marks=marks,
        )
    last = before[-1].index if before else 0
    if request.index < last:
        return Wrong(
            "it only takes entries at the end of its log",
            f"this log has entry {request.index} of term {request.log_term}, which the entries "
            f"follow, and goes on to entry {last}. That is no reason to refuse: what is there may "
            "be the same, or wrong. Refused, the leader never gets past it.",
            marks=marks,
        )
    return Wrong(
        "it refuses what fits",
        f"this log has entry {request.index} of term {request.log_term}, which the entries follow: "
        "nothing stands against them"
        + ("" if request.entries else " (there are none, which is no reason either)")
        + ".",
        marks=marks,
    )


def _refused_by_log(
    error: str, before: list[Entry], takes: bool, log: Log, request: Message
) -> Wrong:
    """The student's log.append was one that no log does."""
    if not takes:
        return _should_refuse(before, request, True)
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


def _first_difference(after: list[Entry], wanted: list[Entry]) -> tuple[int, bool]:
    """The first index at which a log is not what it should be, and whether it ends before it."""
    for yours, right in zip(after, wanted, strict=False):
        if yours != right:
            return right.index, False
    rest = (wanted if len(wanted) > len(after) else after)[min(len(wanted), len(after)) :]
    return rest[0].index, len(after) < len(wanted)


def _rows(
    trial: Trial, before: list[Entry], request: Message, after: list[Entry], wanted: list[Entry]
) -> list[LogRow]:
    leader, follower = trial.world.nodes.get(request.source), trial.world.nodes[request.to]
    commit = min(follower.log.commit, len(before))
    rows = []
    if leader is not None:
        there = tuple(leader.log.entries(leader.log.first_index))
        rows.append(LogRow(f"{leader.name}, now", there, leader.term, leader.log.commit))
    follows = f"follows {request.index} of term {request.log_term}"
    rows.append(LogRow("follower", tuple(before), note=f"{request.to}, before", commit=commit))
    rows.append(LogRow("request", request.entries, note=follows))
    rows.append(LogRow("yours", tuple(after), note="afterwards"))
    rows.append(LogRow("right", tuple(wanted), note="afterwards"))
    return rows


APPEND = Exercise(
    "append_entries",
    judge_append,
    [
        "First the consistency check: is the entry that the new ones follow in this log, with the "
        "same term? log.term(request.index) says which term it has here (0: there is none). If it "
        "is not request.log_term, return False and touch nothing.",
        "Then go through request.entries. An entry that is here already, with the same term, is "
        "fine: leave it, and whatever comes after it, alone. The request may be an old one.",
        "At the first entry whose term is another one here (or 0), give it and all that follow it "
        "to log.append: it puts them in their place, and removes what was there from that place "
        "on. Then return True, and also if there was nothing new.",
    ],
)

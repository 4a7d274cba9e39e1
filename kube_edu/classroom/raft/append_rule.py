"""Lab 05, first exercise: how a follower takes entries from a leader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kube_edu.classroom.guard import Guard, Slip
from kube_edu.classroom.raft.lab import World
from kube_edu.classroom.raft.rules import RuleRun, exercise
from kube_edu.classroom.raft.scenes import FIGURE_7, scene
from kube_edu.classroom.trial import Failure, Reasons
from kube_edu.raft import Entry, Log, Message, Rules, SafetyError
from kube_edu.raft.rules import append_entries
from kube_edu.viz.logs import LogMark, LogRow

because = Reasons("05-raft-replication", "append_entries")

LATE = scene("late")

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


class Appended(RuleRun):
    def rules(self) -> Rules:
        return replace(Rules(), append_entries=self._append)

    def _append(self, log: Log, request: Message) -> bool:
        yours, right = Page(log), Page(log)
        takes = append_entries(right, request)
        answer = _answer(self.guard, yours, request)
        wrong = _misjudged(log, request, (answer, yours), (takes, right))
        if wrong is not None:
            self.found(wrong, _rows(self.world, log, request, yours, right))
        for entries in yours.appended:
            log.append(entries)
        return answer


def _answer(guard: Guard, page: Page, request: Message) -> bool:
    """What the student's function says; False if it asked the log for something impossible."""
    try:
        said = "True if the entries are taken, False if they are refused"
        return guard.ask(bool, said, page, request)
    except Slip:
        if page.error:
            return False
        raise


Outcome = tuple[bool, Page]


def _misjudged(log: Log, request: Message, yours: Outcome, right: Outcome) -> Failure | None:
    """What is wrong with an outcome: the answer, and the log afterwards."""
    (answer, page), (takes, wanted) = yours, right
    if page.error:
        return _impossible(log, page.error) if takes else _should_refuse(log, request)
    if answer == takes and all_of(page) == all_of(wanted):
        return None
    if not takes and answer:
        return _should_refuse(log, request)
    if not takes:
        return because("it changes the log, and refuses", [LogMark("follower", request.index)])
    return _should_bring(page, wanted, request) if answer else _should_take(log, request)


def _should_bring(page: Page, wanted: Page, request: Message) -> Failure:
    """The answer is right, and the log afterwards is not."""
    longest = max(page.last_index, wanted.last_index)
    at = next(i for i in range(1, longest + 1) if page.entries(i, i) != wanted.entries(i, i))
    sent = next((entry.term for entry in request.entries if entry.index == at), 0)
    if at > request.index + len(request.entries):
        kind = "it cuts off entries without a conflict"
    elif page.term(at):
        kind = "it keeps an entry that conflicts with the leader's"
    else:
        kind = "it leaves out entries that the request brings"
    return because(kind, [LogMark("yours", at)], index=at, term=page.term(at), sent=sent)


def _should_refuse(log: Log, request: Message) -> Failure:
    gap = request.index > log.last_index
    kind = "there is a gap" if gap else "the terms are not compared"
    return because(
        f"no consistency check, {kind}",
        [LogMark("follower", request.index)],
        request=request,
        log=log,
        term=log.term(request.index),
    )


def _should_take(log: Log, request: Message) -> Failure:
    if request.index == 0:
        kind = "it refuses the beginning of the log"
    elif request.index < log.last_index:
        kind = "it only takes entries at the end of its log"
    else:
        kind = "it refuses what fits"
    none = "" if request.entries else " (there are none, which is no reason either)"
    marks = [LogMark("follower", max(request.index, 1))]
    return because(kind, marks, request=request, log=log, none=none)


def _impossible(log: Log, error: str) -> Failure:
    """The student's log.append was one that no log does."""
    if "gap" in error:
        marks = [LogMark("follower", log.last_index + 1)]
        return because("it leaves a gap", marks, error=error)
    marks = [LogMark("follower", log.commit)]
    return because("it replaces what is committed", marks, error=error)


def _rows(world: World, log: Log, request: Message, yours: Page, right: Page) -> list[LogRow]:
    leader = world.nodes.get(request.source)
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


APPEND = exercise(Appended, append_entries, GAP, FIGURE_7, LATE)

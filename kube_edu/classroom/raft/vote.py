"""Lab 04, third exercise: the rule by which a member gives its vote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kube_edu.classroom.guard import Guard
from kube_edu.classroom.raft.lab import World
from kube_edu.classroom.raft.plans import (
    bereaved,
    old_leader,
    rivals,
    stale_candidate,
    survivors,
    weather,
)
from kube_edu.classroom.raft.search import Played, exercise
from kube_edu.classroom.trial import Reasons
from kube_edu.raft import Entry, Message, MessageType, Rules, Voter
from kube_edu.raft.rules import grant_vote
from kube_edu.viz.figure import Figure
from kube_edu.viz.logs import LogRow, logs

because = Reasons("04-raft-elections", "grant_vote")

Grant = Callable[[Voter, Message], bool]


@dataclass(frozen=True)
class Paper:
    """A question on paper: who is asked, by whom, and what the answer has to be."""

    name: str
    right: bool
    voter: Voter
    request: Message

    def drawn(self) -> Figure:
        voter, request = self.voter, self.request
        rows = [
            _log(
                "the voter",
                voter.last_index,
                voter.last_term,
                f"term {voter.term}, vote {voter.vote or '–'}",
            ),
            _log(request.source, request.index, request.log_term, f"asks for term {request.term}"),
        ]
        return logs(f"On paper. The right answer is {self.right}", rows)


def _log(name: str, last: int, term: int, note: str) -> LogRow:
    entries = [Entry(1, index) for index in range(1, last)] + [Entry(term, last)]
    return LogRow(name, entries, note=note)


def _asked(term: int, source: str, log_term: int, index: int, pre: bool = False) -> Message:
    kind = MessageType.MsgPreVote if pre else MessageType.MsgVote
    return Message(kind, "etcd-1", source, term, log_term, index)


PAPERS = (
    Paper("first", True, Voter(1, "", 1, 1), _asked(1, "etcd-2", 1, 1)),
    Paper("other", True, Voter(1, "", 1, 1), _asked(1, "etcd-3", 1, 1)),
    Paper("two in a term", False, Voter(2, "etcd-2", 1, 1), _asked(2, "etcd-3", 1, 1)),
    Paper("shorter", False, Voter(3, "", 3, 1), _asked(3, "etcd-2", 1, 2)),
    Paper("older, longer", False, Voter(3, "", 2, 2), _asked(3, "etcd-2", 1, 5)),
    Paper("older, alike", False, Voter(3, "", 2, 2), _asked(3, "etcd-2", 1, 2)),
    Paper("newer, shorter", True, Voter(4, "", 5, 1), _asked(4, "etcd-2", 3, 2)),
    Paper("newer, longer", True, Voter(4, "", 2, 1), _asked(4, "etcd-2", 3, 5)),
    Paper("equal", True, Voter(2, "", 2, 1), _asked(2, "etcd-2", 1, 2)),
    Paper("longer", True, Voter(2, "", 1, 1), _asked(2, "etcd-2", 1, 5)),
    Paper("again", True, Voter(2, "etcd-2", 1, 1), _asked(2, "etcd-2", 1, 1)),
    Paper("next term", True, Voter(2, "etcd-3", 1, 1), _asked(3, "etcd-2", 1, 1, pre=True)),
    Paper("pre-vote, shorter", False, Voter(2, "", 3, 1), _asked(3, "etcd-2", 1, 2, pre=True)),
)

MISCONCEPTIONS = {
    "never": {"first", "newer, longer", "longer", "next term"},
    "later terms alone": {"first", "longer"},
    "always": {"two in a term", "shorter", "older, longer"},
    "remembers": {"other", "two in a term"},
    "twice": {"two in a term"},
    "no logs": {"shorter", "older, longer", "older, alike"},
    "length alone": {"older, longer", "older, alike"},
    "length first": {"older, longer", "newer, shorter"},
    "longer is better": {"older, longer"},
    "term alone": {"shorter"},
    "older term": {"older, alike"},
    "wants both": {"newer, shorter"},
    "refuses equals": {"equal"},
    "refuses longer": {"longer"},
    "old vote": {"next term"},
    "not again": {"again"},
    "careless pre-vote": {"pre-vote, shorter"},
}
"""Which questions are answered wrongly, and what that tells; the first that fits is told."""
FAMILIES = (rivals, stale_candidate, old_leader, survivors, bereaved, weather)


class Voted(Played):
    """All members vote by the answer."""

    reference = staticmethod(grant_vote)

    def played_by(self, answer: Grant) -> World:
        return World(self.plan, Rules(grant_vote=_guarded(answer)))

    @staticmethod
    def exam(answer: Grant) -> tuple[str, Figure | None]:
        grant = _guarded(answer)
        wrong = [paper for paper in PAPERS if grant(paper.voter, paper.request) != paper.right]
        if not wrong:
            return "", None
        names = {paper.name for paper in wrong}
        kinds = (kind for kind, few in MISCONCEPTIONS.items() if few <= names)
        kind = next(kinds, "otherwise")
        return because(kind).reason, wrong[0].drawn()


def _guarded(answer: Grant) -> Grant:
    guard = Guard(answer)
    return lambda voter, request: guard.ask(bool, "True or False", voter, request)


VOTE = exercise(
    Voted,
    "grant_vote",
    "with rivals, stale candidates, old leaders and bad weather: one leader a term, nothing "
    "committed is lost, and somebody is always elected in the end.",
    *((family, 3) for family in FAMILIES),
    (survivors, 5),
    (weather, 5),
)

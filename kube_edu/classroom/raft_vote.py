"""Lab 04, third exercise: the rule by which a member gives its vote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kube_edu.classroom.exercise import Exercise, Report, Verdict, failed, passed
from kube_edu.classroom.guard import Guard
from kube_edu.classroom.raft_lab import World
from kube_edu.classroom.raft_plans import (
    bereaved,
    mixed,
    old_leader,
    rivals,
    stale_candidate,
    survivors,
    weather,
)
from kube_edu.classroom.raft_search import search
from kube_edu.raft import Entry, Message, MessageType, Rules, Voter
from kube_edu.viz.figure import Figure
from kube_edu.viz.logs import LogRow, logs

SEEDS = 50

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

MISCONCEPTIONS: tuple[tuple[set[str], str], ...] = (
    (
        {"first", "longer", "newer, longer", "next term"},
        "it never gives its vote: nobody is ever elected.",
    ),
    (
        {"first", "longer"},
        "it votes only in a term later than voter.term: but a request takes its receiver along to "
        "the newer term before you are asked, so most often the two are equal, and voter.vote is "
        "empty.",
    ),
    (
        {"two in a term", "shorter", "older, longer"},
        "it always says yes: to two candidates in one term, and to one that missed what was "
        "committed.",
    ),
    (
        {"two in a term", "other"},
        "it remembers by itself to whom it gave its vote. A member that restarts has nothing but "
        "its disk, which is what voter.vote tells; and here all members share your one function.",
    ),
    (
        {"two in a term"},
        "it votes twice in one term: voter.vote says to whom its vote of voter.term has gone, and "
        "there is only one.",
    ),
    (
        {"shorter", "older, longer", "older, alike"},
        "it does not look at the logs: a candidate that missed what was committed is elected, and "
        "what was committed is lost.",
    ),
    (
        {"older, longer", "older, alike"},
        "it looks at the length of the logs alone: a longer log may end with entries of an old "
        "term that never were committed. The term of the last entry comes first.",
    ),
    (
        {"older, longer", "newer, shorter"},
        "it compares the length before the term: a longer log may end with entries of an old term "
        "that never were committed. The term of the last entry comes first, the length second.",
    ),
    (
        {"older, longer"},
        "it takes a longer log for a better one: an old leader, cut off and writing for itself, "
        "has a long log too. The term of the last entry comes first.",
    ),
    (
        {"shorter"},
        "it looks at the term of the last entry alone: of two logs that end in the same term the "
        "shorter one lacks entries, and these may be committed.",
    ),
    (
        {"older, alike"},
        "it votes for a log that ends in an older term than its own: what is newer may be "
        "committed.",
    ),
    (
        {"newer, shorter"},
        "it wants both, the newer term and the longer log: a log that ends in a newer term is more "
        "up to date even when it is shorter, and else two members may refuse each other for ever.",
    ),
    (
        {"equal"},
        "it refuses a log that is just as up to date as its own: after quiet times all logs are "
        "equal (in a new cluster, empty), and then nobody is elected.",
    ),
    (
        {"longer"},
        "it refuses a log that is longer than its own: this candidate knows more, not less.",
    ),
    (
        {"next term"},
        "it holds the vote of an old term against a candidate of a newer one: a vote counts for "
        "voter.term only, and request.term is later.",
    ),
    (
        {"again"},
        "asked once more by the candidate that it has voted for, it refuses: the request may "
        "have come twice, or the first answer may be lost. The same question gets the same answer.",
    ),
    (
        {"pre-vote, shorter"},
        "it says yes to a pre-vote without looking at the logs. Yes means that it would vote for "
        "the candidate, and it would not: the two rules are the same for both.",
    ),
)
"""Which questions are answered wrongly, and what that tells; the first that fits is told."""


def judge_vote(answer: Callable[..., Any], report: Report) -> Verdict:
    """All members vote by it, among rivals, stale candidates, old leaders, and in bad weather."""
    grant = _guarded(answer)
    wrong = [paper for paper in PAPERS if grant(paper.voter, paper.request) != paper.right]
    reason = _misconception([paper.name for paper in wrong])
    trials = search(lambda plan: World(plan, Rules(grant_vote=grant)))
    families = (rivals, stale_candidate, old_leader, survivors, bereaved, weather)
    found = trials.find(
        mixed(SEEDS, *((family, 3) for family in families), (survivors, 5), (weather, 5)), report
    )
    if found is not None:
        return trials.told(found, reason)
    if wrong:
        return failed(reason, figure=wrong[0].drawn())
    return passed(
        f"{SEEDS} clusters with rivals, stale candidates, old leaders and bad weather: one leader "
        "a term, nothing committed is lost, and somebody is always elected in the end."
    )


def _guarded(answer: Callable[..., Any]) -> Grant:
    guard = Guard(answer)

    def grant(voter: Voter, request: Message) -> bool:
        granted = guard.call(voter, request)
        if not isinstance(granted, bool):
            kind = type(granted).__name__
            raise guard.slip(f"it should return True or False, and returned {kind}")
        return granted

    return grant


def _misconception(wrong: list[str]) -> str:
    return next((told for names, told in MISCONCEPTIONS if names <= set(wrong)), "")


VOTE = Exercise("grant_vote", judge_vote)

"""The decisions of Raft, each a function by itself: the ones that a lab lets students write.

`Rules` holds the functions that a member uses; each of them is ours unless it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from kube_edu.raft.log import Log
from kube_edu.raft.messages import Message


@dataclass(frozen=True, slots=True)
class Voter:
    """A member that is asked for its vote. `vote` is whom it voted for in `term`, or ""."""

    term: int
    vote: str
    last_index: int
    last_term: int


@dataclass(frozen=True, slots=True)
class Leader:
    """A leader that wonders what is committed. `match` says, for each member and for itself, up
    to where its log is known to be on disk there."""

    term: int
    commit: int
    match: Mapping[str, int]
    log: Log


def election_timeout(random: Random, ticks: int) -> int:
    """After how many ticks without a leader a member stands for election: drawn anew each time,
    so that split votes are rare and soon resolved (section 5.2)."""
    return ticks + random.randrange(ticks)


def grant_vote(voter: Voter, request: Message) -> bool:
    """Whether to vote for `request.source` in `request.term`: one vote a term (section 5.2), and
    only for a log that is at least as up to date (section 5.4.1).

    The same rule answers a pre-vote, which asks about a term that has not begun.
    """
    if request.term < voter.term:
        return False
    free = request.term > voter.term or voter.vote in ("", request.source)
    theirs, ours = (request.log_term, request.index), (voter.last_term, voter.last_index)
    return free and theirs >= ours


def append_entries(log: Log, request: Message) -> bool:
    """Take a leader's entries into a follower's log, if it has the entry that they follow
    (section 5.3). Entries are removed only where they conflict: an old request, overtaken by a
    newer one, must not cut off what the newer one brought (Figure 2, AppendEntries, 3 and 4).
    """
    if log.term(request.index) != request.log_term:
        return False
    for position, entry in enumerate(request.entries):
        if log.term(entry.index) != entry.term:
            log.append(request.entries[position:])
            break
    return True


def commit_index(leader: Leader) -> int:
    """Up to where entries are committed: the highest that a majority has, provided it is of the
    leader's own term; older ones are committed along with it, never by counting (section 5.4.2
    and Figure 8)."""
    by_member = sorted(leader.match.values(), reverse=True)
    majority_has = by_member[len(by_member) // 2]
    if majority_has > leader.commit and leader.log.term(majority_has) == leader.term:
        return majority_has
    return leader.commit


def next_index(log: Log, refusal: Message) -> int:
    """Which entry a leader sends next to a follower that has refused: it lacks the entry
    `refusal.index` that the others were to follow. The follower says the last place down from
    there, `refusal.reject_hint`, at which the logs may agree, and that its entry there is of term
    `refusal.log_term`. Whatever the leader has there of a later term the follower cannot have, so
    one refusal settles a whole term (the fast back-up at the end of section 5.3)."""
    return log.find_conflict_by_term(refusal.reject_hint, refusal.log_term) + 1


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that a member goes by."""

    election_timeout: Callable[[Random, int], int] = election_timeout
    grant_vote: Callable[[Voter, Message], bool] = grant_vote
    append_entries: Callable[[Log, Message], bool] = append_entries
    commit_index: Callable[[Leader], int] = commit_index
    next_index: Callable[[Log, Message], int] = next_index

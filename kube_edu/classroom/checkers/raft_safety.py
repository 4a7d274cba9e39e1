"""Raft's five promises (Figure 3 of the paper), checked on a trace.

A log is what a member has written to its disk, or found there when it started, as `raft.append`
told: each event is about entries of one term.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kube_edu.classroom.checkers.violation import Violation
from kube_edu.trace import Event


def election_safety(trace: Iterable[Event]) -> Violation | None:
    """At most one leader is elected in a term (section 5.2), for a member votes once in it."""
    leaders: dict[int, str] = {}
    votes: dict[tuple[str, int], str] = {}
    for number, event in enumerate(trace):
        fields = event.fields
        if event.kind == "raft.role" and fields["role"] == "leader":
            other = leaders.setdefault(fields["term"], event.host)
            if other != event.host:
                reason = f"{event.host} leads in term {fields['term']}, and so does {other}"
                return _violation("election safety", reason, number, event)
        if event.kind == "raft.vote":
            candidate = votes.setdefault((event.host, fields["term"]), fields["candidate"])
            if candidate != fields["candidate"]:
                reason = (
                    f"{event.host} votes for {fields['candidate']} in term {fields['term']}, "
                    f"after it has voted for {candidate}"
                )
                return _violation("election safety", reason, number, event)
    return None


def leader_append_only(trace: Iterable[Event]) -> Violation | None:
    """A leader never overwrites or deletes entries of its own log; it only appends (section
    5.3)."""
    for number, event, member in _replayed(trace):
        first = event.fields.get("first", 0)
        if event.kind == "raft.append" and member.leads and first <= member.before_append:
            reason = (
                f"{event.host} leads in term {member.term} and writes entry {first}, though its "
                f"log goes on to entry {member.before_append}"
            )
            return _violation("leader append-only", reason, number, event)
    return None


def log_matching(trace: Iterable[Event]) -> Violation | None:
    """If two logs have an entry of the same index and term, they are the same up to it
    (section 5.3). It is enough to look at what is written and at the entry before it: what comes
    before that was looked at when it was written."""
    members: dict[str, Member] = {}
    for number, event, member in _replayed(trace):
        members[event.host] = member
        if event.kind != "raft.append":
            continue
        first, last = event.fields["first"], event.fields["last"]
        for name, other in members.items():
            if other is member or other.log.get(last) != member.log[last]:
                continue
            for index in range(max(first - 1, 1), last):
                term, its = member.log.get(index), other.log.get(index)
                if term and its and term != its:
                    reason = (
                        f"{event.host} and {name} have the same entry {last}, of term "
                        f"{event.fields['term']}, and before it another entry {index}: of term "
                        f"{term} and of term {its}"
                    )
                    return _violation("log matching", reason, number, event)
    return None


def leader_completeness(trace: Iterable[Event]) -> Violation | None:
    """What a leader has committed in its term is in the log of the leader of every later term
    (section 5.4)."""
    committed: dict[int, tuple[int, int]] = {}  # by leader's term: the last entry, and its term
    elected: dict[int, Elected] = {}  # by term
    for number, event, member in _replayed(trace):
        if not member.leads:
            continue
        begins = event.fields.get("term") == member.term and member.term not in elected
        if event.kind == "raft.append" and begins:
            elected[member.term] = Elected(event.host, dict(member.log), member.known_from)
        elif event.kind == "raft.commit":
            committed[member.term] = (event.fields["index"], event.fields["term"])
        else:
            continue
        for term, (index, entry_term) in committed.items():
            for later, leader in elected.items():
                if later > term and not leader.may_have(index, entry_term):
                    reason = (
                        f"entry {index} of term {entry_term} was committed in term {term}, and "
                        f"{leader.host}, which leads in term {later}, does not have it"
                    )
                    return _violation("leader completeness", reason, number, event)
    return None


def state_machine_safety(trace: Iterable[Event]) -> Violation | None:
    """Members that apply an entry at an index apply the same one there (section 5.4.3), and each
    applies them in order."""
    applied: dict[int, tuple[str, Any]] = {}
    committed: dict[int, tuple[str, Any]] = {}
    last: dict[str, int] = {}
    for number, event in enumerate(trace):
        fields = event.fields
        if event.kind == "host.start" or event.kind == "process.start":
            last.pop(event.host, None)
        if event.kind == "raft.commit":
            other, term = committed.setdefault(fields["index"], (event.host, fields["term"]))
            if term != fields["term"]:
                reason = (
                    f"entry {fields['index']} is committed with term {fields['term']} on "
                    f"{event.host}, and with term {term} on {other}"
                )
                return _violation("state-machine safety", reason, number, event)
        if event.kind != "etcd.apply":
            continue
        index = fields["index"]
        if index <= last.get(event.host, 0):
            reason = f"{event.host} applies entry {index} after entry {last[event.host]}"
            return _violation("state-machine safety", reason, number, event)
        last[event.host] = index
        what = (fields["op"], fields["keys"], fields["revision"])
        other, its = applied.setdefault(index, (event.host, what))
        if its != what:
            reason = f"entry {index} is {_said(what)} on {event.host}, and {_said(its)} on {other}"
            return _violation("state-machine safety", reason, number, event)
    return None


PROMISES: dict[str, Callable[[Iterable[Event]], Violation | None]] = {
    "election safety": election_safety,
    "leader append-only": leader_append_only,
    "log matching": log_matching,
    "leader completeness": leader_completeness,
    "state-machine safety": state_machine_safety,
}


def check(trace: Iterable[Event]) -> Violation | None:
    """The promise that is broken first."""
    events = list(trace)
    broken = [v for promise in PROMISES.values() if (v := promise(events)) is not None]
    return min(broken, key=lambda violation: violation.event, default=None)


# -- the members, as the trace shows them -----------------------------------------------------


@dataclass(slots=True)
class Member:
    """What is known of one member."""

    leads: bool = False
    term: int = 0
    log: dict[int, int] = field(default_factory=dict)
    """The terms of its entries, as far as they are known."""

    last: int = 0
    before_append: int = 0
    """Up to where the log went before what was written last."""
    known_from: int = 1
    """Of older entries nothing is known: a snapshot may stand for them."""

    def take(self, event: Event) -> None:
        fields = event.fields
        if event.kind in ("host.start", "process.start", "host.crash", "process.kill"):
            self.leads = False
        elif event.kind == "raft.role":
            self.leads, self.term = fields["role"] == "leader", fields["term"]
        elif event.kind == "raft.receive" and fields["type"] == "MsgSnap":
            self.known_from, self.last = sys.maxsize, 0
            self.log.clear()
        elif event.kind == "raft.append":
            self._append(fields["first"], fields["last"], fields["term"])

    def _append(self, first: int, last: int, term: int) -> None:
        if self.known_from == sys.maxsize:
            self.known_from = first
        self.before_append = self.last
        for index in range(first, self.last + 1):
            self.log.pop(index, None)  # replaced
        self.log.update(dict.fromkeys(range(first, last + 1), term))
        self.last = last


@dataclass(frozen=True, slots=True)
class Elected:
    """A leader, and its log when its term began."""

    host: str
    log: dict[int, int]
    known_from: int

    def may_have(self, index: int, term: int) -> bool:
        return index < self.known_from or self.log.get(index) == term


def _replayed(trace: Iterable[Event]) -> Iterable[tuple[int, Event, Member]]:
    """Each event of a Raft member, with the member after it."""
    members: dict[str, Member] = {}
    for number, event in enumerate(trace):
        member = members.setdefault(event.host, Member())
        member.take(event)
        yield number, event, member


def _said(what: Sequence[Any]) -> str:
    op, keys, revision = what
    return f"{op} {' '.join(keys)}".rstrip() + f" (revision {revision})"


def _violation(promise: str, reason: str, number: int, event: Event) -> Violation:
    return Violation(promise, reason, number, event.time, event.host)

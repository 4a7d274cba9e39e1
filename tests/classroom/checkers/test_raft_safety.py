"""Raft's five promises: traces that keep them, and traces that break one."""

from __future__ import annotations

from typing import Any

import pytest

from kube_edu.classroom.checkers.raft_safety import PROMISES, check
from kube_edu.trace import Event


def trace(*lines: str) -> list[Event]:
    """Events from lines like "a append 1 3 of 2" (first, last, term)."""
    events = []
    for number, line in enumerate(lines):
        host, what, *words = line.split()
        kind, fields = parsed(what, words)
        events.append(Event(number / 10, host, kind, fields))
    return events


def parsed(what: str, words: list[str]) -> tuple[str, dict[str, Any]]:
    if what == "role":
        return "raft.role", {"role": words[0], "term": int(words[1])}
    if what == "votes":
        return "raft.vote", {"candidate": words[0], "term": int(words[1])}
    if what == "append":
        return "raft.append", {"first": int(words[0]), "last": int(words[1]), "term": int(words[3])}
    if what == "commit":
        return "raft.commit", {"index": int(words[0]), "term": int(words[2])}
    if what == "apply":
        index = int(words[0])
        return "etcd.apply", {"index": index, "revision": index, "op": "put", "keys": words[1:]}
    if what == "snapshot":
        return "raft.receive", {"source": words[0], "type": "MsgSnap", "term": 1}
    return f"host.{what}", {}


BEGIN = ("a role leader 1", "a append 1 1 of 1", "b append 1 1 of 1", "a commit 1 of 1")

GOOD = {
    "a leader and its followers": (*BEGIN, "c append 1 1 of 1", "a apply 1 k", "b apply 1 k"),
    "a leader that comes back": (*BEGIN, "a role follower 2", "a role leader 3"),
    "a follower's entries are replaced": (
        *BEGIN,
        "a append 2 4 of 1",
        "b role leader 2",
        "b append 2 2 of 2",
        "a role follower 2",
        "a append 2 2 of 2",
        "b commit 2 of 2",
    ),
    "a restart applies all anew": (*BEGIN, "a apply 1 k", "a crash", "a start", "a apply 1 k"),
    "entries that a crash left unheard of": (
        *BEGIN,
        "a append 2 2 of 1",
        "b crash",
        "b start",
        "b append 1 2 of 1",
        "b role leader 2",
        "b append 3 3 of 2",
        "b commit 3 of 2",
    ),
    "a snapshot takes the place of a log": (
        *BEGIN,
        "c append 1 5 of 1",
        "c snapshot a",
        "c append 4 4 of 1",
        "c role leader 2",
        "c append 5 5 of 2",
        "c commit 5 of 2",
    ),
    "a late commit of an old leader": (
        *BEGIN,
        "a append 2 2 of 1",
        "b append 2 2 of 1",
        "b role leader 2",
        "b append 3 3 of 2",
        "a commit 2 of 1",
    ),
    "Figure 8: an entry of term 2 is committed in term 4": (
        *BEGIN,
        "c append 1 1 of 1",
        "a role leader 2",
        "a append 2 2 of 2",
        "b append 2 2 of 2",
        "c role leader 3",
        "c append 2 2 of 3",
        "a role leader 4",
        "a append 3 3 of 4",
        "b append 3 3 of 4",
        "a commit 3 of 4",
    ),
}

BAD = {
    "two leaders of a term": (
        "election safety",
        (*BEGIN, "b role leader 1"),
        "b leads in term 1, and so does a",
    ),
    "two votes in a term": (
        "election safety",
        ("a votes b 1", "a crash", "a start", "a votes c 1"),
        "a votes for c in term 1, after it has voted for b",
    ),
    "a leader that changes its log": (
        "leader append-only",
        (*BEGIN, "a append 2 4 of 1", "a append 3 3 of 1"),
        "a leads in term 1 and writes entry 3, though its log goes on to entry 4",
    ),
    "entries taken without the ones before": (
        "log matching",
        ("a append 1 2 of 1", "a append 3 3 of 3", "b append 1 1 of 1", "b append 2 2 of 2",
         "b append 3 3 of 3"),
        "b and a have the same entry 3, of term 3, and before it another entry 2: of term 2 and "
        "of term 1",
    ),
    "a leader without what was committed": (
        "leader completeness",
        (*BEGIN, "c role leader 2", "c append 1 1 of 2"),
        "entry 1 of term 1 was committed in term 1, and c, which leads in term 2, does not",
    ),
    "Figure 8 without the rule of section 5.4.2": (
        "leader completeness",
        (
            *BEGIN,
            "a role leader 2",
            "a append 2 2 of 2",
            "c append 1 1 of 1",
            "c role leader 3",
            "c append 2 2 of 3",
            "a role leader 4",
            "a append 3 3 of 4",
            "b append 2 2 of 2",
            "a commit 2 of 2",
            "c role leader 5",
            "c append 3 3 of 5",
        ),
        "entry 2 of term 2 was committed in term 4, and c, which leads in term 5, does not",
    ),
    "two entries at one index": (
        "state-machine safety",
        (*BEGIN, "a apply 1 k", "b apply 1 j"),
        "entry 1 is put j (revision 1) on b, and put k (revision 1) on a",
    ),
    "an entry applied twice": (
        "state-machine safety",
        (*BEGIN, "a apply 1 k", "a apply 1 k"),
        "a applies entry 1 after entry 1",
    ),
    "two terms committed at one index": (
        "state-machine safety",
        (*BEGIN, "b commit 1 of 2"),
        "entry 1 is committed with term 2 on b, and with term 1 on a",
    ),
}  # fmt: skip


def test_there_are_five() -> None:
    assert {promise for promise, _, _ in BAD.values()} == set(PROMISES)
    assert len(PROMISES) == 5


@pytest.mark.parametrize("name", GOOD)
def test_a_good_run_is_accepted(name: str) -> None:
    assert check(trace(*GOOD[name])) is None


@pytest.mark.parametrize("name", BAD)
def test_a_bad_run_is_refused_where_it_went_wrong(name: str) -> None:
    promise, lines, reason = BAD[name]
    found = PROMISES[promise](trace(*lines))
    assert found is not None
    assert found.promise == promise
    assert reason in found.reason
    assert found.event == len(lines) - 1
    assert found.host == lines[-1].split()[0]

"""What a Raft member does, in the words of the trace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from kube_edu.raft import Entry, HardState, Log, Message, Ready

Told = Iterator[tuple[str, dict[str, Any]]]
"""Kinds of events and their fields."""


def written(ready: Ready, before: HardState, log: Log) -> Told:
    """What is on the disk now that a `ready` is; `before` is the hard state that was there."""
    hard = ready.hard_state or before
    if ready.soft_state is not None:
        yield "raft.role", {"role": ready.soft_state.role.value, "term": hard.term}
    if hard.vote and (hard.term, hard.vote) != (before.term, before.vote):
        yield "raft.vote", {"term": hard.term, "candidate": hard.vote}
    yield from appended(ready.entries)
    if hard.commit > before.commit:
        yield "raft.commit", {"index": hard.commit, "term": log.term(hard.commit)}


def appended(entries: Sequence[Entry]) -> Told:
    """One event for each run of entries of one term, so that the trace tells every entry's."""
    for term, group in groupby(entries, key=lambda entry: entry.term):
        run = list(group)
        yield "raft.append", {"first": run[0].index, "last": run[-1].index, "term": term}


def described(message: Message) -> dict[str, Any]:
    """A message's fields, without those that say nothing."""
    fields: dict[str, Any] = {
        "to": message.to,
        "type": message.type.name,
        "term": message.term,
    }
    for name in ("index", "log_term", "commit", "reject", "reject_hint"):
        value = getattr(message, name)
        if value:
            fields[name] = value
    if message.entries:
        fields["entries"] = len(message.entries)
    if message.snapshot is not None:
        fields["snapshot"] = message.snapshot.index
    return fields

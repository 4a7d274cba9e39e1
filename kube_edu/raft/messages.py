"""What Raft members say to one another, and what they keep on disk.

Names, fields and numbers are those of etcd's raft (raftpb/raft.proto), but for one thing: members
are called by name ("etcd-1"), not by a number, so that a trace reads well.
"""

# ruff: noqa: RUF009

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


def _pb(number: int, default: Any) -> Any:
    return field(default=default, metadata={"number": number})


class MessageType(IntEnum):
    """The kinds of messages that travel (etcd's numbers; its local kinds are methods here)."""

    MsgApp = 3  # AppendEntries, section 5.3 of the Raft paper
    MsgAppResp = 4
    MsgVote = 5  # RequestVote, section 5.2
    MsgVoteResp = 6
    MsgSnap = 7  # InstallSnapshot, section 7
    MsgHeartbeat = 8
    MsgHeartbeatResp = 9
    MsgReadIndex = 15  # a linearizable read, section 8; thesis section 6.4
    MsgReadIndexResp = 16
    MsgPreVote = 17  # thesis section 9.6
    MsgPreVoteResp = 18


@dataclass(frozen=True, slots=True)
class Entry:
    """One command in the log; a new leader's first entry is empty."""

    term: int = _pb(2, 0)
    index: int = _pb(3, 0)
    data: bytes = _pb(4, b"")


@dataclass(frozen=True, slots=True)
class HardState:
    """What must be on disk before any message that follows from it leaves (section 5, Figure 2:
    "persistent state"). The commit index is there to start faster, not for safety."""

    term: int = _pb(1, 0)
    vote: str = _pb(2, "")
    commit: int = _pb(3, 0)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state machine after `index`, which stands for all entries up to there (section 7)."""

    data: bytes = _pb(1, b"")
    index: int = _pb(2, 0)
    term: int = _pb(3, 0)


@dataclass(frozen=True, slots=True)
class Message:
    """One message. What `index` means depends on the type: of MsgApp, the entry before the new
    ones (whose term is `log_term`); of MsgAppResp, the last entry that is now known to match; of
    a vote request, the candidate's last entry."""

    type: MessageType = _pb(1, MessageType.MsgApp)
    to: str = _pb(2, "")
    source: str = _pb(3, "")
    term: int = _pb(4, 0)
    log_term: int = _pb(5, 0)
    index: int = _pb(6, 0)
    entries: tuple[Entry, ...] = _pb(7, ())
    commit: int = _pb(8, 0)
    snapshot: Snapshot | None = _pb(9, None)
    reject: bool = _pb(10, False)
    reject_hint: int = _pb(11, 0)
    context: bytes = _pb(12, b"")

"""What Raft members say to one another, and what they keep on disk.

Names, fields and numbers are those of etcd's raft (raftpb/raft.proto), but for two things: members
are called by name ("etcd-1"), not by a number, so that a trace reads well; and an entry holds a
change of the configuration as it is, so that the core needs no codec.
"""

# ruff: noqa: RUF009

from __future__ import annotations

from collections.abc import Collection
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
    MsgTransferLeader = 13  # thesis section 3.10; from the member that shall lead
    MsgTimeoutNow = 14  # stand for election at once
    MsgReadIndex = 15  # a linearizable read, section 8; thesis section 6.4
    MsgReadIndexResp = 16
    MsgPreVote = 17  # thesis section 9.6
    MsgPreVoteResp = 18


class ConfChangeType(IntEnum):
    """What happens to one member."""

    AddNode = 0
    RemoveNode = 1
    UpdateNode = 2  # nothing, as far as Raft is concerned
    AddLearnerNode = 3


class ConfChangeTransition(IntEnum):
    """By which way a change of the configuration goes."""

    Auto = 0  # directly if it is about one member only, else like JointImplicit
    JointImplicit = 1  # the leader leaves the joint configuration as soon as it is in force
    JointExplicit = 2  # somebody has to propose to leave it


@dataclass(frozen=True, slots=True)
class ConfChangeSingle:
    type: ConfChangeType = _pb(1, ConfChangeType.AddNode)
    node: str = _pb(2, "")


@dataclass(frozen=True, slots=True)
class ConfChange:
    """A change of who is a member (etcd's ConfChangeV2, of which ConfChange is the case of one
    member). Without any changes it is the proposal to leave a joint configuration."""

    transition: ConfChangeTransition = _pb(1, ConfChangeTransition.Auto)
    changes: tuple[ConfChangeSingle, ...] = _pb(2, ())
    context: bytes = _pb(3, b"")


@dataclass(frozen=True, slots=True)
class ConfState:
    """Who is a member. While one configuration gives way to another (joint consensus, section 6)
    both sets of voters have to agree: `voters` is the new one, `voters_outgoing` the old one, and
    `learners_next` become learners when they are no longer needed as voters."""

    voters: tuple[str, ...] = _pb(1, ())
    learners: tuple[str, ...] = _pb(2, ())
    voters_outgoing: tuple[str, ...] = _pb(3, ())
    learners_next: tuple[str, ...] = _pb(4, ())
    auto_leave: bool = _pb(5, False)

    @property
    def halves(self) -> tuple[tuple[str, ...], ...]:
        """The sets of voters of which each has to agree: one, or two while it is joint."""
        return (self.voters, self.voters_outgoing) if self.voters_outgoing else (self.voters,)

    @property
    def voting(self) -> tuple[str, ...]:
        """All who vote; nobody else can lead."""
        return tuple(dict.fromkeys(self.voters + self.voters_outgoing))

    @property
    def members(self) -> tuple[str, ...]:
        """All to whom the log goes."""
        return tuple(dict.fromkeys(self.voting + self.learners + self.learners_next))

    def agreed(self, names: Collection[str]) -> bool:
        """Whether these are a majority; in a joint configuration, one of each half."""
        return all(sum(voter in names for voter in half) > len(half) // 2 for half in self.halves)


@dataclass(frozen=True, slots=True)
class Entry:
    """One command in the log, or a change of the configuration; a new leader's first entry is
    empty."""

    term: int = _pb(2, 0)
    index: int = _pb(3, 0)
    data: bytes = _pb(4, b"")
    change: ConfChange | None = _pb(5, None)


@dataclass(frozen=True, slots=True)
class HardState:
    """What must be on disk before any message that follows from it leaves (section 5, Figure 2:
    "persistent state"). The commit index is there to start faster, not for safety."""

    term: int = _pb(1, 0)
    vote: str = _pb(2, "")
    commit: int = _pb(3, 0)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state machine after `index`, which stands for all entries up to there, and who was a
    member then (section 7)."""

    data: bytes = _pb(1, b"")
    index: int = _pb(2, 0)
    term: int = _pb(3, 0)
    conf: ConfState = _pb(4, ConfState())


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

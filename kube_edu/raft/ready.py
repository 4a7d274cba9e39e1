"""What a member wants done in the world (etcd raft: Ready in node.go)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from kube_edu.raft.messages import Entry, HardState, Message, Snapshot
from kube_edu.raft.readonly import ReadState


class Role(Enum):
    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class SoftState:
    """Who leads, as far as this member knows, and what it is itself; not kept on disk."""

    leader: str
    role: Role


@dataclass(frozen=True, slots=True)
class Ready:
    """Work for the driver, to be done in this order: write `snapshot`, `entries` and
    `hard_state` to disk and sync; send `messages`; restore `snapshot` and apply `committed` to
    the state machine; answer `read_states`; then call `advance` with this object. To apply what is
    committed it need not wait for the disk.

    None and empty mean that there is nothing of the kind to do.
    """

    soft_state: SoftState | None
    hard_state: HardState | None
    snapshot: Snapshot | None
    entries: list[Entry]
    messages: list[Message]
    committed: list[Entry]
    read_states: list[ReadState]
    must_sync: bool
    """Whether the messages may only leave once the disk is synced; a new commit index alone
    need not be."""

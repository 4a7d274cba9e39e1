"""One member of a small world: its node while it is up, its disk, and how it looks in the ring."""

from __future__ import annotations

from dataclasses import dataclass, field

from kube_edu.raft import Entry, HardState, RaftNode, Snapshot
from kube_edu.viz.ring import RingMember


@dataclass
class Disk:
    """What a member keeps: a power cut takes nothing of it."""

    hard: HardState = field(default_factory=HardState)
    entries: list[Entry] = field(default_factory=list)
    snapshot: Snapshot | None = None


class Member:
    """`applied` are the commands that its state machine was given."""

    def __init__(self, name: str, disk: Disk) -> None:
        self.name = name
        self.disk = disk
        self.node: RaftNode | None = None
        self.applied: list[str] = []
        self.starts = 0


def shown(member: Member) -> RingMember:
    node, disk = member.node, member.disk
    if node is None:
        terms = tuple(entry.term for entry in disk.entries)
        first = disk.entries[0].index if terms else 1
        hard = disk.hard
        return RingMember(member.name, False, "follower", hard.term, hard.vote, log=terms,
                          first=first, commit=hard.commit)  # fmt: skip
    return RingMember(
        member.name,
        True,
        node.role.value,
        node.term,
        node.vote,
        dict(node.votes),
        node.election_elapsed,
        node.election_timeout,
        tuple(entry.term for entry in node.log.entries(node.log.first_index)),
        node.log.first_index,
        node.log.commit,
    )

"""A cluster on the table: members, and the messages between them, moved by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from kube_edu.raft import (
    ConfChangeType,
    ConfState,
    Entry,
    HardState,
    Message,
    MessageType,
    RaftNode,
    Role,
    Snapshot,
)

CHANGES = {
    ConfChangeType.AddNode: "add",
    ConfChangeType.AddLearnerNode: "learn",
    ConfChangeType.RemoveNode: "remove",
}


class Talk:
    """Members a, b, c, ... on a network that delivers what `allow` lets through.

    Each member has a "disk" (hard state, snapshot, entries), filled before its messages leave,
    and a list of what it applied.
    """

    def __init__(self, names: str = "abc", seed: int = 1, **options: Any) -> None:
        self.random = Random(seed)
        self.options = options
        self.names = list(names)
        self.founders = tuple(names)
        self.nodes: dict[str, RaftNode] = {}
        self.hard = {name: HardState() for name in names}
        self.disk: dict[str, list[Entry]] = {name: [] for name in names}
        self.snapshots: dict[str, Snapshot] = {name: Snapshot() for name in names}
        self.applied: dict[str, list[tuple[int, bytes]]] = {name: [] for name in names}
        self.reads: dict[str, dict[bytes, int]] = {name: {} for name in names}
        self.wire: list[Message] = []
        self.said: list[str] = []
        self.cut: dict[str, None] = {}
        self._roles: dict[str, tuple[Role, int]] = {}
        for name in names:
            self.start(name)

    def join(self, name: str) -> None:
        """Someone comes who is no member yet, but knows who is."""
        self.names.append(name)
        self.hard[name], self.snapshots[name] = HardState(), Snapshot()
        self.disk[name], self.reads[name] = [], {}
        self.start(name)

    def start(self, name: str) -> RaftNode:
        """(Re)start a member from its disk."""
        self.applied[name] = []
        self._roles.pop(name, None)
        self.nodes[name] = RaftNode(
            name,
            self.founders,
            random=Random(self.random.random()),
            hard_state=self.hard[name],
            snapshot=self.snapshots[name],
            entries=self.disk[name],
            **self.options,
        )
        self.work(name)
        return self.nodes[name]

    def __getitem__(self, name: str) -> RaftNode:
        return self.nodes[name]

    def work(self, name: str) -> None:
        """Do what a member's driver does, until there is nothing to do."""
        node = self.nodes[name]
        while node.has_ready():
            ready = node.ready()
            self._say_role(name, node)
            if ready.snapshot is not None:
                self.snapshots[name] = ready.snapshot
                self.disk[name] = []
                self.applied[name] = [(ready.snapshot.index, b"snapshot")]
                self.said.append(f"{name} restores the snapshot up to {ready.snapshot.index}")
            if ready.entries:
                first = ready.entries[0].index
                kept = [entry for entry in self.disk[name] if entry.index < first]
                self.disk[name] = kept + ready.entries
            if ready.hard_state is not None:
                self.hard[name] = ready.hard_state
            self.wire.extend(ready.messages)
            if ready.committed:
                self.said.append(f"{name} applies {describe_entries(ready.committed)}")
            for entry in ready.committed:
                self.applied[name].append((entry.index, entry.data))
                if entry.change is not None:
                    conf = node.apply_conf_change(entry)
                    self.said.append(f"{name} goes by {describe_configuration(conf)}")
            for read in ready.read_states:
                self.reads[name][read.context] = read.index
                self.said.append(f"{name} may read {read.context.decode()} at {read.index}")
            node.advance(ready)

    def _say_role(self, name: str, node: RaftNode) -> None:
        before = self._roles.get(name, (Role.FOLLOWER, 0))
        self._roles[name] = now = node.role, node.term
        if now != before and not now[0] is before[0] is Role.FOLLOWER:
            self.said.append(f"{name} is a {node.role.value}, term {node.term}")

    def campaign(self, name: str) -> Talk:
        self.nodes[name].campaign()
        self.work(name)
        return self.settle()

    def propose(self, name: str, *data: bytes) -> Talk:
        for item in data:
            assert self.nodes[name].propose(item), f"{name} does not lead"
            self.work(name)
        return self.settle()

    def tick(self, *names: str, times: int = 1) -> Talk:
        for _ in range(times):
            for name in names or self.names:
                self.nodes[name].tick()
                self.work(name)
            self.settle()
        return self

    def tell(self, message: Message) -> list[Message]:
        """Hand one message to a member; its answers."""
        before = len(self.wire)
        self.nodes[message.to].step(message)
        self.work(message.to)
        answers = self.wire[before:]
        del self.wire[before:]
        return answers

    def settle(self, allow: Callable[[Message], bool] = lambda message: True) -> Talk:
        """Deliver messages in order until silence."""
        while self.wire:
            message = self.wire.pop(0)
            if message.source in self.cut or message.to in self.cut or not allow(message):
                continue
            self.said.append(describe(message))
            self.nodes[message.to].step(message)
            self.work(message.to)
        return self

    def settle_only(self, these: Callable[[Message], bool]) -> None:
        """Deliver messages like these in order until there are none; the others stay under way."""
        while chosen := next((message for message in self.wire if these(message)), None):
            self.wire.remove(chosen)
            if chosen.source in self.cut or chosen.to in self.cut:
                self.said.append(f"{describe(chosen)} (lost)")
                continue
            self.said.append(describe(chosen))
            self.nodes[chosen.to].step(chosen)
            self.work(chosen.to)

    def log(self, name: str) -> str:
        """One line about a member's log: the terms of its entries."""
        node, log = self.nodes[name], self.nodes[name].log
        first = log.first_index
        terms = [str(entry.term) for entry in log.entries(first)]
        known = log.commit + 1 - first
        gone = f"..{first - 1} " if first > 1 else ""
        return (
            f"{name} {node.role.value:<9} term {node.term}: "
            f"{gone}{' '.join([*terms[:known], '|', *terms[known:]])}"
        )

    def isolate(self, *names: str) -> Talk:
        self.cut = dict.fromkeys(names)
        return self

    def roles(self) -> str:
        return " ".join(f"{n}:{self.nodes[n].role.value}@{self.nodes[n].term}" for n in self.names)

    def leaders(self) -> list[str]:
        return [name for name in self.names if self.nodes[name].role is Role.LEADER]


def describe(message: Message) -> str:
    """One line of a conversation: "a -> b MsgVote term 1, last 0/0" (index/term of an entry)."""
    m = message
    what = ""
    match m.type:
        case MessageType.MsgVote | MessageType.MsgPreVote:
            what = f"last {m.index}/{m.log_term}"
        case MessageType.MsgVoteResp | MessageType.MsgPreVoteResp:
            what = "no" if m.reject else "yes"
        case MessageType.MsgApp:
            entries = describe_entries(m.entries)
            what = f"after {m.index}/{m.log_term} [{entries}] commit {m.commit}"
        case MessageType.MsgAppResp if m.reject:
            what = f"no, not after {m.index}, try {m.reject_hint}/{m.log_term}"
        case MessageType.MsgAppResp if m.index:
            what = f"yes up to {m.index}"
        case MessageType.MsgSnap:
            assert m.snapshot is not None
            what = f"up to {m.snapshot.index}/{m.snapshot.term}"
        case MessageType.MsgHeartbeat:
            what = f"commit {m.commit}"
        case MessageType.MsgReadIndexResp:
            what = f"at {m.index}"
    words = [what] if what else []
    if m.context:
        words.append(m.context.decode())
    return ", ".join([f"{m.source} -> {m.to} {m.type.name} term {m.term}", *words])


def describe_entries(entries: Sequence[Entry]) -> str:
    """ "6/2, 7/2 x=1": entry 6 of term 2 is empty, entry 7 is a command."""
    return ", ".join(f"{e.index}/{e.term} {describe_content(e)}".rstrip() for e in entries)


def describe_content(entry: Entry) -> str:
    if entry.change is None:
        return entry.data.decode()
    changes = " ".join(f"{CHANGES[c.type]} {c.node}" for c in entry.change.changes)
    return changes or "leave joint"


def describe_configuration(conf: ConfState) -> str:
    words = "".join(conf.voters)
    if conf.voters_outgoing:
        words += f" and {''.join(conf.voters_outgoing)}"
    learners = conf.learners + conf.learners_next
    return f"{words}, learners {''.join(learners)}" if learners else words

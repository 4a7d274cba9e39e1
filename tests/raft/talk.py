"""A cluster on the table: members, and the messages between them, moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from kube_edu.raft import Entry, HardState, Message, MessageType, RaftNode, Role, Snapshot


class Talk:
    """Members a, b, c, ... on a network that delivers what `allow` lets through.

    Each member has a "disk" (hard state, snapshot, entries), filled before its messages leave,
    and a list of what it applied.
    """

    def __init__(self, names: str = "abc", seed: int = 1, **options: Any) -> None:
        self.random = Random(seed)
        self.options = options
        self.names = list(names)
        self.nodes: dict[str, RaftNode] = {}
        self.hard = {name: HardState() for name in names}
        self.disk: dict[str, list[Entry]] = {name: [] for name in names}
        self.snapshots: dict[str, Snapshot] = {name: Snapshot() for name in names}
        self.applied: dict[str, list[tuple[int, bytes]]] = {name: [] for name in names}
        self.reads: dict[str, dict[bytes, int]] = {name: {} for name in names}
        self.wire: list[Message] = []
        self.said: list[str] = []
        self.cut: dict[str, None] = {}
        for name in names:
            self.start(name)

    def start(self, name: str) -> RaftNode:
        """(Re)start a member from its disk."""
        self.applied[name] = []
        self.nodes[name] = RaftNode(
            name,
            self.names,
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
            if ready.snapshot is not None:
                self.snapshots[name] = ready.snapshot
                self.disk[name] = []
                self.applied[name] = [(ready.snapshot.index, b"snapshot")]
            if ready.entries:
                first = ready.entries[0].index
                kept = [entry for entry in self.disk[name] if entry.index < first]
                self.disk[name] = kept + ready.entries
            if ready.hard_state is not None:
                self.hard[name] = ready.hard_state
            self.wire.extend(ready.messages)
            for entry in ready.committed:
                self.applied[name].append((entry.index, entry.data))
                if entry.change is not None:
                    node.apply_conf_change(entry)
            for read in ready.read_states:
                self.reads[name][read.context] = read.index
            node.advance(ready)

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

    def isolate(self, *names: str) -> Talk:
        self.cut = dict.fromkeys(names)
        return self

    def roles(self) -> str:
        return " ".join(f"{n}:{self.nodes[n].role.value}@{self.nodes[n].term}" for n in self.names)

    def leaders(self) -> list[str]:
        return [name for name in self.names if self.nodes[name].role is Role.LEADER]


def describe(message: Message) -> str:
    """One line of a conversation: "a -> b MsgVote term 1 (last 0 of term 0)"."""
    head = f"{message.source} -> {message.to} {message.type.name} term {message.term}"
    if message.type in (MessageType.MsgVote, MessageType.MsgPreVote):
        return f"{head}, last {message.index}/{message.log_term}"
    if message.type in (MessageType.MsgVoteResp, MessageType.MsgPreVoteResp):
        return f"{head}, {'no' if message.reject else 'yes'}"
    if message.type is MessageType.MsgApp:
        entries = " ".join(f"{e.index}/{e.term}" for e in message.entries)
        return (
            f"{head}, after {message.index}/{message.log_term} [{entries}] commit {message.commit}"
        )
    if message.type is MessageType.MsgAppResp:
        verdict = f"no, try {message.reject_hint}" if message.reject else "yes"
        return f"{head}, {verdict} up to {message.index}"
    return head

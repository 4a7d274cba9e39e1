"""A cluster of bare Raft members in virtual time: what the scenarios of the suite play with.

The members' disks are lists, and what was written when the power fails is all that is left. The
network may lose, delay and reorder; a member can be cut off, crash, and come back. Two promises are
looked after all the time: one leader a term, and the same commands in the same order everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from kube_edu.raft import Entry, HardState, Message, MessageType, RaftNode, Role, Rules, Snapshot
from kube_edu.sim.loop import VirtualLoop

TICK = 0.1
ELECTION_TICKS = 5
ELECTION = 2 * ELECTION_TICKS * TICK
"""Seconds after which somebody has stood for election for sure."""

ANSWERS = (
    MessageType.MsgAppResp,
    MessageType.MsgVoteResp,
    MessageType.MsgPreVoteResp,
    MessageType.MsgHeartbeatResp,
)


@dataclass
class Server:
    """One member: what is in its memory (while `node` is there), and on its disk."""

    name: str
    node: RaftNode | None = None
    connected: bool = True
    commands: list[bytes] = field(default_factory=list)
    hard: HardState = field(default_factory=HardState)
    snapshot: Snapshot = field(default_factory=Snapshot)
    entries: list[Entry] = field(default_factory=list)


class Servers:
    """`number` members called a, b, c, ... All randomness is the seed's; so is whether they use
    PreVote and CheckQuorum, and whether they send entries one by one, for no promise may depend
    on that."""

    rules = Rules()

    def __init__(
        self, seed: int, number: int, *, reliable: bool = True, snapshot_every: int = 0
    ) -> None:
        self.random = Random(f"{seed}/raft")
        self.loop = VirtualLoop(Random(seed))  # type: ignore[abstract]
        self.options: dict[str, Any] = {
            "pre_vote": seed % 2 == 0,
            "check_quorum": seed // 2 % 2 == 0,
            **({"max_size_per_msg": 1, "max_inflight_msgs": 8} if seed // 4 % 2 else {}),
        }
        self.reliable = reliable
        self.reordering = False
        self.snapshot_every = snapshot_every
        self.names = "abcdefg"[:number]
        self.servers = {name: Server(name) for name in self.names}
        self.chosen: list[bytes] = []
        self.position: dict[bytes, int] = {}  # of each chosen command
        self.leader_of: dict[int, str] = {}
        self.sent: Counter[MessageType] = Counter()
        self.bytes_sent = 0
        self._numbers = 0
        self._arrival: dict[tuple[str, str], float] = {}
        for name in self.names:
            self.start(name)

    # -- what a scenario does -----------------------------------------------------------------

    def __getitem__(self, name: str) -> Server:
        return self.servers[name]

    @property
    def now(self) -> float:
        return self.loop.time()

    def run_for(self, seconds: float) -> None:
        self.loop.run_until_time(self.now + seconds)

    def crash(self, *names: str) -> None:
        """Power cut: only the disk is left."""
        for name in names:
            self[name].node = None

    def start(self, *names: str) -> None:
        """Start a member on what its disk holds, and connect it."""
        for name in names:
            server = self[name]
            snapshot = server.snapshot
            server.commands = snapshot.data.split(b"\n") if snapshot.data else []
            server.node = node = RaftNode(
                name,
                tuple(self.names),
                random=Random(self.random.random()),
                election_ticks=ELECTION_TICKS,
                hard_state=server.hard,
                snapshot=snapshot,
                entries=server.entries,
                rules=self.rules,
                **self.options,
            )
            self.connect(name)
            self.loop.call_later(self.random.random() * TICK, self._tick, server, node)

    def restart(self, *names: str) -> None:
        self.crash(*names)
        self.start(*names)

    def connect(self, *names: str) -> None:
        for name in names:
            self[name].connected = True

    def disconnect(self, *names: str) -> None:
        for name in names:
            self[name].connected = False

    def only(self, *names: str) -> None:
        """These see one another, and nobody else does."""
        self.disconnect(*self.names)
        self.connect(*names)

    def others(self, *names: str) -> list[str]:
        return [name for name in self.names if name not in names]

    def command(self, size: int = 0) -> bytes:
        """One that was never used before."""
        self._numbers += 1
        return b"command-%d" % self._numbers + b"x" * size

    def propose(self, name: str, command: bytes | None = None) -> bool:
        """Offer a command to one member; False if it does not take it."""
        server = self[name]
        if server.node is None or not server.node.propose(command or self.command()):
            return False
        self._work(server)
        return True

    def have(self, command: bytes) -> list[str]:
        """Who has applied a command."""
        position = self.position.get(command)
        if position is None:
            return []
        return [name for name in self.names if len(self[name].commands) > position]

    def agree(self, expected: int, retry: bool = True, command: bytes | None = None) -> bytes:
        """Get a command through, to as many members as expected, whoever leads. With `retry`, it
        may take several leaders."""
        command = command or self.command()
        end = self.now + 20
        while self.now < end:
            if not any(self[name].connected and self.propose(name, command) for name in self.names):
                self.run_for(TICK / 2)
                continue
            until = self.now + 3
            self.loop.run_until_time(until, lambda: len(self.have(command)) >= expected)
            if len(self.have(command)) >= expected:
                return command
            assert retry, f"{command!r} got to {self.have(command)} only"
        raise AssertionError(f"no agreement on {command!r}: {self.have(command)}")

    def leader(self) -> str:
        """The one leader of the latest term among members that are connected; waits for one."""
        end = self.now + 10 * ELECTION
        while self.now < end:
            self.run_for(ELECTION_TICKS * TICK)
            leading = self.leading()
            if leading:
                return max(leading, key=lambda name: self._node(name).term)
        raise AssertionError("nobody leads")

    def leading(self) -> list[str]:
        """Connected members that take themselves for the leader."""
        return [
            server.name
            for server in self.servers.values()
            if server.connected and server.node is not None and server.node.role is Role.LEADER
        ]

    def term(self) -> int:
        """The term, on which all connected members have to agree."""
        terms = {self._node(name).term for name in self.names if self[name].connected}
        assert len(terms) == 1, f"terms differ: {terms}"
        return terms.pop()

    def _node(self, name: str) -> RaftNode:
        node = self[name].node
        assert node is not None
        return node

    # -- what a driver does -------------------------------------------------------------------

    def _tick(self, server: Server, node: RaftNode) -> None:
        if server.node is node:
            self.loop.call_later(TICK, self._tick, server, node)
            node.tick()
            self._work(server)

    def _work(self, server: Server) -> None:
        node = server.node
        while node is not None and node.has_ready():
            ready = node.ready()
            if ready.snapshot is not None:
                server.snapshot, server.entries = ready.snapshot, []
            if ready.entries:
                first = ready.entries[0].index
                while server.entries and server.entries[-1].index >= first:
                    server.entries.pop()
                server.entries += ready.entries
            if ready.hard_state is not None:
                server.hard = ready.hard_state
            for message in ready.messages:
                self._send(message)
            if ready.snapshot is not None:
                server.commands = ready.snapshot.data.split(b"\n")
                assert self.chosen[: len(server.commands)] == server.commands
            for entry in ready.committed:
                if entry.data:
                    self._apply(server, entry.data)
            node.advance(ready)
            if node.role is Role.LEADER:
                first_leader = self.leader_of.setdefault(node.term, node.name)
                assert first_leader == node.name, f"term {node.term} has two leaders"
            self._compact(server, node)

    def _apply(self, server: Server, command: bytes) -> None:
        position = len(server.commands)
        if position == len(self.chosen):
            self.chosen.append(command)
            self.position.setdefault(command, position)
        assert self.chosen[position] == command, (
            f"{server.name} applies {command!r} where {self.chosen[position]!r} was applied before"
        )
        server.commands.append(command)

    def _compact(self, server: Server, node: RaftNode) -> None:
        log = node.log
        if self.snapshot_every and log.applied - log.snapshot.index >= self.snapshot_every:
            server.snapshot = node.compact(b"\n".join(server.commands))
            server.entries = log.entries(log.first_index, log.stable)

    # -- what the network does ----------------------------------------------------------------

    def _send(self, message: Message) -> None:
        self.sent[message.type] += 1
        self.bytes_sent += sum(len(entry.data) for entry in message.entries)
        random, link = self.random, (message.source, message.to)
        delay = random.uniform(0, 0.01)
        if not self.reliable:
            delay = random.uniform(0, 0.027)
        if self.reordering and message.type in ANSWERS and random.random() < 0.6:
            delay = 0.2 + 2 * random.random()
        lost = not self.reliable and random.random() < 0.1
        if lost or not (self[message.to].connected and self[message.source].connected):
            self._report(message, False, 0.5)
            return
        arrival = self.now + delay
        if self.reliable:  # in order
            arrival = max(arrival, self._arrival.get(link, 0.0) + 1e-6)
            self._arrival[link] = arrival
        self.loop.call_at(arrival, self._deliver, message)

    def _deliver(self, message: Message) -> None:
        server, sender = self[message.to], self[message.source]
        arrived = server.connected and sender.connected and sender.node is not None
        if server.node is not None and arrived:
            server.node.step(message)
            self._work(server)
        self._report(message, arrived, 0.001)

    def _report(self, message: Message, arrived: bool, after: float) -> None:
        if message.type is MessageType.MsgSnap:
            sender = self[message.source]
            self.loop.call_later(after, self._reported, sender, sender.node, message.to, arrived)

    def _reported(self, server: Server, node: RaftNode | None, member: str, arrived: bool) -> None:
        if node is not None and server.node is node:
            node.report_snapshot(member, arrived)
            self._work(server)


def every(seconds: float, times: int, servers: Servers, action: Callable[[], None]) -> None:
    """A client that acts now and then, while other things happen."""

    def act(left: int) -> None:
        action()
        if left > 1:
            servers.loop.call_later(seconds, act, left - 1)

    servers.loop.call_later(seconds, act, times)

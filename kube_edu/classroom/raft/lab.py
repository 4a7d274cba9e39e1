"""A small world of bare Raft members, to be stepped, disturbed, and run again.

    plan = Plan(seed=3, acts=(Act(0.5, "crash", ("etcd-1",), seconds=2.0),))
    world = World(plan)
    world.run(5.0)

A plan says all that there is to say: the same plan is the same run. So a step back is the run done
anew with one step less, and a failing run can be made smaller by leaving things out of its plan.
The members are those of `kube_edu.raft`; their disks are instantaneous, and their network loses,
delays and doubles messages as the plan says.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from kube_edu.classroom.raft.member import Disk, Member, shown
from kube_edu.classroom.raft.plan import DELAY, MICRO, TICK, Act, Plan, names
from kube_edu.etcd.raft_trace import appended, described, written
from kube_edu.raft import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeType,
    Entry,
    HardState,
    Message,
    RaftNode,
    Ready,
    Rules,
    SafetyError,
)
from kube_edu.trace import Trace
from kube_edu.viz.ring import Ring, RingMessage

__all__ = ["Act", "Disk", "Flight", "Plan", "World", "names"]


@dataclass(frozen=True)
class Flight:
    """A message under way; times in seconds."""

    number: int
    message: Message
    sent: float
    arrives: float


MakeNode = Callable[..., RaftNode]
Keep = Callable[[RaftNode, Disk], Disk]


class World:
    """`rules` are those of all members. `make` is RaftNode, or makes one otherwise; `keep` says
    what is on the disk of a member that comes back from a crash."""

    def __init__(
        self,
        plan: Plan,
        rules: Rules | None = None,
        *,
        make: MakeNode = RaftNode,
        keep: Keep = lambda node, disk: disk,
    ) -> None:
        self.plan = plan
        self.rules = rules or Rules()
        self.steps = 0
        self.broken = ""
        """A promise of Raft's that a member was about to break by itself, in words."""
        self.trace = Trace(lambda: self.now)
        self.flights: dict[int, Flight] = {}
        self.links_cut: dict[tuple[str, str], None] = {}
        self._make, self._keep = make, keep
        self._time = 0  # in microseconds. Acts are at odd times, all else at even ones: no ties
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._scheduled = 0
        self._sent = 0
        self._weather: dict[tuple[str, str, str], int] = {}  # (what, source, target) → until when
        self._links = {
            (a, b): Random(f"{plan.seed} {a} {b}") for a in plan.members for b in plan.members
        }
        self.members = {name: Member(name, self._first_disk(name)) for name in plan.members}
        for act in plan.acts:
            self._plan_act(act)
        for name in plan.members:
            self._start(name)
            self._at(2 + 2 * Random(f"{plan.seed} {name}").randrange(TICK // 2), self._ticker(name))

    # -- running ------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return self._time / MICRO

    @property
    def leader(self) -> str:
        """Who leads in the newest term; "" if nobody does."""
        leaders = [
            (node.term, name) for name, node in self.nodes.items() if node.leadership is not None
        ]
        return max(leaders, default=(0, ""))[1]

    @property
    def nodes(self) -> dict[str, RaftNode]:
        """The members that are up."""
        return {name: m.node for name, m in self.members.items() if m.node is not None}

    def step(self) -> None:
        """One tick of a member, one message that arrives, or one act."""
        self._time, _, happen = heapq.heappop(self._queue)
        self.steps += 1
        happen()

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Step until the clock says so, or until something holds; whether it does."""
        end = round(seconds * MICRO)
        while not until():
            if self._queue[0][0] > end or self.broken:
                return False
            self.step()
        return True

    def ring(self) -> Ring:
        """The world as it is now, for the figure `kube_edu.viz.ring.ring`."""
        messages = []
        for flight in self.flights.values():
            m = flight.message
            share = (self.now - flight.sent) / max(flight.arrives - flight.sent, 1e-6)
            messages.append(
                RingMessage(flight.number, m.source, m.to, m.type.name, m.term, m.reject, share)
            )
        members = [shown(member) for member in self.members.values()]
        return Ring(self.now, members, messages, tuple(self.links_cut))

    # -- members ------------------------------------------------------------------------------

    def _first_disk(self, name: str) -> Disk:
        terms = self.plan.logs.get(name, ())
        entries = [
            Entry(term, index, f"{term}.{index}".encode()) for index, term in enumerate(terms, 1)
        ]
        return Disk(HardState(max([self.plan.terms.get(name, 0), *terms])), entries)

    def _start(self, name: str) -> None:
        member = self.members[name]
        disk = member.disk
        member.starts += 1
        snapshot = disk.snapshot
        member.applied = snapshot.data.decode().split() if snapshot else []
        member.node = self._make(
            name,
            self.plan.members,
            random=Random(f"{self.plan.seed} {name} {member.starts}"),
            pre_vote=self.plan.pre_vote,
            check_quorum=self.plan.check_quorum,
            hard_state=disk.hard,
            snapshot=snapshot,
            entries=disk.entries,
            rules=self.rules,
        )
        self.trace.record(name, "host.start", {})
        if member.starts == 1:
            for kind, fields in appended(disk.entries):
                self.trace.record(name, kind, fields)

    def _ticker(self, name: str) -> Callable[[], None]:
        def tick() -> None:
            self._at(self._time + TICK, tick)
            self._with(name, lambda node: node.tick())

        return tick

    def _with(self, name: str, do: Callable[[RaftNode], Any]) -> None:
        """Let a member do something, and then what comes of it."""
        member = self.members[name]
        node = member.node
        if node is None:
            return
        try:
            do(node)
            while node.has_ready():
                ready = node.ready()
                self._write(member, ready)
                for message in ready.messages:
                    self._send(message)
                self._apply(member, node, ready)
                node.advance(ready)
        except SafetyError as error:
            self.broken = f"{name} stops, before it breaks a promise: {error}"

    def _write(self, member: Member, ready: Ready) -> None:
        """To disk, and on the trace (as `etcd/driver.py` does)."""
        disk = member.disk
        if ready.snapshot is not None:
            disk.snapshot, disk.entries = ready.snapshot, []
        if ready.entries:
            first = ready.entries[0].index
            disk.entries = [e for e in disk.entries if e.index < first] + ready.entries
        assert member.node is not None
        for kind, fields in written(ready, disk.hard, member.node.log):
            self.trace.record(member.name, kind, fields)
        disk.hard = ready.hard_state or disk.hard

    def _apply(self, member: Member, node: RaftNode, ready: Ready) -> None:
        if ready.snapshot is not None:
            member.applied = ready.snapshot.data.decode().split()
        for entry in ready.committed:
            if entry.change is not None:
                node.apply_conf_change(entry)
            elif entry.data:
                member.applied.append(entry.data.decode())
                fields = {"index": entry.index, "revision": len(member.applied) + 1, "op": "put",
                          "keys": [entry.data.decode()]}  # fmt: skip
                self.trace.record(member.name, "etcd.apply", fields)

    # -- messages -----------------------------------------------------------------------------

    def _send(self, message: Message) -> None:
        self._sent += 1
        link = message.source, message.to
        self.trace.record(
            message.source, "raft.send", {**described(message), "message": self._sent}
        )
        fastest, slowest = self.plan.latency
        way = 2 * self._links[link].randrange(fastest // 2, slowest // 2)
        if self._under("drop", *link):
            self._drop(self._sent, message)
            return
        if self._under("delay", *link):
            way += DELAY
        self._fly(self._sent, message, way)
        if self._under("duplicate", *link):
            self._double(self._sent)

    def _fly(self, number: int, message: Message, way: int) -> None:
        arrives = self._time + way + self._time % 2
        self.flights[number] = Flight(number, message, self.now, arrives / MICRO)
        self._at(arrives, lambda: self._arrive(number, arrives))

    def _arrive(self, number: int, time: int) -> None:
        flight = self.flights.get(number)
        if flight is None or round(flight.arrives * MICRO) != time:
            return  # it was lost, or delayed
        del self.flights[number]
        message = flight.message
        member = self.members[message.to]
        if tuple(sorted((message.source, message.to))) in self.links_cut or member.node is None:
            self._drop(number, message)
            return
        fields = {"source": message.source, "type": message.type.name, "term": message.term,
                  "message": number}  # fmt: skip
        self.trace.record(message.to, "raft.receive", fields)
        self._with(message.to, lambda node: node.step(message))

    def _drop(self, number: int, message: Message) -> None:
        fields = {"source": message.source, "target": message.to, "message": number}
        self.trace.record("network", "net.drop", fields)

    def _double(self, number: int) -> None:
        flight = self.flights[number]
        self._sent += 1
        way = round((flight.arrives - flight.sent) * MICRO)
        fields = {**described(flight.message), "message": self._sent}
        self.trace.record(flight.message.source, "raft.send", fields)
        self._fly(self._sent, flight.message, way + DELAY // 2)

    # -- acts ---------------------------------------------------------------------------------

    def _plan_act(self, act: Act) -> None:
        self._at(round(act.at * MICRO) | 1, lambda: self._do(act))

    def _do(self, act: Act) -> None:
        who = tuple(self.leader if name == "leader" else name for name in act.who)
        if "" in who:
            return  # nobody leads
        end = self._time + round(act.seconds * MICRO) // 2 * 2
        match act.what:
            case "time out":
                self._with(who[0], lambda node: node.campaign())
            case "propose":
                self._with(who[0], lambda node: node.propose(act.data.encode()))
            case "crash":
                self._crash(who[0])
                if act.seconds:
                    self._at(end, lambda: self._restart(who[0]))
            case "restart":
                self._restart(who[0])
            case "compact":
                self._with(who[0], lambda node: self._compact(who[0], node))
            case "remove" if self.leader:
                single = ConfChangeSingle(ConfChangeType.RemoveNode, who[0])
                change = ConfChange(changes=(single,))
                self._with(self.leader, lambda node: node.propose_conf_change(change))
            case "cut" | "cut off":
                others = [name for name in self.plan.members if name not in who]
                pairs = (
                    [who]
                    if act.what == "cut"
                    else [(name, rest) for name in who for rest in others]
                )
                self._cut([(min(pair), max(pair)) for pair in pairs], bool(act.seconds), end)
            case "heal":
                self._heal(list(self.links_cut))
            case "drop" | "delay" | "duplicate" if act.message:
                self._one_message(act.what, act.message)
            case "drop" | "delay" | "duplicate":
                self._weather[(act.what, who[0], who[1])] = end if act.seconds else 2**60
            case _:
                raise ValueError(f"there is no act {act.what!r}")

    def _crash(self, name: str) -> None:
        member = self.members[name]
        if member.node is not None:
            member.disk = self._keep(member.node, member.disk)
            member.node = None
            self.trace.record(name, "host.crash", {})

    def _restart(self, name: str) -> None:
        if self.members[name].node is None:
            self._start(name)

    def _compact(self, name: str, node: RaftNode) -> None:
        member = self.members[name]
        data = " ".join(member.applied).encode()
        member.disk.snapshot = node.compact(data)
        index = member.disk.snapshot.index
        member.disk.entries = [entry for entry in member.disk.entries if entry.index > index]

    def _cut(self, pairs: Sequence[tuple[str, str]], ends: bool, end: int) -> None:
        self.links_cut |= dict.fromkeys(pairs)
        self._record_groups()
        if ends:
            self._at(end, lambda: self._heal(pairs))

    def _heal(self, pairs: Sequence[tuple[str, str]]) -> None:
        for pair in pairs:
            self.links_cut.pop(pair, None)
        if self.links_cut:
            self._record_groups()
        else:
            self.trace.record("network", "net.heal", {})

    def _record_groups(self) -> None:
        """Who can still reach whom, be it by way of others."""
        groups: list[list[str]] = []
        for name in self.plan.members:
            near = [
                g
                for g in groups
                if any(
                    (m, name) not in self.links_cut and (name, m) not in self.links_cut for m in g
                )
            ]
            groups = [g for g in groups if g not in near]
            groups.append([member for group in near for member in group] + [name])
        links = [f"{a}–{b}" for a, b in self.links_cut]
        self.trace.record("network", "net.partition", {"groups": groups, "links": links})

    def _one_message(self, what: str, number: int) -> None:
        flight = self.flights.get(number)
        if flight is None:
            return
        if what == "drop":
            del self.flights[number]
            self._drop(number, flight.message)
        elif what == "delay":
            left = round(flight.arrives * MICRO) - self._time
            self._fly(number, flight.message, left + DELAY - self._time % 2)
        else:
            self._double(number)

    def _under(self, what: str, source: str, target: str) -> bool:
        return self._weather.get((what, source, target), 0) > self._time

    def _at(self, time: int, happen: Callable[[], None]) -> None:
        self._scheduled += 1
        heapq.heappush(self._queue, (time, self._scheduled, happen))

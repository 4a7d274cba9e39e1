"""What is done to a small world of Raft members, and when: everything that decides a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from kube_edu.classroom.search import without_one

MICRO = 1_000_000
TICK = 100_000
"""Microseconds; a heartbeat each, and ten to an election time-out (etcd's defaults)."""
LATENCY = (4_000, 24_000)
"""The fastest and the slowest way of a message, in microseconds."""
DELAY = 150_000
"""What a delayed message takes longer."""


ACTS = ("time out", "propose", "crash", "restart", "cut off", "cut", "heal", "drop", "delay",
        "duplicate", "compact", "remove")  # fmt: skip


def names(count: int) -> tuple[str, ...]:
    return tuple(f"etcd-{number}" for number in range(1, count + 1))


@dataclass(frozen=True)
class Act:
    """Something that is done to the world, `at` a virtual second. With `seconds` it ends by itself.

    what         who                     effect
    time out     member                  its patience is over: it stands for election
    propose      member or "leader"      a client's command (`data`)
    crash        member or "leader"      power cut; what is on its disk stays
    restart      member                  it comes back with that
    cut off      members                 no link between these and the others
    cut          two members             the link between them
    heal         -                       all links whole again
    drop         source, target          all messages on this way, from now on
    delay        source, target          these take longer by DELAY
    duplicate    source, target          these arrive twice
    drop, delay, duplicate  -            the one message with this number, while it is under way
    compact      member or "leader"      a snapshot of what it applied stands for its log
    remove       member                  the leader is asked to do without it from now on

    A `who` of "leader" is whoever leads in the newest term at that moment.
    """

    at: float
    what: str
    who: tuple[str, ...] = ()
    seconds: float = 0.0
    message: int = 0
    data: str = ""

    def __str__(self) -> str:
        link = self.what in ("drop", "delay", "duplicate", "cut")
        words = [self.what, *([f"message {self.message}"] if self.message else ())]
        words += [(" → " if link and self.what != "cut" else ", ").join(self.who)]
        words += [self.data.strip()]
        words += [f"for {self.seconds:g} s"] if self.seconds else []
        return f"{self.at:.3f} s: " + " ".join(word for word in words if word)


@dataclass(frozen=True)
class Plan:
    """Everything that decides a run."""

    seed: int = 1
    members: tuple[str, ...] = names(3)
    acts: tuple[Act, ...] = ()
    seconds: float = 5.0
    pre_vote: bool = True
    check_quorum: bool = True
    latency: tuple[int, int] = LATENCY
    logs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """What members have on disk when the run begins: the term of each entry. A member's own term
    is then the greatest of `terms` and of its log."""
    terms: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        many = f"{len(self.members)} members, {len(self.acts)} disturbances"
        return f"seed {self.seed}, {many}"

    def in_words(self, until: float) -> str:
        """What is done up to then, line by line."""
        lines = []
        if any(self.logs.values()):
            each = [f"{name}: {' '.join(map(str, self.logs[name]))}" for name in self.members]
            lines.append("  logs at the start (terms of the entries)  " + ";  ".join(each))
        acts = [f"  {act}" for act in self.acts if act.at <= until] or ["  no disturbance at all"]
        return "\n".join([f"the smallest run ({self}):", *lines, *acts])

    def simpler(self) -> Iterator[Plan]:
        """In half the time; without one act; without one member, where it has no part in it;
        without the last entry of one log."""
        yield replace(self, seconds=round(self.seconds / 2, 2))
        for acts in without_one(self.acts):
            yield replace(self, acts=acts)
        concerned = {name for act in self.acts for name in act.who}
        for members in without_one(self.members):
            if len(members) >= 3 and concerned & {*self.members} <= {*members}:
                logs = {name: log for name, log in self.logs.items() if name in members}
                yield replace(self, members=members, logs=logs)
        for name, log in self.logs.items():
            if log:
                yield replace(self, logs={**self.logs, name: log[:-1]})

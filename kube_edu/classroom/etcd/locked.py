"""Lab 03, third exercise: work under a lock that may run out while one works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from kube_edu.classroom.etcd.client import Etcd, compare, delete, put
from kube_edu.classroom.etcd.runs import (
    CLIENTS,
    FROZEN,
    MEMBER_DIES,
    TTL,
    Deed,
    Run,
    Story,
    exercise,
    watched,
)
from kube_edu.classroom.trial import Failure, Reasons
from kube_edu.etcd.messages import Event, EventType, KeyValue
from kube_edu.viz.figure import Figure

because = Reasons("03-etcd-keys-and-watches", "under_lock")

LOCK, KEY = "lock", "result"
WAITING = 75.0
"""Virtual seconds in which everybody must have had a turn: a connection to a machine without power
is silent for half a minute before it is given up."""

FREEZES, DIES, NAMESAKES = (
    "the first at work is frozen for a while",
    "the first at work loses its power",
    "all call themselves ann",
)


async def under_lock(etcd: Etcd, lock: str, me: str, lease: int, key: str, work: Any) -> bool:
    """The reference."""
    while True:
        taken = await etcd.txn([compare("create", lock, "=", 0)], [put(lock, me, lease)])
        if taken.succeeded:
            break
        async for answer in etcd.watch(lock, taken.revision + 1):
            if any(event.type == "DELETE" for event in answer.events):
                break
    token = taken.revision
    result = await work()
    done = await etcd.txn([compare("create", lock, "=", token)], [put(key, result), delete(lock)])
    return done.succeeded


@dataclass
class Turn:
    """What is seen of one worker's call."""

    lease: int = 0
    started: int = 0
    """The revision of the store when it began to work; 0: not yet."""
    held: bool = False
    """Whether the lock was its own then."""
    returned: Any = ...
    gave_up: bool = False


class LockRun(Run):
    title = "The lock, and what is written under it"

    def __init__(self, story: Story, answer: Callable[..., Any]) -> None:
        super().__init__(story, answer)
        self._turns = {name: Turn() for name in story.names}
        self._befallen = ""

    def happen(self) -> None:
        for name in self._turns:
            self.start(name, partial(self._work_under_lock, name))
        self.lose_a_member()
        self.wait(WAITING)

    async def _work_under_lock(self, name: str) -> None:
        turn = self._turns[name]
        etcd = self.client(name, pace=self.random.choice((0.01, 0.05, 0.3)))
        keeping: asyncio.Task[None] | None = None
        try:
            turn.lease = await etcd.grant(TTL)
            keeping = asyncio.create_task(self.etcd.client(name).keep(turn.lease))
            turn.returned = await self.guard.call_async(
                etcd, LOCK, self._calls_itself(name), turn.lease, KEY, partial(self._work, name)
            )
        except (ConnectionError, TimeoutError):
            turn.gave_up = True
            if keeping is not None:
                keeping.cancel()

    async def _work(self, name: str) -> str:
        turn = self._turns[name]
        turn.started, turn.held = self.revision, self._holds(name, self.revision)
        takes = self.random.uniform(0.3, 3)
        dies = DIES in self.story.befalls
        if (dies or FREEZES in self.story.befalls) and not self._befallen:
            self._befallen = name
            when = self.random.choice((0.1, takes + self.random.uniform(0, 0.6)))
            self._befall(name, when, power=dies)
        await asyncio.sleep(takes)
        return f"of {name}"

    def _befall(self, name: str, after: float, power: bool) -> None:
        """A machine loses its power, or is frozen until its lease is over."""
        machine = self.etcd.hosts[name]
        loop, nobody = asyncio.get_running_loop(), Context()  # what is frozen cannot wake itself
        loop.call_later(after, machine.crash if power else machine.pause, context=nobody)
        loop.call_later(after + FROZEN, machine.resume, context=nobody)

    # --- what is wrong

    def wrong(self) -> Failure | None:
        for deed in sorted(self.deeds, key=lambda deed: deed.revision):
            for event in self.etcd.changes()[deed.revision - 2] if deed.revision else ():
                how = {LOCK: self._wrong_lock, KEY: self._wrong_write}.get(event.kv.key.decode())
                if how is not None and (found := how(deed, event)):
                    return found
        for name, turn in self._turns.items():
            ends = not turn.gave_up and name not in self._dead
            if ends and (found := self._wrong_turn(name, turn)):
                return found
        return None

    def _wrong_lock(self, deed: Deed, event: Event) -> Failure | None:
        who, at = deed.who, deed.revision
        before = self.at(LOCK, at - 1)
        others = before is not None and not self._holds(who, at - 1)
        owner = self._owner(before) if before else ""
        if event.type is EventType.DELETE:
            return because("deletes", at, who=who, owner=owner) if others else None
        if others:
            looked = any(d.who == who and d.method == "range" for d in self.deeds)
            kind = "looks and puts" if looked else "just puts"
            return because(kind, at, "steals", who=who, owner=owner)
        if event.kv.lease != self._turns[who].lease:
            return because("no lease", at, who=who)
        return None

    def _wrong_write(self, deed: Deed, event: Event) -> Failure | None:
        who, at = deed.who, deed.revision
        if not self._holds(who, at - 1):
            holder = self.at(LOCK, at - 1)
            owner = self._owner(holder) if holder else "nobody"
            return because(self._how_written(deed), at, "writes", who=who, owner=owner)
        value = event.kv.value.decode()
        if event.type is EventType.PUT and value != f"of {who}":
            how = "" if self._turns[who].started else ": work is an async def, so await it"
            return because("another result", at, who=who, value=f"{value!r:.30}", how=how)
        return because("result on the lease", at, who=who) if event.kv.lease else None

    def _how_written(self, deed: Deed) -> str:
        before = [d for d in self.deeds[: self.deeds.index(deed)] if d.who == deed.who]
        if deed.method == "put":
            return "looks" if before[-1].method == "range" else "put"
        return "anybody" if deed.compares(LOCK) else "nothing"

    def _wrong_turn(self, name: str, turn: Turn) -> Failure | None:
        if turn.started and not turn.held:
            return because("works without", turn.started, name=name)
        if found := self._impatient(name):
            return found
        if turn.returned is ...:
            return self._stuck(name)
        if not turn.started:
            return because("no turn", name=name, returned=turn.returned)
        wrote = next((d.revision for d in self.deeds
                      if d.who == name and d.revision in dict(self.history(KEY))), 0)  # fmt: skip
        if turn.returned is not bool(wrote):
            was = "was written" if wrote else "was not written"
            return because("returns", wrote, name=name, returned=turn.returned, was=was)
        if self._holds(name, self.revision):
            return because("keeps", wrote, name=name)
        if not wrote and name != self._befallen and MEMBER_DIES not in self.story.befalls:
            return because("refused", name=name)
        return None

    def _impatient(self, name: str) -> Failure | None:
        """Each time that the lock becomes free is a reason to ask for it once more."""
        freed = sum(event.type is EventType.DELETE for _, event in self.history(LOCK))
        asked = sum(d.who == name and not d.revision and d.method in ("range", "txn")
                    for d in self.deeds)  # fmt: skip
        if asked <= 2 * freed + 4:
            return None
        return because("asks", name=name, asked=asked, freed=freed)

    def _stuck(self, name: str) -> Failure | None:
        holder = self.at(LOCK, self.revision)
        if holder is None:
            last = max((revision for revision, _ in self.history(LOCK)), default=0)
            return because("waits", last, name=name)
        owner = self._owner(holder)
        if self._turns[owner].returned is not ...:
            return because("keeps", holder.mod_revision, name=owner)
        return because("hangs", holder.mod_revision, name=name)

    def _holds(self, name: str, revision: int) -> bool:
        lock = self.at(LOCK, revision)
        return lock is not None and self._owner(lock) == name

    def _owner(self, lock: KeyValue) -> str:
        """Whose lease it hangs on; without one, who it says."""
        leases = {turn.lease: name for name, turn in self._turns.items()}
        return leases.get(lock.lease, lock.value.decode())

    def _calls_itself(self, name: str) -> str:
        """A program that is started anew, on the same machine, has its old name."""
        return CLIENTS[0] if NAMESAKES in self.story.befalls else name

    @property
    def _dead(self) -> list[str]:
        return [self._befallen] if DIES in self.story.befalls else []


def _stories() -> Iterator[Story]:
    yield Story(1)
    yield Story(2, 2)
    yield Story(3, 3)
    yield Story(4, 2, (DIES,))
    yield Story(5, 2, (FREEZES,))
    yield Story(6, 1, (FREEZES,))
    for seed in range(7, 51):
        random = Random(seed)
        befalls = [*random.choice(((), (FREEZES,), (DIES,), (FREEZES,)))]
        befalls += [MEMBER_DIES] if seed % 15 == 0 else []
        befalls += [NAMESAKES] if seed % 3 == 0 else []
        yield Story(seed, random.randint(2, 4), tuple(befalls))


UNDER_LOCK = exercise(
    LockRun,
    under_lock,
    _stories,
    "with frozen and dying workers: no result was written but by the holder of the lock.",
)


def frozen_at_work(answer: Callable[..., Any], seed: int) -> Figure:
    """Two workers, the first of them frozen while it works: one run, drawn."""
    return watched(LockRun(Story(seed, 2, (FREEZES,)), answer))

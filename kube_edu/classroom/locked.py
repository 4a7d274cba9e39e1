"""Lab 03, third exercise: work under a lock that may run out while one works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from kube_edu.classroom.etcd_client import Etcd, compare, delete, put
from kube_edu.classroom.exercise import Exercise
from kube_edu.classroom.store_runs import (
    CLIENTS,
    FROZEN,
    MEMBER_DIES,
    TTL,
    Deed,
    Failure,
    Run,
    Search,
    Story,
)
from kube_edu.etcd.messages import Event, EventType, KeyValue
from kube_edu.viz.figure import Figure

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
        machine = self.etcd.simulation.machines[name]
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
            if not others:
                return None
            return Failure("deletes", f"{who} gives the lock back at revision {at}, but it is "
                           f"{owner}'s by now: its own lease had run out. Compare, and delete, in "
                           "one Txn.", at)  # fmt: skip
        if others:
            looked = any(d.who == who and d.method == "range" for d in self.deeds)
            why = ("a look and a put are two steps, and between them somebody else came. Compare, "
                   "and put, in one Txn." if looked else
                   "a put asks nobody. Put only if there is no lock, in one Txn.")  # fmt: skip
            return Failure(f"steals {looked}", f"{who} takes the lock at revision {at}, though "
                           f"{owner} has it: {why}", at)  # fmt: skip
        if event.kv.lease != self._turns[who].lease:
            return Failure("no lease", f"the lock of {who} does not hang on the lease: if {who} "
                           "dies, nobody ever gets it again.", at)  # fmt: skip
        return None

    def _wrong_write(self, deed: Deed, event: Event) -> Failure | None:
        if self._holds(deed.who, deed.revision - 1):
            return self._wrong_result(deed, event)
        holder = self.at(LOCK, deed.revision - 1)
        has = f"{self._owner(holder)} has the lock" if holder else "nobody has the lock"
        kind, why = self._why_written(deed)
        return Failure(kind, f"{deed.who} writes its result at revision {deed.revision}, though "
                       f"{has}: {why}", deed.revision)  # fmt: skip

    def _wrong_result(self, deed: Deed, event: Event) -> Failure | None:
        value, at = event.kv.value.decode(), deed.revision
        if event.type is EventType.PUT and value != f"of {deed.who}":
            how = "" if self._turns[deed.who].started else ": work is an async def, so await it"
            return Failure("another result", f"{deed.who} writes {value!r:.30}, and not what "
                           f"work() returns{how}.", at)  # fmt: skip
        if event.kv.lease:
            return Failure("result on the lease", f"the result of {deed.who} hangs on the lease, "
                           "and is gone when that ends. Only the lock should go.",
                           at)  # fmt: skip
        return None

    def _why_written(self, deed: Deed) -> tuple[str, str]:
        before = [d for d in self.deeds[: self.deeds.index(deed)] if d.who == deed.who]
        if deed.method == "put" and before[-1].method == "range":
            return "looks", ("it looks first, and then writes, and may be frozen between the "
                             "two. Make the comparison a part of the write.")  # fmt: skip
        if deed.method == "put":
            return "put", ("a put asks nothing. Write in a Txn that compares whether the lock is "
                           "still the one that was taken.")  # fmt: skip
        if not deed.compares(LOCK):
            return "nothing", "its Txn compares nothing about the lock."
        return "anybody", ("what its Txn compares holds for anybody's lock. The revision at which "
                           "you took it is yours alone: that is a fencing token.")  # fmt: skip

    def _wrong_turn(self, name: str, turn: Turn) -> Failure | None:
        if turn.started and not turn.held:
            return Failure("works without", f"{name} begins to work without having the "
                           "lock.", turn.started)  # fmt: skip
        if found := self._impatient(name):
            return found
        if turn.returned is ...:
            return self._stuck(name)
        if not turn.started:
            return Failure("no turn", f"{name} returns {turn.returned!r} without having worked: "
                           "when somebody else has the lock, wait for it.")  # fmt: skip
        wrote = next((d.revision for d in self.deeds
                      if d.who == name and d.revision in dict(self.history(KEY))), 0)  # fmt: skip
        if turn.returned is not bool(wrote):
            was = "was written" if wrote else "was not written"
            return Failure("returns", f"{name} returns {turn.returned!r}, and its result {was}: "
                           "the caller must be told.", wrote)  # fmt: skip
        if self._holds(name, self.revision):
            return _keeps(name, wrote)
        if not wrote and name != self._befallen and MEMBER_DIES not in self.story.befalls:
            return Failure("refused", f"{name} had the lock all the time, and its result was not "
                           "written: compare with what the lock was when you took it.")  # fmt: skip
        return None

    def _impatient(self, name: str) -> Failure | None:
        """Each time that the lock becomes free is a reason to ask for it once more."""
        freed = sum(event.type is EventType.DELETE for _, event in self.history(LOCK))
        asked = sum(d.who == name and not d.revision and d.method in ("range", "txn")
                    for d in self.deeds)  # fmt: skip
        if asked <= 2 * freed + 4:
            return None
        return Failure("asks", f"{name} asks for the lock {asked} times, and it became free "
                       f"{freed} times. Do not ask whether something has happened: watch the "
                       "lock.")  # fmt: skip

    def _stuck(self, name: str) -> Failure | None:
        holder = self.at(LOCK, self.revision)
        if holder is None:
            last = max((revision for revision, _ in self.history(LOCK)), default=0)
            return Failure("waits", f"nobody has the lock since revision {last}, and {name} still "
                           "waits: the key was deleted between your look and your watch, and a "
                           "watch from now on is not told. Watch from the revision after the one "
                           "at which you looked.", last)  # fmt: skip
        owner = self._owner(holder)
        if self._turns[owner].returned is not ...:
            return _keeps(owner, holder.mod_revision)
        return Failure("hangs", f"{name} does not come to its end.", holder.mod_revision)

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


def _keeps(name: str, revision: int) -> Failure:
    return Failure("keeps", f"{name} is done, and keeps the lock: for as long as its lease is "
                   "kept alive nobody else gets it.", revision)  # fmt: skip


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


UNDER_LOCK = Exercise(
    "under_lock",
    Search(
        LockRun,
        under_lock,
        tuple(_stories()),
        "with frozen and dying workers: no result was written but by the holder of the lock.",
    ),
)


def frozen_at_work(answer: Callable[..., Any], seed: int) -> Figure:
    """Two workers, the first of them frozen while it works: one run, drawn."""
    assert isinstance(UNDER_LOCK.judge, Search)
    return UNDER_LOCK.judge.watch(answer, Story(seed, 2, (FREEZES,)))

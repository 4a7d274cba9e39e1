"""Lab 03, fourth exercise: work under a lock that may run out while one works."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from kube_edu.classroom.etcd_client import Etcd, compare, delete, put
from kube_edu.classroom.exercise import Exercise
from kube_edu.classroom.store_runs import ClientOf, Deed, Failure, Run, searching
from kube_edu.etcd.messages import Event, EventType, KeyValue

LOCK, KEY = "lock", "result"
WORKERS = ("ann", "bob", "cat", "dan")
TTL = 4
FROZEN = 9.0
"""Virtual seconds that a frozen machine stays so: its lease runs out meanwhile."""
WAITING = 25.0
"""Virtual seconds in which everybody must have had a turn, failures and all."""

BEFORE = "the key was deleted between your look and your watch, and a watch from now on is not "
WATCHED = BEFORE + "told. Watch from the revision after the one at which you looked."


@dataclass(frozen=True)
class Case:
    """So many workers want the lock. One of them may be frozen or lose its power while it
    works, and an etcd member may lose its power."""

    seed: int
    workers: int = 1
    befalls: str = ""
    crash: bool = False

    def __str__(self) -> str:
        told = [f"seed {self.seed}", f"workers: {', '.join(WORKERS[: self.workers])}"]
        told += [f"the first at work {self.befalls}"] if self.befalls else []
        told += ["an etcd member loses its power"] if self.crash else []
        return ", ".join(told)


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
    done = await etcd.txn(
        [compare("create", lock, "=", token)], [put(key, result), delete(lock)]
    )
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
    def __init__(self, case: Case, answer: Callable[..., Any]) -> None:
        super().__init__(answer, 3 if case.crash else 1, case.seed)
        self._case = case
        self._turns = {name: Turn() for name in WORKERS[: case.workers]}
        self._befallen = ""

    def happen(self) -> None:
        for name in self._turns:
            self.start(name, lambda name=name: self._work_under_lock(name))  # type: ignore[misc]
        if self._case.crash:
            self.etcd.run_for(self.random.uniform(0.1, 2))
            self.etcd.crash(self.random.choice(list(self.etcd.members)))
        self.wait(WAITING)

    async def _work_under_lock(self, name: str) -> None:
        turn = self._turns[name]
        etcd = self.client(name, pace=self.random.choice((0.01, 0.05, 0.3)))
        keeping: asyncio.Task[None] | None = None
        try:
            turn.lease = await etcd.grant(TTL)
            keeping = asyncio.create_task(self._keep(name, turn.lease))
            turn.returned = await self.guard.call_async(
                etcd, LOCK, name, turn.lease, KEY, lambda: self._work(name)
            )
        except (ConnectionError, TimeoutError):
            turn.gave_up = True
        if turn.gave_up and keeping is not None:
            keeping.cancel()

    async def _keep(self, name: str, lease: int) -> None:
        """Keeps a lease alive for as long as the machine lives."""
        etcd = self.etcd.client(name)
        while True:
            await asyncio.sleep(TTL / 4)
            try:
                if not await etcd.keep_alive(lease):
                    return
            except (ConnectionError, TimeoutError):
                pass

    async def _work(self, name: str) -> str:
        turn = self._turns[name]
        holder = self._lock_at(len(self.etcd.changes()) + 1)
        turn.started = len(self.etcd.changes()) + 1
        turn.held = holder is not None and holder.lease == turn.lease
        if not self._befallen and self._case.befalls:
            self._befallen = name
            machine = self.etcd.simulation.machines[name]
            asyncio.get_running_loop().call_later(
                0.1, machine.crash if "power" in self._case.befalls else machine.pause,
                context=EMPTY
            )  # fmt: skip
            asyncio.get_running_loop().call_later(FROZEN, machine.resume, context=EMPTY)
        await asyncio.sleep(self.random.uniform(0.3, 1.5))
        return f"of {name}"

    # --- what is wrong

    def wrong(self) -> Failure | None:
        for revision, event in self._all():
            key = event.kv.key.decode()
            if key == LOCK:
                found = self._wrong_lock(revision, event)
            else:
                found = self._wrong_write(revision) if key == KEY else None
            if found is not None:
                return found
        return self._wrong_turn()

    def _wrong_lock(self, revision: int, event: Event) -> Failure | None:
        deed, before = self.author(revision), self._lock_at(revision - 1)
        if deed is None:
            return None  # a lease ran out, or an answer was lost
        turn = self._turns.get(deed.who, Turn())
        if event.type is EventType.DELETE:
            if before is not None and before.lease != turn.lease:
                return Failure("deletes", f"{deed.who} gives the lock back at revision "
                               f"{revision}, but it is {before.value.decode()}'s by now: its own "
                               "lease had run out. Compare, and delete, in one Txn.",
                               revision)  # fmt: skip
            return None
        if before is not None and before.lease != turn.lease:
            how = ("a look and a put are two steps, and between them somebody else came. "
                   "Compare, and put, in one Txn.")  # fmt: skip
            return Failure("steals", f"{deed.who} takes the lock at revision {revision}, though "
                           f"{before.value.decode()} has it: {how}", revision)  # fmt: skip
        if event.kv.lease != turn.lease:
            return Failure("no lease", f"the lock of {deed.who} does not hang on the lease: if "
                           f"{deed.who} dies, nobody ever gets it again.", revision)  # fmt: skip
        return None

    def _wrong_write(self, revision: int) -> Failure | None:
        deed, before = self.author(revision), self._lock_at(revision - 1)
        if deed is None:
            return None
        turn = self._turns[deed.who]
        if before is not None and before.lease == turn.lease:
            return None
        holder = f"{before.value.decode()} has the lock" if before else "nobody has the lock"
        return Failure(f"writes {_kind(deed)}", f"{deed.who} writes its result at revision "
                       f"{revision}, though {holder}: {_why_written(deed)}", revision)  # fmt: skip

    def _wrong_turn(self) -> Failure | None:
        wrote = {deed.who: deed.revision for deed in self.deeds
                 if deed.revision in dict(self.history(KEY))}  # fmt: skip
        for name, turn in self._turns.items():
            if turn.gave_up or name in self._dead():
                continue
            if turn.started and not turn.held:
                return Failure("works without", f"{name} begins to work without having the "
                               "lock.", turn.started)  # fmt: skip
            if turn.returned is ...:
                found = self._stuck(name)
            else:
                found = self._wrong_end(name, turn, wrote.get(name, 0))
            if found:
                return found
        return None

    def _wrong_end(self, name: str, turn: Turn, wrote: int) -> Failure | None:
        if not turn.started:
            return Failure("no turn", f"{name} returns {turn.returned!r} without having worked: "
                           "when somebody else has the lock, wait for it.")  # fmt: skip
        if bool(turn.returned) != bool(wrote) or turn.returned is None:
            was = "was written" if wrote else "was not written"
            return Failure("returns", f"{name} returns {turn.returned!r}, and its result {was}: "
                           "the caller must be told.", wrote)  # fmt: skip
        holder = self._lock_at(len(self.etcd.changes()) + 1)
        if wrote and holder is not None and holder.lease == turn.lease:
            return Failure("keeps", f"{name} is done, and keeps the lock: for as long as its "
                           "lease is kept alive nobody else gets it.", wrote)  # fmt: skip
        if not wrote and name != self._befallen and not self._case.crash:
            return Failure("refused", f"{name} had the lock all the time, and its result was not "
                           "written: compare with what the lock was when you took it.")  # fmt: skip
        return None

    def _stuck(self, name: str) -> Failure | None:
        holder = self._lock_at(len(self.etcd.changes()) + 1)
        if holder is None:
            last = max((revision for revision, _ in self.history(LOCK)), default=0)
            return Failure("waits", f"nobody has the lock since revision {last}, and {name} still "
                           f"waits: {WATCHED}", last)  # fmt: skip
        owner = holder.value.decode()
        if owner in self._dead() or self._turns.get(owner, Turn()).returned is not ...:
            return Failure("keeps", f"{owner} is done, and keeps the lock: for as long as its "
                           "lease is kept alive nobody else gets it.",
                           holder.mod_revision)  # fmt: skip
        return Failure("hangs", f"{name} does not come to its end.", holder.mod_revision)

    def _dead(self) -> list[str]:
        return [self._befallen] if "power" in self._case.befalls else []

    def _lock_at(self, revision: int) -> KeyValue | None:
        """The lock as it was at a revision."""
        found = None
        for at, event in self.history(LOCK):
            if at <= revision:
                found = event.kv if event.type is EventType.PUT else None
        return found

    def _all(self) -> Iterator[tuple[int, Event]]:
        for number, events in enumerate(self.etcd.changes()):
            for event in events:
                yield number + 2, event


def _kind(deed: Deed) -> str:
    return deed.method if deed.method == "put" else ",".join(deed.compares(LOCK))


def _why_written(deed: Deed) -> str:
    if deed.method == "put":
        return ("whatever one has looked at before, a put asks nothing. It takes a moment to be "
                "frozen between two steps: make the comparison part of the write.")  # fmt: skip
    if not deed.compares(LOCK):
        return "its Txn compares nothing about the lock."
    return ("what its Txn compares holds for anybody's lock. The revision at which you took it is "
            "yours alone: that is a fencing token.")  # fmt: skip


def _cases() -> Iterator[Case]:
    yield Case(1)
    yield Case(2, 2)
    yield Case(3, 3)
    yield Case(4, 2, "loses its power")
    yield Case(5, 2, "is frozen for a while")
    yield Case(6, 1, "is frozen for a while")
    for seed in range(7, 51):
        random = Random(seed)
        befalls = ("", "is frozen for a while", "loses its power", "is frozen for a while")
        yield Case(seed, random.randint(2, 4), random.choice(befalls), crash=seed % 15 == 0)


def _simpler(case: Case) -> Iterator[Case]:
    if case.crash:
        yield replace(case, crash=False)
    if case.befalls:
        yield replace(case, befalls="")
    if case.workers > 1:
        yield replace(case, workers=case.workers - 1)


UNDER_LOCK = Exercise(
    "under_lock",
    searching(
        LockRun,
        under_lock,
        tuple(_cases()),
        _simpler,
        "The lock, and what is written under it",
        "with frozen and dying workers: no result was written but by the holder of the lock.",
    ),
    [
        "Take the lock in a Txn: if its create revision is 0 (it is not there), put it, with the "
        "lease. Otherwise somebody has it: watch it until it is deleted, and try again.",
        "etcd.watch(lock) begins now, and what has happened between the Txn and now is missed. "
        "The answer of the Txn says at which revision the store was: watch from the next one on.",
        "Remember the revision at which you took the lock: it is the lock's create revision, and "
        "nobody else will ever have the same. After the work, one Txn: if the lock's create "
        "revision is still that one, put the result and delete the lock.",
    ],
)

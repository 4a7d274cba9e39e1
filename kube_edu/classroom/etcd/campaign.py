"""Lab 03, fourth exercise: an election in which candidates queue up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from kube_edu.classroom.etcd.client import Etcd, compare, delete, put
from kube_edu.classroom.etcd.runs import (
    FROZEN,
    MEMBER_DIES,
    TTL,
    Deed,
    Run,
    Story,
    exercise,
)
from kube_edu.classroom.trial import Failure, Reasons
from kube_edu.etcd.messages import EventType, KeyValue

because = Reasons("03-etcd-keys-and-watches", "campaign")

ELECTION = "election/"
DIES, FREEZES, LEADER_DIES = (
    "the second in the queue loses its power",
    "the second in the queue is frozen for a while",
    "the first leader loses its power",
)
REIGN, SHORT_REIGN = 8.0, 0.6
"""Virtual seconds that the first leader leads if something befalls meanwhile, and the longest that
others do."""
PROCLAIMS = 1.5
"""Seconds between two proclamations: a leader writes its own key again and again."""
WAITING = 75.0


async def campaign(etcd: Etcd, election: str, me: str, lease: int) -> bool:
    """The reference (as etcd's own: client/v3/concurrency, Election and waitDeletes)."""
    mine = election + me
    await etcd.put(mine, me, lease)
    while True:
        listing = await etcd.list(election)
        queue = [kv.key for kv in sorted(listing.kvs, key=lambda kv: kv.create_revision)]
        if mine not in queue:
            return False
        place = queue.index(mine)
        if place == 0:
            return True
        async for answer in etcd.watch(queue[place - 1], listing.revision + 1):
            if any(event.type == "DELETE" for event in answer.events):
                break


@dataclass
class Candidate:
    """What is seen of one."""

    lease: int = 0
    returned: Any = ...
    at: int = 0
    """The store's revision when it returned."""
    gave_up: bool = False


class ElectionRun(Run):
    title = "The queue of those who stand for election"

    def __init__(self, story: Story, answer: Callable[..., Any]) -> None:
        super().__init__(story, answer)
        self._candidates = {name: Candidate() for name in story.names}
        for name in story.names:
            self.client(name, pace=self.random.choice((0.01, 0.1, 0.5)))
        self._befallen = ""

    def happen(self) -> None:
        for name in self._candidates:
            self.start(name, partial(self._stand, name))
        self.lose_a_member()
        self.etcd.run_for(4)
        for what, place in ((DIES, 1), (FREEZES, 1), (LEADER_DIES, 0)):
            queue = self._queue(self.revision)
            if what in self.story.befalls and len(queue) > place:
                self._befallen = queue[place].value.decode()
                self._befall(frozen=what == FREEZES)
        self.wait(WAITING)

    def _befall(self, frozen: bool) -> None:
        if not frozen:
            self.etcd.crash(self._befallen)
            return
        self.etcd.pause(self._befallen)
        self.etcd.run_for(FROZEN)
        self.etcd.resume(self._befallen)

    async def _stand(self, name: str) -> None:
        await asyncio.sleep(self.random.uniform(0, 1))
        candidate, etcd = self._candidates[name], self.clients[name]
        keeping: asyncio.Task[None] | None = None
        try:
            candidate.lease = await etcd.grant(TTL)
            keeping = asyncio.create_task(self.etcd.client(name).keep(candidate.lease))
            candidate.returned = await self.guard.call_async(etcd, ELECTION, name, candidate.lease)
            candidate.at = self.revision
            if candidate.returned is True:
                await self._lead(name, candidate.lease)
        except (ConnectionError, TimeoutError):
            candidate.gave_up = True
            if keeping is not None:
                keeping.cancel()

    async def _lead(self, name: str, lease: int) -> None:
        """Proclaim, again and again; then resign."""
        etcd, key = self.clients[name], ELECTION + name
        first = all(c.at in (0, self._candidates[name].at) for c in self._candidates.values())
        long = first and self.story.befalls
        until = self.etcd.now + (REIGN if long else self.random.uniform(0, SHORT_REIGN))
        while self.etcd.now < until:
            await etcd.txn([compare("create", key, ">", 0)], [put(key, name, lease)])
            await asyncio.sleep(PROCLAIMS)
        await etcd.txn([compare("create", key, ">", 0)], [delete(key)])

    # --- what is wrong

    def wrong(self) -> Failure | None:
        for name, candidate in self._candidates.items():
            if candidate.gave_up or name in self._dead:
                continue
            for found in (self._wrong_key(name), self._wrong_end(name), self._restless(name)):
                if found is not None:
                    return found
        return next(filter(None, map(self._wrong_watch, self._candidates)), None)

    def _wrong_key(self, name: str) -> Failure | None:
        key, lease = ELECTION + name, self._candidates[name].lease
        puts = [(at, e.kv) for at, e in self.history(key) if e.type is EventType.PUT]
        if not puts:
            return because("no key", name=name, key=key)
        at, kv = puts[0]
        return because("no lease", at, name=name) if kv.lease != lease else None

    def _wrong_watch(self, name: str) -> Failure | None:
        for watch in self.clients[name].watches:
            queue = self._queue(watch.opened)
            watched = watch.request.key.decode().removeprefix(ELECTION)
            ahead = _ahead(name, queue)
            there = self.at(ELECTION + watched, watch.opened)
            if there and ahead is not None and watched not in (name, ahead):
                others = {"watched": watched, "ahead": ahead or "nobody"}
                return because("watches another", watch.opened, name=name, **others)
        return None

    def _wrong_end(self, name: str) -> Failure | None:
        candidate = self._candidates[name]
        if candidate.returned is ...:
            return self._stuck(name)
        queue = self._queue(candidate.at)
        names = [kv.value.decode() for kv in queue]
        returned, at = candidate.returned, candidate.at
        if returned is True and name not in names:
            return because("gone", at, name=name)
        if returned is True and names[0] != name:
            return because(self._why_too_early(name), at, "leads", name=name, first=names[0])
        if returned is not True and name in names:
            return because("gives up", at, name=name, returned=returned)
        if returned not in (True, False):
            return because("returns", at, name=name, returned=returned)
        return None

    def _why_too_early(self, name: str) -> str:
        lists = self._lists(name)
        if not lists:
            return "alone"
        if len(lists) <= len(self.clients[name].watches):
            return "ahead"
        seen = self._queue(lists[-1].store)
        if min(seen, key=lambda kv: kv.mod_revision).value.decode() == name:
            return "mod"
        return "names" if min(seen, key=lambda kv: kv.key).value.decode() == name else "early"

    def _lists(self, name: str) -> list[Deed]:
        return [deed for deed in self.deeds if deed.who == name and deed.method == "range"]

    def _restless(self, name: str) -> Failure | None:
        """One whose turn it is not yet has a reason to look each time that the one just ahead of
        it is gone."""
        if any(watch.request.range_end for watch in self.clients[name].watches):
            return because("herd", name=name)
        looked = len(self._lists(name))
        often = looked > 2 + len(self._candidates)
        return because("asks", name=name, looked=looked) if often else None

    def _stuck(self, name: str) -> Failure | None:
        queue = self._queue(self.revision)
        first = queue[0].value.decode() if queue else ""
        if first in self._dead or self._candidates.get(first, Candidate()).returned is not ...:
            return because("hangs", name=name)
        if found := self._wrong_watch(name):
            return found
        return because("waits", max(self._departures()), first=first)

    @property
    def _dead(self) -> list[str]:
        return [] if FREEZES in self.story.befalls else [self._befallen]

    def _departures(self) -> Iterator[int]:
        for name in self.story.names:
            for revision, event in self.history(ELECTION + name):
                if event.type is EventType.DELETE:
                    yield revision

    def _queue(self, revision: int) -> list[KeyValue]:
        """Who stands at a revision, the first first."""
        there = [self.at(ELECTION + name, revision) for name in self.story.names]
        return sorted((kv for kv in there if kv), key=lambda kv: kv.create_revision)


def _ahead(name: str, queue: list[KeyValue]) -> str | None:
    """Who stands just ahead in a queue, "" if nobody does; None if the name is not in it."""
    names = [kv.value.decode() for kv in queue]
    return ["", *names][names.index(name)] if name in names else None


def _stories() -> Iterator[Story]:
    yield Story(1)
    for seed in range(2, 20):
        yield Story(seed, 2 + seed % 3)
    for seed in range(20, 51):
        random = Random(seed)
        befalls = [random.choice((DIES, FREEZES, LEADER_DIES))]
        befalls += [MEMBER_DIES] if seed % 15 == 0 else []
        yield Story(seed, random.randint(2, 5), tuple(befalls))


CAMPAIGN = exercise(
    ElectionRun,
    campaign,
    _stories,
    "with candidates that die and freeze: never two leaders, and always one.",
)

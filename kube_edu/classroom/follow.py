"""Lab 03, second exercise: a mirror of some keys, kept by a watch that breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from kube_edu.classroom.etcd_client import RETRY, Change, Etcd, Kv, Listing, WatchAnswer, put
from kube_edu.classroom.exercise import Exercise
from kube_edu.classroom.store_runs import ClientOf, Failure, Run, Search, Story, WatchOf
from kube_edu.etcd.messages import EventType, WatchCreateRequest, WatchResponse

PREFIX = "color/"
KEYS = ("color/blue", "color/green", "color/red")
STEPS = ("put", "delete", "change", "a write elsewhere", "the watch breaks", "a crash", "away",
         "away, and compaction")  # fmt: skip
AT_ONCE = "two keys change at one revision"
BEHIND = "a write between the list and the watch"
SETTLE = 3.0
AWAY = 32.0
"""Virtual seconds: longer than a connection takes to give up."""


async def follow(etcd: Etcd, prefix: str, mirror: Any) -> None:
    """The reference."""
    while True:
        listing = await etcd.list(prefix)
        there = {kv.key: kv for kv in listing.kvs}
        for key in list(mirror):
            if key not in there:
                del mirror[key]
        mirror.update(there)
        following, compacted = listing.revision + 1, False
        while not compacted:
            async for answer in etcd.watch(prefix, following, prefix=True):
                for event in answer.events:
                    if event.type == "PUT":
                        mirror[event.kv.key] = event.kv
                    else:
                        mirror.pop(event.kv.key, None)
                    following = event.kv.mod_revision + 1
                compacted = answer.canceled


class Mirror(MutableMapping[str, Kv]):
    """The student's copy: keys and what they are. It sees when it is set back in time."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._now: dict[str, Kv] = {}
        self._newest: dict[str, int] = {}
        self.set_back: tuple[str, int, int] | None = None

    def __setitem__(self, key: str, kv: Kv) -> None:
        if not isinstance(kv, Kv):
            raise self._run.guard.slip(f"mirror[{key!r}] should be a Kv, and is set to {kv!r:.40}")
        newest = self._newest.get(key, 0)
        if kv.mod_revision < newest:
            self.set_back = self.set_back or (key, kv.mod_revision, newest)
        self._newest[key] = max(newest, kv.mod_revision)
        self._now[key] = kv
        self._run.tell("follower", f"mirror[{key!r}] = {kv.value!r}")

    def __getitem__(self, key: str) -> Kv:
        return self._now[key]

    def __delitem__(self, key: str) -> None:
        del self._now[key]
        self._run.tell("follower", f"del mirror[{key!r}]")

    def __iter__(self) -> Iterator[str]:
        return iter(self._now)

    def __len__(self) -> int:
        return len(self._now)


class FollowerClient(ClientOf):
    """`after_list` may happen right behind the first list."""

    frayed = False
    lists = 0
    after_list: Callable[[], Any] | None = None

    async def list(self, prefix: str) -> Listing:
        listing = await super().list(prefix)
        self.lists += 1
        if self.after_list is not None:
            await self.after_list()
        return listing

    def _watch(self, request: WatchCreateRequest) -> WatchOf:
        return FrayedWatch(self, request)


class FrayedWatch(WatchOf):
    """Sends what it has to catch up with piece by piece, as etcd does (a thousand revisions at a
    time; here one). It may break behind any of them."""

    LASTS = 2
    """Pieces of one message that come through before the connection breaks, once in a run."""

    broken = False

    async def __anext__(self) -> WatchAnswer:
        if self.broken:
            self._ended = True
            self._waiting.clear()
            await asyncio.sleep(RETRY)
        return await super().__anext__()

    def pieces(self, message: WatchResponse) -> Sequence[WatchAnswer]:
        pieces: list[WatchAnswer] = []
        for answer in super().pieces(message):
            by_revision: dict[int, list[Change]] = {}
            for change in answer.events:
                by_revision.setdefault(change.kv.mod_revision, []).append(change)
            pieces += [replace(answer, events=tuple(of)) for of in by_revision.values()]
            pieces += [answer] if answer.canceled else []
        assert isinstance(self.client, FollowerClient)
        if len(pieces) > self.LASTS and not self.client.frayed:
            self.client.frayed = self._ended = True
            del pieces[self.LASTS :]
        return pieces


class FollowRun(Run):
    title = "What happened, and which watch was told of it"

    def __init__(self, story: Story, answer: Callable[..., Any]) -> None:
        super().__init__(story, answer)
        self._mirror = Mirror(self)
        self._laptop = self.etcd.client("laptop")
        self._client = self.clients["follower"] = FollowerClient(self, "follower")
        self._came_to_an_end = False
        self._writes = 0

    def happen(self) -> None:
        for key in KEYS:
            self._put(key)
        if BEHIND in self.story.befalls:
            self._client.after_list = self._behind_its_back
        self.start("follower", self._follow)
        self.etcd.run_for(SETTLE)
        for step in self.story.befalls:
            if step != BEHIND:
                self._do(step)
            self.etcd.run_for(SETTLE)
            if self.guard.slips or self._mirror.set_back:
                return

    async def _follow(self) -> None:
        while not self._came_to_an_end:
            try:
                await self.guard.call_async(self._client, PREFIX, self._mirror)
                self._came_to_an_end = True
            except (ConnectionError, TimeoutError):
                await asyncio.sleep(1)

    async def _behind_its_back(self) -> None:
        """Somebody writes between the list and the watch."""
        self._client.after_list = None
        self._writes += 1
        await self._laptop.put(self.random.choice(KEYS), f"#{self._writes}")

    def _do(self, step: str) -> None:
        watches = self._client.watches
        match step:
            case "put":
                self._put(f"color/{self.random.choice(('pink', 'teal'))}")
            case "change":
                self._put(self.random.choice(KEYS))
            case "delete":
                self.etcd.call(self._laptop.delete(self.random.choice(KEYS)))
            case "two keys change at one revision":
                both = [put(key, f"#{self._writes + 1}") for key in (KEYS[0], KEYS[2])]
                self._writes += 1
                self.etcd.call(self._laptop.txn([], both))
            case "a write elsewhere":
                self._put("shape/round")
            case "the watch breaks":
                if watches:
                    watches[-1].broken = True  # type: ignore[attr-defined]
                for key in KEYS[:2]:
                    self._put(key)
            case "a crash":
                self.etcd.crash("etcd-1")
                self.etcd.run_for(2)
                self.etcd.restart("etcd-1")
                self.etcd.run_for(AWAY)
            case _:
                self._away(compaction=step != "away")

    def _away(self, compaction: bool) -> None:
        self.etcd.partition(["follower"], ["etcd-1", "laptop"])
        self._put(KEYS[0])
        self.etcd.call(self._laptop.delete(KEYS[1]))
        self._put("color/pink")
        self._put("color/pink")
        if compaction:
            self._put("shape/round")
            self._put("shape/round")
            self.etcd.compact(len(self.etcd.changes()) + 1)
        self.etcd.run_for(AWAY)
        self.etcd.heal()
        self.etcd.run_for(2)

    def _put(self, key: str) -> None:
        self._writes += 1
        self.etcd.call(self._laptop.put(key, f"#{self._writes}"))

    def wrong(self) -> Failure | None:
        if self._mirror.set_back:
            key, old, newest = self._mirror.set_back
            return Failure("back in time", f"the mirror goes back in time: {key} is set to "
                           f"what it was at revision {old}, after it had been as of revision "
                           f"{newest}. A watch goes on behind the last change that was "
                           "seen.", old)  # fmt: skip
        if self._came_to_an_end:
            return Failure("ends", "it came to its end, and nobody follows the keys any more: a "
                           "watch that ends is broken, not finished. Watch again.")  # fmt: skip
        return self._differs() or self._lists_too_often()

    def _differs(self) -> Failure | None:
        now: dict[str, tuple[int, str]] = {}
        last: dict[str, int] = {}
        for number, events in enumerate(self.etcd.changes()):
            for event in events:
                key = event.kv.key.decode()
                last[key] = number + 2
                if event.type is EventType.DELETE:
                    now.pop(key, None)
                elif key.startswith(PREFIX):
                    now[key] = number + 2, event.kv.value.decode()
        for key in sorted({**now, **dict(self._mirror)}):
            mine = self._mirror.get(key)
            if key not in now:
                return Failure("keeps", f"{key} is still in the mirror, though it was deleted at "
                               f"revision {last.get(key, 0)}: {self._why(last.get(key, 0), True)}",
                               last.get(key, 0))  # fmt: skip
            revision, value = now[key]
            if mine is None or mine.value != value:
                has = "does not have it" if mine is None else f"has {mine.value}"
                return Failure("misses", f"{key} is {value} since revision {revision}, and the "
                               f"mirror {has}: {self._why(revision, False)}", revision)  # fmt: skip
        return None

    def _why(self, revision: int, deletion: bool) -> str:
        """Why a change is not in the mirror."""
        watches = self._client.watches
        if not watches:
            return "it is never told, since it does not watch."
        if any(revision in watch.rider.told for watch in watches):
            return "a watch told of it, and it was not carried over."
        if not watches[-1].request.range_end:
            return "it watches the one key that is called like the prefix: say prefix=True."
        canceled = [watch for watch in watches if watch.rider.refused]
        if watches[-1].rider.refused or (canceled and self._client.lists == 1):
            if watches[-1].request.start_revision >= self.etcd.compacted and not deletion:
                return ("what happened before the compact revision is forgotten, and cannot be "
                        "watched any more: list anew.")  # fmt: skip
            return ("the watch was canceled, since what it wants is compacted: what happened "
                    "meanwhile can only be listed.")  # fmt: skip
        if deletion and self._client.lists > 1:
            return ("a list does not say what is gone. Whatever the mirror has and the list has "
                    "not must go.")  # fmt: skip
        if any(watch.request.start_revision == 0 for watch in watches):
            return ("a watch from revision 0 begins now, and what was written before it and "
                    "after the last thing that you saw is told to nobody.")  # fmt: skip
        return ("the watch went on behind it. What comes first tells where to go on: the "
                "revision of the list, then that of the last change seen; not the revision of "
                "the whole store, nor the beginning.")  # fmt: skip

    def _lists_too_often(self) -> Failure | None:
        refused = sum(watch.rider.refused for watch in self._client.watches)
        compacted = self.story.befalls.count("away, and compaction")
        if "a crash" not in self.story.befalls and refused > compacted:
            return Failure("refused", "its watch is refused again and again, after every list. "
                           "Watch from the revision after listing.revision: that of the newest key "
                           "in the list may be compacted.")  # fmt: skip
        if self._client.lists <= 1 + refused or "a crash" in self.story.befalls:
            return None
        return Failure("lists", f"it lists {self._client.lists} times, though nothing was "
                       "compacted: with 100,000 keys and a thousand clients that is what brings "
                       "a store down. A watch can go on where it broke.")  # fmt: skip


FIRST = (
    (),
    (BEHIND,),
    ("change",),
    ("delete",),
    ("put", "delete"),
    ("the watch breaks",),
    (AT_ONCE,),
    (AT_ONCE, "the watch breaks"),
    ("change", "change", "the watch breaks", "delete"),
    ("away",),
    ("away, and compaction",),
    ("change", "away, and compaction", "put"),
)


def _stories() -> Iterator[Story]:
    for number, steps in enumerate(FIRST):
        yield Story(number + 1, 0, steps)
    for seed in range(len(FIRST) + 1, 51):
        random = Random(seed)
        weights = (4, 4, 4, 2, 4, 1, 1, 1)
        behind = [BEHIND] if seed % 2 else []
        more = random.choices(STEPS, weights, k=random.randint(2, 6))
        yield Story(seed, 0, (*behind, *more))


FOLLOW = Exercise(
    "follow",
    Search(
        FollowRun,
        follow,
        tuple(_stories()),
        "with broken connections, crashes and compactions: always the right mirror.",
    ),
)

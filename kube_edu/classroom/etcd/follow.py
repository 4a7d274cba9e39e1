"""Lab 03, second exercise: a mirror of some keys, kept by a watch that breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from kube_edu.classroom.etcd.client import RETRY, Change, Etcd, Kv, Listing, WatchAnswer, put
from kube_edu.classroom.etcd.runs import ClientOf, Run, Story, WatchOf, exercise
from kube_edu.classroom.trial import Failure, Reasons
from kube_edu.etcd.messages import EventType, WatchCreateRequest, WatchResponse

PREFIX = "color/"
because = Reasons("03-etcd-keys-and-watches", "follow")
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
            return because("back in time", old, key=key, newest=newest)
        if self._came_to_an_end:
            return because("ends")
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
                at = last.get(key, 0)
                return because(self._why(at, True), at, "keeps", key=key)
            at, value = now[key]
            if mine is None or mine.value != value:
                has = "does not have it" if mine is None else f"has {mine.value}"
                kind = self._why(at, False)
                return because(kind, at, "misses", key=key, value=value, has=has)
        return None

    def _why(self, revision: int, deletion: bool) -> str:
        """Why a change is not in the mirror."""
        watches = self._client.watches
        if not watches:
            return "does not watch"
        if any(revision in watch.rider.told for watch in watches):
            return "not carried over"
        if not watches[-1].request.range_end:
            return "no prefix"
        canceled = [watch for watch in watches if watch.rider.refused]
        if watches[-1].rider.refused or (canceled and self._client.lists == 1):
            late = watches[-1].request.start_revision >= self.etcd.compacted
            return "forgotten" if late and not deletion else "canceled"
        if deletion and self._client.lists > 1:
            return "gone"
        from_now_on = any(watch.request.start_revision == 0 for watch in watches)
        return "from now on" if from_now_on else "went on behind it"

    def _lists_too_often(self) -> Failure | None:
        if "a crash" in self.story.befalls:
            return None
        refused = sum(watch.rider.refused for watch in self._client.watches)
        if refused > self.story.befalls.count("away, and compaction"):
            return because("refused")
        lists = self._client.lists
        return because("lists", times=lists) if lists > 1 + refused else None


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


FOLLOW = exercise(
    FollowRun,
    follow,
    _stories,
    "with broken connections, crashes and compactions: always the right mirror.",
)

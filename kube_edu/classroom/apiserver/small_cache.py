"""Lab 06, third exercise: a small watch cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from kube_edu.api.status import ApiError
from kube_edu.apiserver.stored import Change
from kube_edu.apiserver.watchcache import WatchCache
from kube_edu.classroom.apiserver.cached import live
from kube_edu.classroom.exercise import Exercise, Verdict, failed
from kube_edu.classroom.guard import Guard, Slip
from kube_edu.classroom.search import without_one
from kube_edu.classroom.trial import Failure, Judge, Reasons, Trial
from kube_edu.etcd.messages import Event, EventType, KeyValue
from kube_edu.viz.figure import Figure
from kube_edu.viz.revisions import Rider, revisions

because = Reasons("06-api-server", "WatchCache")

KEYS = ("blue", "green", "red")
SIZE, ROOM, BEGINNING = 4, 4, 2
"""Changes that the cache keeps; that may wait for a watcher; the version that it begins at."""

Deed = tuple[str, ...]
"""("put", key), ("delete", key), ("elsewhere",), ("list", back), ("watch", who, back) or
("read", who); `back` says how many versions before the newest."""

State = dict[str, str]
ABSENT = "not there"


@dataclass(frozen=True)
class Story:
    seed: int
    deeds: tuple[Deed, ...]

    def __str__(self) -> str:
        return f"seed {self.seed}: {', '.join(' '.join(deed) for deed in self.deeds)}"

    def simpler(self) -> Iterator[Story]:
        for deeds in without_one(self.deeds):
            yield replace(self, deeds=deeds)


class Wrong(Exception):
    """Carries the failure out of the student's code, if need be."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def _wrong(kind: str, **about: Any) -> Wrong:
    return Wrong(because(kind, **about))


@dataclass(eq=False)
class WatcherOf:
    """Who watches: has room for so many changes that are not read yet."""

    name: str
    since: int
    expected: list[int]
    """The revisions that it should have been told."""
    told: list[int] = field(default_factory=list)
    waiting: int = 0
    stopped: bool = False
    let_go: int = 0
    """The revision at which it had to be stopped."""

    @property
    def full(self) -> bool:
        return self.waiting >= ROOM

    def put(self, change: Change) -> None:
        if self.stopped:
            raise _wrong("after stop", who=self.name, told=change.revision)
        if self.full:
            raise _wrong("waits", who=self.name)
        self.told.append(change.revision)
        self.waiting += 1

    def stop(self) -> None:
        self.stopped = True


class Cached(Trial):
    """One run of a student's class: changes come in, lists and watches go out."""

    def __init__(self, story: Story, answer: Callable[..., Any]) -> None:
        self._story = story
        self._guard = Guard(answer)
        self._states: dict[int, State] = {BEGINNING: {key: f"{key}@2" for key in KEYS[:2]}}
        self._version = BEGINNING
        self._changes: list[Change] = []
        self._watchers: dict[str, WatcherOf] = {}
        self._given: list[tuple[dict[str, str], State]] = []
        self._asked = 0

    def run(self) -> Failure | None:
        try:
            first = dict(self._states[BEGINNING])
            self._cache = self._guard.run(self._guard.function, first, BEGINNING, SIZE)
            for deed in self._story.deeds:
                self._do(*deed)
        except Slip as slip:
            return Failure("slip", f"WatchCache: {slip}", self._version)
        except Wrong as wrong:
            return wrong.failure
        return None

    def _do(self, kind: str, *what: str) -> None:
        match kind:
            case "put":
                self._change(what[0], f"{what[0]}@{self._version + 1}")
            case "delete":
                if what[0] in self._states[self._version]:
                    self._change(what[0], None)
            case "elsewhere":
                self._version += 1
                self._states[self._version] = self._states[self._version - 1]
            case "list":
                self._list(max(BEGINNING, self._version - int(what[0])))
            case "watch":
                self._watch(what[0], max(BEGINNING, self._version - int(what[1])))
            case "read":
                if what[0] in self._watchers:
                    self._watchers[what[0]].waiting = 0
        for given, was in self._given:
            if given != was:
                raise _wrong("given out")

    # --- a change

    def _change(self, key: str, value: str | None) -> None:
        state = dict(self._states[self._version])
        change: Any = Change(key, self._version + 1, value, state.get(key))  # type: ignore[arg-type]
        state.pop(key, None)
        state |= {key: value} if value is not None else {}
        self._version += 1
        self._states[self._version] = state
        self._changes.append(change)
        for watcher in self._watchers.values():
            if watcher.full and not watcher.let_go:
                watcher.let_go = self._version
            elif not watcher.let_go:
                watcher.expected.append(self._version)
        self._asked = self._version
        self._refusable("apply", change)
        self._look_at_watchers()

    def _look_at_watchers(self) -> None:
        for watcher in self._watchers.values():
            words = {"who": watcher.name, "missed": self._version, "told": self._version}
            if watcher.stopped and not watcher.let_go:
                raise _wrong("stopped", **words)
            passed_by = self._version not in watcher.told and not watcher.stopped
            if passed_by and any(each.let_go == self._version and each.stopped
                                 for each in self._watchers.values()):  # fmt: skip
                raise _wrong("neighbour", **words)
            if watcher.let_go and not watcher.stopped:
                raise _wrong("skipped", **words)
            if watcher.told != watcher.expected:
                raise _wrong(_unlike(watcher), **words)

    # --- a list

    def _list(self, version: int) -> None:
        self._asked = version
        found = self._asked_for("a list", version, "list", version)
        if found is None:
            return
        if not isinstance(found, dict):
            raise _wrong("no dict", got=found)
        right, now = self._states[version], self._states[self._version]
        for key in sorted({**right, **found}):
            got, should, is_now = (state.get(key, ABSENT) for state in (found, right, now))
            if got != should:
                past = "shows now" if got == is_now else "not undone"
                reason = "wrong now" if version == self._version else past
                raise _wrong(reason, asked=version, key=key, got=got, right=should)
        self._given.append((found, dict(right)))

    # --- a watch

    def _watch(self, name: str, since: int) -> None:
        self._asked = since
        missed = [change.revision for change in self._changes if change.revision > since]
        watcher = WatcherOf(name, since, missed)
        if self._asked_for(f"a watch of {name}", since, "watch", watcher, since) is None:
            return
        if watcher.told != missed:
            raise _wrong(_unlike(watcher), who=name, asked=since, missed=_first_of(missed, watcher),
                         told=_first_of(watcher.told, watcher))  # fmt: skip
        self._watchers[name] = watcher

    # --- too old, or not

    def _asked_for(self, what: str, version: int, method: str, *arguments: Any) -> Any:
        """What the cache answers; None where it rightly refuses."""
        try:
            answered = self._refusable(method, *arguments)
        except ApiError:
            if self._must_answer(version):
                kept = self._changes[-SIZE:]
                revisions = ", ".join(str(change.revision) for change in kept) or "nothing"
                raise _wrong("refuses", what=what, asked=version, kept=revisions) from None
            return None
        if not self._may_answer(version):
            if method == "watch" and arguments[0].told != arguments[0].expected:
                raise _wrong("a hole", who=arguments[0].name, asked=version)
            count = sum(change.revision > version for change in self._changes)
            raise _wrong("remembers", what=what, asked=version, count=count, size=SIZE)
        return answered if method == "list" else True

    def _refusable(self, method: str, *arguments: Any) -> Any:
        try:
            return self._guard.run(getattr(self._cache, method), *arguments)
        except ApiError as refusal:
            if refusal.code != 410:
                raise _wrong("wrong refusal", got=refusal.code) from None
            raise
        except Slip as slip:
            if isinstance(slip.__cause__, Wrong):
                raise slip.__cause__ from None
            raise

    def _may_answer(self, version: int) -> bool:
        """The last change that is not kept any more is no later than that."""
        forgotten = self._changes[:-SIZE]
        return not forgotten or forgotten[-1].revision <= version

    def _must_answer(self, version: int) -> bool:
        """There is room left, or the first change that is kept comes right after it, or earlier.
        (What is between this and the last change that is forgotten, Kubernetes refuses.)"""
        return len(self._changes) < SIZE or self._changes[-SIZE].revision - 1 <= version

    # --- what is shown

    def details(self) -> Sequence[str]:
        return [f"the smallest such run: {', '.join(' '.join(d) for d in self._story.deeds)}"]

    def drawn(self) -> Figure:
        first = tuple(_event(key, BEGINNING, f"{key}@2", None) for key in KEYS[:2])
        changes: list[tuple[Event, ...]] = [first]
        by_revision = {change.revision: change for change in self._changes}
        for version in range(BEGINNING + 1, self._version + 1):
            change: Any = by_revision.get(version)
            told = (change.key, version, change.now, change.before) if change else (
                "(elsewhere)", version, "", "")  # fmt: skip
            changes.append((_event(*told),))
        forgotten = self._changes[:-SIZE]
        return revisions(
            f"A cache of {SIZE} changes, and who was told what",
            changes,
            riders=[Rider(f"{w.name}, from {w.since}", w.since + 1, w.told, ended=w.stopped)
                    for w in self._watchers.values()],
            compacted=forgotten[-1].revision if forgotten else 0,
            wrong=self._asked,
        )  # fmt: skip


def _unlike(watcher: WatcherOf) -> str:
    """In what way a watcher was told something else than it should have been."""
    told, expected = watcher.told, watcher.expected
    if len(dict.fromkeys(told)) < len(told):
        return "twice"
    if [revision for revision in told if revision <= watcher.since]:
        return "too much"
    if sorted(told) == expected:
        return "order"
    late = len(told) < len(expected) and told == expected[len(expected) - len(told) :]
    return "past" if late else "forgotten"


def _first_of(revisions: Sequence[int], watcher: WatcherOf) -> int:
    """The first revision that the two do not agree on."""
    other = watcher.told if revisions is watcher.expected else watcher.expected
    apart = [revision for revision in revisions if revision not in other]
    return [*apart, *revisions, 0][0]


def _event(key: str, revision: int, now: str | None, before: str | None) -> Event:
    kind = EventType.DELETE if now is None else EventType.PUT
    version = 1 if before is None else 2
    value = (now or "").rpartition("@")[2]
    return Event(kind, KeyValue(key.encode(), revision, revision, version, value.encode()))


# --- stories

FIRST: tuple[tuple[Deed, ...], ...] = (
    (("list", "0"),),
    (("put", "blue"), ("delete", "green"), ("put", "red"), ("list", "0")),
    (("list", "0"), ("put", "blue")),
    (("watch", "ann", "0"), ("put", "blue"), ("delete", "green")),
    (("put", "blue"), ("put", "red"), ("delete", "blue"), ("watch", "ann", "2"), ("put", "red")),
    (("put", "blue"), ("put", "blue"), ("list", "1"), ("list", "2")),
    (("put", "red"), ("delete", "green"), ("list", "1"), ("list", "2")),
    (*[("put", "blue")] * 6, ("list", "5")),
    (*[("put", "blue")] * 6, ("watch", "ann", "5")),
    (*[("put", "blue")] * 6, ("list", "4"), ("watch", "ann", "4")),
    (("watch", "ann", "0"), ("watch", "bob", "0"), *[("put", "red"), ("read", "bob")] * 6),
)


def _stories() -> Iterator[Story]:
    for number, deeds in enumerate(FIRST):
        yield Story(number + 1, deeds)
    for seed in range(len(FIRST) + 1, 201):
        random = Random(seed)
        yield Story(seed, tuple(_deed(random) for _ in range(random.randint(6, 24))))


def _deed(random: Random) -> Deed:
    kind = random.choice(("put", "put", "put", "delete", "elsewhere", "list", "watch", "read"))
    if kind in ("put", "delete"):
        return kind, random.choice(KEYS)
    back, who = str(random.randint(0, 7)), random.choice(("ann", "bob", "cat"))
    return {"elsewhere": (kind,), "list": (kind, back), "read": (kind, who)}.get(
        kind, (kind, who, back))  # fmt: skip


def _live(answer: Callable[..., Any]) -> Verdict | None:
    problem = live(answer)
    return failed(problem) if problem else None


WATCH_CACHE = Exercise(
    "WatchCache",
    Judge(
        Cached,
        WatchCache,
        _stories,
        praise="{runs} runs, and an API server that serves ConfigMaps from it.",
        pace=20,
        then=_live,
    ),
)

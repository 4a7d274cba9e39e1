"""Lab 03, first exercise: a counter that many count on at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

from kube_edu.classroom.etcd.client import Etcd, Unanswered, compare, put
from kube_edu.classroom.etcd.runs import MEMBER_DIES, Deed, Run, Story, exercise
from kube_edu.classroom.trial import Failure, Reasons
from kube_edu.etcd.messages import EventType

KEY = "visits"
because = Reasons("03-etcd-keys-and-watches", "increment")
TWICE, OPERATOR, LOST = (
    "each counts twice",
    "an operator deletes the counter and sets it to 100",
    "an answer to ann is lost",
)


async def increment(etcd: Etcd, key: str) -> int:
    """The reference."""
    while True:
        kv = await etcd.get(key)
        count, seen = (int(kv.value), kv.mod_revision) if kv else (0, 0)
        answer = await etcd.txn([compare("mod", key, "=", seen)], [put(key, str(count + 1))])
        if answer.succeeded:
            return count + 1


class CounterRun(Run):
    title = "The counter, revision by revision"

    def __init__(self, story: Story, answer: Callable[..., Any]) -> None:
        super().__init__(story, answer)
        self._calls: list[tuple[str, list[int], Any]] = []
        """Of each call that came back: whose, the revisions it made, what it returned."""

    def happen(self) -> None:
        for name in self.story.names:
            self.start(name, partial(self._count, name))
        if OPERATOR in self.story.befalls:
            self.start("operator", self._operate)
        self.lose_a_member()
        self.wait()

    async def _count(self, name: str) -> None:
        pace = self.random.choice((0.01, 0.05, 0.2))
        lost = (1,) if LOST in self.story.befalls and name == "ann" else ()
        etcd = self.client(name, pace=pace, lost=lost)
        for _ in range(2 if TWICE in self.story.befalls else 1):
            before = len(self.deeds)
            returned: Any = None
            try:
                returned = await self.guard.call_async(etcd, KEY)
            except (ConnectionError, TimeoutError) as error:
                silent = Unanswered in (type(error), type(error.__context__))
                returned = "no answer" if silent else error
            mine = [d.revision for d in self.deeds[before:] if d.who == name and d.revision]
            self._calls.append((name, mine, returned))

    async def _operate(self) -> None:
        etcd = self.client("operator", pace=self.random.choice((0.02, 0.1)))
        await etcd.get(KEY)
        await etcd.delete(KEY)
        await etcd.put(KEY, "100")

    def wrong(self) -> Failure | None:
        return self._miscounted() or self._misreported() or self._stuck()

    def _miscounted(self) -> Failure | None:
        """Every revision of the counter must be one more than the one before it."""
        before = 0
        for revision, event in self.history(KEY):
            deed = self.author(revision)
            value = event.kv.value.decode()
            deleted = event.type is EventType.DELETE
            if deed is None or deed.who != "operator":
                if deleted:
                    return because("deletes", revision)
                if value != str(before + 1):
                    kind = self._how(deed, revision)
                    return because(kind, revision, "miscounted", before=before, value=value)
            before = 0 if deleted else int(value)
        return None

    def _misreported(self) -> Failure | None:
        counted = {revision: event.kv.value.decode() for revision, event in self.history(KEY)}
        for name, revisions, returned in self._calls:
            made = [revision for revision in revisions if revision in counted]
            if len(made) > 1:
                return because("twice", made[1], name=name, times=len(made))
            if returned == "no answer":
                continue
            if not made:
                return because("gives up", name=name)
            right = counted[made[0]]
            if str(returned) != right or isinstance(returned, str):
                return because("returns", made[0], name=name, right=right, returned=returned)
        return None

    def _stuck(self) -> Failure | None:
        if not self.busy or MEMBER_DIES in self.story.befalls:
            return None
        name = self.busy[0]
        writes = [deed for deed in self.deeds if deed.who == name and deed.method != "range"]
        return because("stuck" if writes else "only looks", name=name)

    def _how(self, deed: Deed | None, revision: int) -> str:
        """What the write that went wrong was like."""
        who = deed.who if deed else ""
        looks = [d.store for d in self.deeds
                 if d.who == who and d.method == "range" and d.store < revision]  # fmt: skip
        if looks and self.at(KEY, looks[-1]) == self.at(KEY, revision - 1):
            return "sum"
        if deed is None or deed.method == "put":
            return "plain put"
        targets = deed.compares(KEY)
        if not targets:
            return "no comparison"
        if "VERSION" in targets:
            return "version"
        return "create" if "CREATE" in targets else "held"


def _stories() -> Iterator[Story]:
    yield Story(1)
    yield Story(1, 1, (TWICE,))
    yield Story(1, 2)
    yield Story(1, 1, (LOST,))
    yield Story(2, 2, (TWICE,))
    for seed in range(6, 51):
        random = Random(seed)
        befalls = [what for what in (TWICE, OPERATOR, LOST) if random.random() < 0.5]
        befalls += [MEMBER_DIES] if seed % 12 == 5 else []
        yield Story(seed, random.randint(2, 4), tuple(befalls))


INCREMENT = exercise(
    CounterRun,
    increment,
    _stories,
    "with clients that get in each other's way: every count counts, once.",
)

"""Lab 03, first exercise: a counter that many count on at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

from kube_edu.classroom.etcd_client import Etcd, Unanswered, compare, put
from kube_edu.classroom.exercise import Exercise
from kube_edu.classroom.store_runs import MEMBER_DIES, Deed, Failure, Run, Search, Story
from kube_edu.etcd.messages import EventType

KEY = "visits"
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
                    return Failure("deletes", "it deletes the counter: for a moment there "
                                   "is none, and whoever looks then begins at 1.",
                                   revision)  # fmt: skip
                if value != str(before + 1):
                    how, why = self._why(deed, revision)
                    count = f"the counter was {before}, and is {value} at revision {revision}"
                    return Failure(how, f"{count}: {why}", revision)
            before = 0 if deleted else int(value)
        return None

    def _misreported(self) -> Failure | None:
        counted = {revision: event.kv.value.decode() for revision, event in self.history(KEY)}
        for name, revisions, returned in self._calls:
            made = [revision for revision in revisions if revision in counted]
            if len(made) > 1:
                return Failure("twice", f"one call of {name} counts {len(made)} times. An answer "
                               "that does not come says nothing: the Txn may have been executed, "
                               "and whoever asks again counts twice. Let the error "
                               "out.", made[1])  # fmt: skip
            if returned == "no answer":
                continue
            if not made:
                return Failure("gives up", f"a call of {name} comes back without having counted: "
                               "when `succeeded` is False nothing was written; read again, and "
                               "try again.")  # fmt: skip
            if str(returned) != counted[made[0]] or isinstance(returned, str):
                right = counted[made[0]]
                return Failure("returns", f"{name} counts up to {right} at revision {made[0]}, "
                               f"and returns {returned!r}; it should return the number "
                               f"{right}.", made[0])  # fmt: skip
        return None

    def _stuck(self) -> Failure | None:
        if not self.busy or MEMBER_DIES in self.story.befalls:
            return None
        name = self.busy[0]
        if not [deed for deed in self.deeds if deed.who == name and deed.method != "range"]:
            return Failure("only looks", f"{name} looks at the counter again and again, and never "
                           "writes.")  # fmt: skip
        return Failure("stuck", f"{name} tries again and again, and never gets done: what "
                       "was read before the first attempt is old by the second. Read again each "
                       "time.")  # fmt: skip

    def _why(self, deed: Deed | None, revision: int) -> tuple[str, str]:
        """What the write that went wrong was like."""
        who = deed.who if deed else ""
        looks = [d.store for d in self.deeds
                 if d.who == who and d.method == "range" and d.store < revision]  # fmt: skip
        if looks and self.at(KEY, looks[-1]) == self.at(KEY, revision - 1):
            return "sum", ("nobody has counted since it was read. The new number is the one that "
                           "was read, and one; the first is 1.")  # fmt: skip
        return _how(deed)


def _how(deed: Deed | None) -> tuple[str, str]:
    if deed is None or deed.method == "put":
        return "plain put", ("a get and then a put. Between the two somebody else has counted, "
                             "and that is overwritten: a lost update.")  # fmt: skip
    targets = deed.compares(KEY)
    if not targets:
        return "no comparison", ("the Txn has no comparison about the counter, so it always "
                                 "succeeds, whatever has happened since the get.")  # fmt: skip
    if "VERSION" in targets:
        return "version", ("the comparison of the version held, though it was another key: a key "
                           "that is deleted and put anew begins at version 1 again. The "
                           "mod revision never comes back.")  # fmt: skip
    if "CREATE" in targets:
        return "create", ("the create revision is the same for as long as the key exists; it "
                          "does not tell whether somebody has counted. The mod revision "
                          "does.")  # fmt: skip
    return "held", ("the comparison held, though the counter had changed since it was read: "
                    "compare with what was read, for equality.")  # fmt: skip


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


INCREMENT = Exercise(
    "increment",
    Search(
        CounterRun,
        increment,
        tuple(_stories()),
        "with clients that get in each other's way: every count counts, once.",
    ),
)

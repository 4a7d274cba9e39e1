"""Lab 06, second exercise: list, watch, resume, and list again when there is no other way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from kube_edu import Cluster
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.classroom.apiserver.told_history import History, ToldWatch
from kube_edu.classroom.exercise import Exercise, Verdict, failed
from kube_edu.classroom.guard import Guard, Slip
from kube_edu.classroom.search import without_one
from kube_edu.classroom.trial import Failure, Judge, Reasons, Trial
from kube_edu.client.reflector import list_and_watch
from kube_edu.host import Host
from kube_edu.sim import Simulation
from kube_edu.trace import Event as Step
from kube_edu.trace import Trace
from kube_edu.viz.figure import Figure
from kube_edu.viz.revisions import revisions

because = Reasons("06-api-server", "list_and_watch")

NAMES = ("blue", "green", "red")
SETTLE, PATIENCE, OUTAGE = 3.0, 20.0, 10.0
"""Virtual seconds."""
TRIES = 40
"""Requests in an outage from which on it is hammering: one a second would be ten."""

CHANGES = ("a change", "a new object", "a deletion", "a write elsewhere")
BREAKS = ("a bookmark", "the watch ends", "the connection breaks", "the server is away",
          "away, and compaction", "a bookmark, a compaction, and a break")  # fmt: skip
FORGETS = "away, and compaction"
RECENT = "a bookmark, a compaction, and a break"


@dataclass(frozen=True)
class Story:
    seed: int
    befalls: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"seed {self.seed}: {', '.join(self.befalls) or 'nothing befalls it'}"

    def simpler(self) -> Iterator[Story]:
        for befalls in without_one(self.befalls):
            yield replace(self, befalls=befalls)


class Copy:
    """The store that the student's function fills. It sees when it is set back in time."""

    def __init__(self, guard: Guard, tell: Callable[[str], None]) -> None:
        self.objects: dict[str, Object] = {}
        self.set_back: tuple[str, int, int] | None = None
        self._newest: dict[str, int] = {}
        self._guard = guard
        self._tell = tell

    def replace(self, items: Sequence[Object]) -> None:
        if not isinstance(items, list | tuple) or not all(isinstance(i, dict) for i in items):
            raise self._guard.slip("store.replace wants the objects of a list: found['items']")
        self.objects = {}
        for obj in items:
            self._keep(obj)
        self._tell(f"replace: {', '.join(self.objects) or 'nothing'}")

    def update(self, obj: Object) -> None:
        self._keep(obj)
        self._tell(f"update {self._name(obj)}")

    def delete(self, obj: Object) -> None:
        self.objects.pop(self._name(obj), None)
        self._tell(f"delete {self._name(obj)}")

    def _keep(self, obj: Object) -> None:
        name, version = self._name(obj), int(obj["metadata"]["resourceVersion"])
        newest = self._newest.get(name, 0)
        if version < newest:
            self.set_back = self.set_back or (name, version, newest)
        self._newest[name] = max(version, newest)
        self.objects[name] = obj

    def _name(self, obj: Object) -> str:
        if not isinstance(obj, dict):
            raise self._guard.slip(f"the store was given {obj!r:.40} for an object")
        if "name" not in obj["metadata"]:
            raise self._guard.slip(because("bookmark kept").reason)
        return str(obj["metadata"]["name"])


class SourceOf:
    """The student's `source`: a server that does what the story says."""

    def __init__(self, history: History, guard: Guard, tell: Callable[[str], None]) -> None:
        self.lists = 0
        self.watches: list[ToldWatch] = []
        self.tries = 0
        self._history = history
        self._guard = guard
        self._tell = tell
        self._listed = ""
        self._listed_at = 0

    def known(self) -> int:
        """The latest version that the student has been told."""
        return max([self._listed_at, *(rv for watch in self.watches for rv in watch.rider.told)])

    async def list(self) -> Object:
        await self._reach()
        self.lists += 1
        self._listed_at = self._history.version
        found = self._history.list()
        self._listed = f"list at {self._history.version}"
        self._tell(self._listed)
        return found

    def watch(self, version: Any) -> ToldWatch:
        text = "" if version is None else str(version)
        if text and not text.isdigit():
            raise self._guard.slip(
                f"watch wants a resourceVersion such as '7', not {version!r:.40}"
            )
        watch = ToldWatch(self._history, int(text or 0), self._listed or "resumed", self._reach)
        watch.known = self.known()
        self._tell(f"watch from {text or 'nowhere'}")
        self._listed = ""
        self.watches.append(watch)
        return watch

    async def pause(self) -> None:
        await asyncio.sleep(1)

    async def _reach(self) -> None:
        """Get through to the server."""
        await asyncio.sleep(0.01)
        self.tries += self._history.away
        if self._history.away:
            raise ConnectionRefusedError("connection refused")


class Reflected(Trial):
    """One run of a student's function beside a server."""

    trace: Trace
    failing: Failure

    def __init__(self, story: Story, answer: Callable[..., Any]) -> None:
        self._story = story
        self._simulation = Simulation(story.seed)
        self._random = Random(story.seed)
        self._guard = Guard(answer)
        self._history = History()
        self._source = SourceOf(self._history, self._guard, self._tell)
        self._copy = Copy(self._guard, self._tell)
        self._ended = False
        self.trace = self._simulation.trace

    def run(self) -> Failure | None:
        for name in NAMES:
            self._history.put(name)
        self._history.elsewhere()
        self._simulation.machine("laptop", "192.168.0.2").start("reflector", self._main)
        self._simulation.run_for(SETTLE)
        for step in self._story.befalls:
            self._do(step)
            self._simulation.run_for(SETTLE)
            if self._guard.slips or self._copy.set_back:
                break
        else:
            self._simulation.run_for(PATIENCE)
        self._simulation.close()
        return self._wrong()

    async def _main(self, host: Host) -> None:
        """As `Reflector.Run` does: whatever it ends with, it is called again."""
        while not self._ended and not self._guard.slips:
            with suppress(ApiError, ConnectionError, Slip):
                await self._guard.call_async(self._source, self._copy)
                last = self._source.watches[-1:]
                self._ended = not last or not last[0].rider.refused
            await asyncio.sleep(1)

    def _do(self, step: str) -> None:
        history = self._history
        match step:
            case "a change":
                history.put(self._random.choice(NAMES))
            case "a new object":
                history.put(self._random.choice(("pink", "teal")))
            case "a deletion":
                history.delete(self._random.choice(NAMES))
            case "a write elsewhere":
                history.elsewhere()
            case "a bookmark":
                history.elsewhere()
                history.bookmark()
            case "a bookmark, a compaction, and a break":
                history.elsewhere()
                history.bookmark()
                history.compact()
                self._simulation.run_for(0.1)
                history.close(broken=True)
            case "the watch ends":
                history.close(broken=False)
                history.put(NAMES[0])
            case "the connection breaks":
                history.close(broken=True)
                history.put(NAMES[0])
                history.delete(NAMES[1])
            case _:
                self._away(forgets=step == FORGETS)

    def _away(self, *, forgets: bool) -> None:
        history = self._history
        history.away = True
        history.close(broken=True)
        if forgets:
            history.put(NAMES[2])
            history.delete(NAMES[1])
            history.elsewhere()
            history.compact()
        self._simulation.run_for(OUTAGE)
        history.away = False

    def _tell(self, what: str) -> None:
        self.trace.record("laptop", "lab.step", {"what": what})

    # --- what is wrong with it

    def _wrong(self) -> Failure | None:
        if self._guard.slips:
            return Failure("slip", f"list_and_watch: {self._guard.slips[0]}")
        if self._copy.set_back:
            name, old, newest = self._copy.set_back
            return because("back", name=name, old=old, newest=newest)
        if self._ended:
            return because("ends")
        if self._source.tries > TRIES:
            return because("hammers", tries=self._source.tries)
        return self._differs() or self._asks_too_much()

    def _differs(self) -> Failure | None:
        now = self._history.objects
        for name in sorted({**now, **self._copy.objects}):
            mine = self._copy.objects.get(name)
            if name not in now:
                at = self._history.last_change(name)
                return because(self._why(at, True), at, "still there", name=name)
            if mine != now[name]:
                has = "does not have it" if mine is None else "has an older state"
                at = self._history.last_change(name)
                return because(self._why(at, False), at, "not there", name=name, has=has)
        return None

    def _why(self, version: int, deletion: bool) -> str:
        """Why a change is not in the store."""
        watches = self._source.watches
        if not watches:
            return "no watch"
        if watches[-1].rider.refused and self._source.lists == 1:
            return "gone"
        if deletion and self._source.lists > 1:
            return "only adds"
        if deletion and not watches[-1].since:
            return "from nowhere"
        if any(version in watch.rider.told for watch in watches):
            return "not carried over"
        return "behind"

    def _asks_too_much(self) -> Failure | None:
        refused = [watch for watch in self._source.watches if watch.rider.refused]
        if any(watch.known >= watch.forgotten for watch in refused):
            return because("bookmark" if RECENT in self._story.befalls else "refused")
        if self._source.lists > 1 + len(refused):
            return because("lists", lists=self._source.lists)
        return None

    def details(self) -> Sequence[str]:
        return [f"the smallest such run: {self._story}"]

    def drawn(self) -> Figure:
        return revisions(
            "What happened, and which watch was told of it",
            [(change.as_event(),) for change in self._history.changes],
            riders=[watch.rider for watch in self._source.watches if watch.reached][-6:],
            compacted=self._history.oldest,
            wrong=self.failing.at,
        )


FIRST: tuple[tuple[str, ...], ...] = (
    (),
    ("a change",),
    ("a deletion",),
    ("a new object", "a deletion"),
    ("a write elsewhere", "a bookmark", "a change"),
    ("the watch ends",),
    ("a change", "the connection breaks"),
    ("the server is away", "a change"),
    (*["a change"] * 4, "the watch ends"),
    (RECENT,),
    (FORGETS,),
    ("a change", FORGETS, "a new object"),
    (FORGETS, "a write elsewhere", FORGETS),
)


def _stories() -> Iterator[Story]:
    for number, steps in enumerate(FIRST):
        yield Story(number + 1, steps)
    for seed in range(len(FIRST) + 1, 51):
        random = Random(seed)
        yield Story(seed, tuple(random.choices([*CHANGES, *BREAKS], k=random.randint(2, 6))))


def _telling(step: Step) -> Any:
    return step.fields["what"] if step.kind == "lab.step" else None


WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
"""


def _live(answer: Callable[..., Any]) -> Verdict | None:
    roles = {"scheduler.list_and_watch": answer}
    cluster = Cluster(nodes=1, etcd_members=1, seed=7, roles=roles)
    cluster.crash("control-1/kube-apiserver")
    cluster.run_for(5)
    cluster.restart("control-1/kube-apiserver")
    cluster.run_for(10)
    cluster.apply(WEB)
    try:
        cluster.run_until(lambda: cluster.ready("deployment/web"), 60)
    except TimeoutError:
        return failed(because("live").reason)
    return None


LIST_AND_WATCH = Exercise(
    "list_and_watch",
    Judge(
        Reflected,
        list_and_watch,
        _stories,
        praise="{runs} runs with broken watches and compactions, and a cluster whose scheduler "
        "sees everything through it.",
        telling=_telling,
        then=_live,
    ),
)

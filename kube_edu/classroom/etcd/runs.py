"""What the exercises of lab 03 share: a store, and clients whose requests are written down."""

from __future__ import annotations

import asyncio
import re
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from kube_edu.classroom.etcd.client import RESULTS, TARGETS, Etcd, Unanswered, Watch, WatchAnswer
from kube_edu.classroom.etcd.cluster import EtcdCluster
from kube_edu.classroom.exercise import Exercise
from kube_edu.classroom.guard import Slip
from kube_edu.classroom.search import without_one
from kube_edu.classroom.trial import Answer, Failure, Judge, Trial
from kube_edu.etcd.messages import (
    Compare,
    DeleteRangeRequest,
    Event,
    EventType,
    KeyValue,
    PutRequest,
    RangeRequest,
    TxnRequest,
    WatchCreateRequest,
)
from kube_edu.host import HttpClient
from kube_edu.trace import Event as Step
from kube_edu.trace import Trace
from kube_edu.viz.figure import Figure
from kube_edu.viz.revisions import Rider, revisions

CLIENTS = ("ann", "bob", "cat", "dan", "eve")
PATIENCE = 15.0
"""Virtual seconds within which all must be done, once nothing more happens to it."""

MEMBER_DIES = "an etcd member loses its power"

TTL = 4
"""Seconds of a client's lease."""
FROZEN = 6.0
"""Seconds that a frozen machine stays so: its lease runs out meanwhile."""


@dataclass(frozen=True, slots=True)
class Deed:
    """A request of a client that was executed: the revision that it made, 0 if it changed nothing,
    and the store's as its answer told it."""

    who: str
    method: str
    request: Any
    revision: int
    store: int

    def compares(self, key: str) -> list[str]:
        """The targets that it compares of a key."""
        if not isinstance(self.request, TxnRequest):
            return []
        return [c.target.name for c in self.request.compare if c.key == key.encode()]


class ClientOf(Etcd):
    """A client whose deeds and watches are written down. `pace` is how slow its network is, `lost`
    the numbers of those of its writes whose answers never arrive."""

    def __init__(self, run: Run, who: str, pace: float = 0.02, lost: Sequence[int] = ()) -> None:
        super().__init__(run.etcd.connections(who))
        self.run = run
        self.who = who
        self.watches: list[WatchOf] = []
        self._pace = pace
        self._lost = lost
        self._writes = 0

    async def _ask(self, method: str, request: Any) -> Any:
        self._leave()
        random = self.run.random
        await asyncio.sleep(random.uniform(0.2, 1.0) * self._pace)
        answer = await super()._ask(method, request)
        now = answer.header.revision
        revision = now if _changed(method, request, answer) else 0
        self.run.deeds.append(Deed(self.who, method, request, revision, now))
        self.run.tell(self.who, said(request) + (f" → revision {revision}" if revision else ""))
        if method in ("put", "txn", "delete_range"):
            self._writes += 1
            if self._writes in self._lost:
                raise Unanswered("the connection broke before the answer came")
        await asyncio.sleep(random.uniform(0.2, 1.0) * self._pace)
        return answer

    def watch(self, key: str, start_revision: int = 0, *, prefix: bool = False) -> Watch:
        self._leave()
        request = super().watch(key, start_revision, prefix=prefix).request
        since = f"revision {start_revision}" if start_revision else "now"
        self.run.tell(self.who, f"watch {key} from {since} on")
        self.watches.append(self._watch(request))
        return self.watches[-1]

    def _leave(self) -> None:
        """Whoever asks something else listens no more to the last watch."""
        if self.watches:
            self.watches[-1].rider.ended = True

    def _watch(self, request: WatchCreateRequest) -> WatchOf:
        return WatchOf(self, request)


class WatchOf(Watch):
    """A watch that remembers what it was told."""

    def __init__(self, client: ClientOf, request: WatchCreateRequest) -> None:
        super().__init__(client.connections, request)
        self.client = client
        self.opened = client.run.revision
        """The store's revision at the time."""
        start = request.start_revision or self.opened + 1
        self.rider = Rider(client.who, start, [])

    async def __anext__(self) -> WatchAnswer:
        try:
            answer = await super().__anext__()
        except StopAsyncIteration:
            self.rider.ended = True
            raise
        self.rider.ended = False
        self.rider.told += [change.kv.mod_revision for change in answer.events]
        self.rider.refused = answer.canceled
        return answer


def said(request: Any) -> str:
    """A request in the words of etcdctl."""
    match request:
        case RangeRequest():
            return f"{'list' if request.range_end else 'get'} {request.key.decode()}"
        case PutRequest():
            return f"put {request.key.decode()} {request.value.decode()!r}"
        case DeleteRangeRequest():
            return f"delete {request.key.decode()}"
        case TxnRequest():
            holds = [f"{c.target.name.lower()}({c.key.decode()}) {SIGNS[c.result]} {_wanted(c)}"
                     for c in request.compare]  # fmt: skip
            ops = [op.request_range or op.request_put or op.request_delete_range
                   for op in request.success]  # fmt: skip
            return f"if {' and '.join(holds) or 'whatever'}: {', '.join(map(said, ops))}"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(request).__name__).lower()


SIGNS = {result: sign for sign, result in RESULTS.items()}


def _wanted(compare: Compare) -> Any:
    wanted = [getattr(compare, name) for kind, name in TARGETS.values() if kind is compare.target]
    return wanted[0]


def _changed(method: str, request: Any, answer: Any) -> bool:
    if method == "txn":
        ops = request.success if answer.succeeded else request.failure
        return any(
            op.request_put is not None
            or (done.response_delete_range is not None and done.response_delete_range.deleted > 0)
            for op, done in zip(ops, answer.responses, strict=True)
        )
    return method == "put" or (method == "delete_range" and answer.deleted > 0)


class Run(Trial):
    """One run of a student's function: subclasses say what happens in it."""

    title: str
    """Of its figure."""
    keeps_kind = True
    failing: Failure | None = None
    trace: Trace

    def __init__(self, story: Story, answer: Callable[..., Any]) -> None:
        super().__init__(story, answer)
        self.story = story
        self.etcd = EtcdCluster(3 if MEMBER_DIES in story.befalls else 1, story.seed)
        self.trace = self.etcd.trace
        self.random = Random(story.seed)
        self.clients: dict[str, ClientOf] = {}
        self.deeds: list[Deed] = []
        self._busy: dict[str, bool] = {}

    def run(self) -> Failure | None:
        with suppress(Slip):
            self.happen()
        if self.guard.slips:
            return Failure(self.guard.slips[0].args[0][:40], str(self.guard.slips[0]))
        return self.wrong()

    @abstractmethod
    def happen(self) -> None: ...

    @abstractmethod
    def wrong(self) -> Failure | None: ...

    def client(self, name: str, *, pace: float = 0.02, lost: Sequence[int] = ()) -> ClientOf:
        self.clients[name] = ClientOf(self, name, pace, lost)
        return self.clients[name]

    def tell(self, who: str, what: str) -> None:
        """Put a step on the trace, to be compared with the reference's."""
        self.trace.record(who, "lab.step", {"what": what})

    def start(self, name: str, program: Callable[[], Awaitable[None]]) -> None:
        """Run a program on a client's machine; what the student's function did there that no
        answer may do ends it."""
        self._busy[name] = True

        async def run(clients: list[HttpClient]) -> None:
            with suppress(Slip):
                await program()
            self._busy[name] = False

        self.etcd.start(name, run)

    def lose_a_member(self) -> None:
        """The leader as often as another, if the story says so."""
        if MEMBER_DIES in self.story.befalls:
            self.etcd.run_for(self.random.uniform(0.05, 2))
            others = [name for name in self.etcd.members if name != self.etcd.leader]
            self.etcd.crash(self.random.choice([self.etcd.leader, *others[:1]]))

    def wait(self, patience: float = PATIENCE) -> None:
        """Let time pass until all programs have come to their end, or patience has."""
        with suppress(TimeoutError):
            self.etcd.run_until(lambda: not self.busy or bool(self.guard.slips), patience)

    @property
    def busy(self) -> list[str]:
        """Whose programs are not at their end; a machine without power runs none."""
        machines = self.etcd.hosts
        return [n for n, busy in self._busy.items() if busy and machines[n].state != "down"]

    # --- what was done

    @property
    def revision(self) -> int:
        """The store's, now."""
        return len(self.etcd.changes()) + 1

    def author(self, revision: int) -> Deed | None:
        return next((deed for deed in self.deeds if deed.revision == revision), None)

    def history(self, key: str) -> Iterator[tuple[int, Event]]:
        """(revision, event) of a key."""
        for number, events in enumerate(self.etcd.changes()):
            for event in events:
                if event.kv.key == key.encode():
                    yield number + 2, event

    def at(self, key: str, revision: int) -> KeyValue | None:
        """A key as it was at a revision."""
        events = [event for then, event in self.history(key) if then <= revision]
        return events[-1].kv if events and events[-1].type is EventType.PUT else None

    def details(self) -> Sequence[str]:
        return [f"the smallest such run: {self.story}"]

    def drawn(self) -> Figure:
        authors = {deed.revision: deed.who for deed in self.deeds if deed.revision}
        for step in self.trace.select("etcd.apply"):
            if step.fields["op"] == "lease_revoke":
                authors.setdefault(step.fields["revision"], "(lease)")
        return revisions(
            self.title,
            self.etcd.changes(),
            riders=[watch.rider for each in self.clients.values() for watch in each.watches[-3:]],
            authors=authors,
            compacted=self.etcd.compacted,
            wrong=self.failing.at if self.failing else 0,
        )


@dataclass(frozen=True)
class Story:
    """So many clients, and what befalls the run, in words."""

    seed: int
    clients: int = 1
    befalls: tuple[str, ...] = ()

    def __str__(self) -> str:
        who = [" and ".join(self.names)] if self.names else []
        return f"seed {self.seed}: {', '.join([*who, *self.befalls]) or 'nothing befalls it'}"

    @property
    def names(self) -> tuple[str, ...]:
        return CLIENTS[: self.clients]

    def simpler(self) -> Iterator[Story]:
        for befalls in without_one(self.befalls):
            yield replace(self, befalls=befalls)
        if self.clients > 1:
            yield replace(self, clients=self.clients - 1)


Stories = Callable[[], Iterator[Story]]


def exercise(run: type[Run], reference: Answer, stories: Stories, praise: str) -> Exercise:
    """An exercise of lab 03."""
    told = f"{{runs}} runs, {praise}"
    return Exercise(reference.__name__, Judge(run, reference, stories, told, _telling, tries=30))


def watched(run: Run) -> Figure:
    """A run, drawn, whether it goes well or not."""
    run.title = str(run.story)
    run.failing = run.run()
    return run.drawn()


def _telling(step: Step) -> Any:
    """What the clients did."""
    return (step.host, step.fields["what"]) if step.kind == "lab.step" else None

"""Lab 02, third exercise: the heart of the ReplicaSet controller, in a cluster that fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from inspect import CORO_CREATED, getcoroutinestate
from random import Random
from typing import Any

from kube_edu import Cluster
from kube_edu.classroom.exercise import Exercise, Report, Verdict, passed
from kube_edu.classroom.guard import Guard, Slip
from kube_edu.classroom.search import without_one
from kube_edu.classroom.trial import Failure, Judge, Reasons, Trial
from kube_edu.controllers.replicaset import ReplicaSetController, manage_replicas
from kube_edu.trace import Event
from kube_edu.viz import Figure, Lane, Mark, pod_lanes, timeline

Object = dict[str, Any]
Manage = Callable[[Sequence[Object], Object, Any], Awaitable[None]]

_CONTROLLER = f"system:serviceaccount:kube-system:{ReplicaSetController.account}"
because = Reasons("02-declarative", "manage_replicas")

RANDOM_CASES = 6
SETTLE = 8.0
"""Virtual seconds after each step."""
PATIENCE = 60.0
"""Virtual seconds in which, once all is whole again, the number must be right."""

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: web}}}}
spec: {{containers: [{{name: web, image: {image}}}]}}
"""
REPLICASET = """
apiVersion: apps/v1
kind: ReplicaSet
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers: [{{name: web, image: nginx}}]
      tolerations:
      - key: node.kubernetes.io/unreachable
        operator: Exists
        effect: NoExecute
        tolerationSeconds: 5
"""

STEPS = (
    "scale to 0",
    "scale to 1",
    "scale to 2",
    "scale to 4",
    "delete a pod",
    "an orphan comes",
    "a broken orphan comes",
    "node-1 crashes",
    "the controller restarts",
    "the API server restarts",
)
"""What can befall the cluster."""


@dataclass(frozen=True)
class Case:
    """One run: the first number of replicas, then the steps."""

    seed: int
    replicas: int
    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ", then ".join([f"{self.replicas} wanted", *self.steps])

    def simpler(self) -> Iterator[Case]:
        for steps in without_one(self.steps):
            yield replace(self, steps=steps)
        if self.replicas > 1:
            yield replace(self, replicas=self.replicas - 1)


FIRST_CASES = (
    Case(1, 2),
    Case(1, 2, ("scale to 4",)),
    Case(1, 3, ("scale to 1",)),
    Case(1, 2, ("delete a pod",)),
    Case(1, 2, ("a broken orphan comes",)),
    Case(1, 2, ("the controller restarts", "delete a pod")),
)


def judge_replicas(answer: Callable[..., Any], report: Report) -> Verdict:
    """Plug it into running clusters; what happens to them grows from case to case."""
    cases = [*FIRST_CASES, *_random_cases()]
    judge = Judge[Case](_Run, manage_replicas, lambda: cases, telling=_telling, tries=12)
    well = judge.find(answer, cases[:1], report) is None
    found = judge.find(answer, cases[1:] if well else cases, report)
    if found is None:
        return passed(f"{len(cases)} clusters, each with its own failures: always the right pods.")
    forgets = not well or judge.find(answer, cases[:1], report) is None
    return judge.told(found, "" if forgets else because("remembers").reason)


def _telling(event: Event) -> Any:
    """What the controller does to pods; a new pod's name is chance."""
    what = event.fields
    if event.kind != "api.write" or not what["object"].startswith("pods/default/"):
        return None
    if what["user"] != _CONTROLLER or what["verb"] == "patch":
        return None
    return what["verb"], what["object"] if what["verb"] == "delete" else ""


def replicas_by(answer: Callable[..., Any]) -> dict[str, Manage]:
    """Roles for a Cluster in which `answer` manages the ReplicaSets of namespace default; those
    of the cluster itself stay with ours, so that it can start."""
    guard = Guard(answer)

    async def guarded(pods: Sequence[Object], replicaset: Object, control: Any) -> None:
        await guard.call_async(list(pods), replicaset, control)

    return _in_default(guarded)


def _in_default(manage: Manage) -> dict[str, Manage]:
    async def either(pods: Sequence[Object], replicaset: Object, control: Any) -> None:
        ours = replicaset["metadata"]["namespace"] != "default"
        await (manage_replicas if ours else manage)(pods, replicaset, control)

    return {"replicaset.manage_replicas": either}


class _Run(Trial):
    """A cluster with the student's function in it, and all that is seen of both."""

    def __init__(self, case: Case, answer: Callable[..., Any]) -> None:
        super().__init__(case, answer)
        self.marks: list[Mark] = []
        self._random = Random(case.seed)
        self._wanted = case.replicas
        roles = _in_default(self._manage)
        self.cluster = Cluster(nodes=2, etcd_members=1, seed=case.seed, roles=roles)
        self.trace = self.cluster.trace

    def run(self) -> Failure | None:
        """Run the case until something is wrong, or to its end."""
        self.cluster.apply(REPLICASET.format(replicas=self.case.replicas))
        self._mark(f"{self.case.replicas} wanted")
        self._pass(SETTLE)
        for step in self.case.steps:
            if not self._wrong():
                self._mark(step)
                self._do(step)
                self._pass(SETTLE)
        return self._wrong() or self._unsettled()

    def details(self) -> Sequence[str]:
        return [f"the smallest case (seed {self.case.seed}): {self.case}"]

    def drawn(self) -> Figure:
        since, now = self.marks[0].time, self.cluster.now
        lanes: list[Lane] = pod_lanes(self.cluster.trace, "pods/default/", now, since)
        return timeline("What happened to the pods", lanes[:24], self.marks)

    async def _manage(self, pods: Sequence[Object], replicaset: Object, control: Any) -> None:
        """The role: the student's function, with its hands watched. After a slip it does no
        more, lest a runaway fill the cluster with pods."""
        if self._wrong():
            return
        hands = _Hands(self.guard, control, pods, replicaset)
        try:
            await self.guard.call_async(list(pods), replicaset, hands)
            hands.look()
        finally:
            hands.close()

    def _pass(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, until there is a slip or it is enough."""
        with suppress(TimeoutError):
            self.cluster.run_until(lambda: bool(self._wrong()) or enough(), timeout=seconds)

    def _wrong(self) -> Failure | None:
        return Failure("slip", str(self.guard.slips[0])) if self.guard.slips else None

    def _unsettled(self) -> Failure | None:
        """Does the number of pods come to what is wanted, and stay there?"""
        self._pass(PATIENCE, lambda: self._count() == self._wanted)
        self._pass(2)
        count = self._count()
        if self._wrong() or count == self._wanted:
            return self._wrong()
        last = self.case.steps[-1] if self.case.steps else "no pods"
        return because(last, 0, "unsettled", wanted=self._wanted, count=count)

    def _count(self) -> int:
        return sum(
            "deletionTimestamp" not in pod["metadata"]
            and pod["status"].get("phase") not in ("Failed", "Succeeded")
            for pod in self.cluster.objects("pods", "default")
        )

    def _mark(self, text: str) -> None:
        self.marks.append(Mark(self.cluster.now, text))

    def _do(self, step: str) -> None:
        cluster = self.cluster
        match step.split():
            case ["scale", "to", number]:
                self._wanted = int(number)
                cluster.kubectl(f"scale replicaset web --replicas={number}")
            case ["delete", *_]:
                names = [pod["metadata"]["name"] for pod in cluster.objects("pods", "default")]
                if names:
                    cluster.kubectl(f"delete pod {self._random.choice(names)}")
            case ["an", *_]:
                cluster.apply(POD.format(name=f"orphan-{len(self.marks)}", image="nginx"))
            case ["a", *_]:
                cluster.apply(POD.format(name=f"orphan-{len(self.marks)}", image="no-such-image"))
            case ["node-1", *_]:
                cluster.crash("node-1")
                cluster.run_for(75)
            case ["the", "controller", _]:
                cluster.restart("control-1/kube-controller-manager")
            case _:
                cluster.restart("control-1/kube-apiserver")


class _Hands:
    """The student's `control`: does what is asked, and refuses what no strategy can want."""

    def __init__(
        self, guard: Guard, control: Any, pods: Sequence[Object], replicaset: Object
    ) -> None:
        self._guard = guard
        self._control = control
        self._pods = pods
        self._replicaset = replicaset
        self._missing = replicaset["spec"]["replicas"] - len(pods)
        self._created = 0
        self._deleted: list[str] = []
        self._calls: list[Coroutine[Any, Any, None]] = []
        self._ended = 0

    def create(self, replicaset: Object) -> Awaitable[None]:
        self._created += 1
        if self._created > max(self._missing, 0):
            raise self._slip("creates too many", there=self._there(), count=self._created)
        return self._watched(self._control.create, self._replicaset)

    def delete(self, pod: Object) -> Awaitable[None]:
        if not isinstance(pod, dict) or "metadata" not in pod:
            raise self._slip("deletes no pod", pod=f"{pod!r:.40}")
        name = pod["metadata"]["name"]
        if name in self._deleted:
            raise self._slip("deletes twice", name=name)
        self._deleted.append(name)
        if len(self._deleted) > max(-self._missing, 0):
            raise self._slip("deletes too many", there=self._there(), count=len(self._deleted))
        return self._watched(self._control.delete, pod)

    def _slip(self, kind: str, **about: Any) -> Slip:
        return self._guard.slip(because(kind, **about).reason)

    def _watched(self, call: Callable[[Object], Awaitable[None]], obj: Object) -> Awaitable[None]:
        async def run() -> None:
            try:
                await call(obj)
            finally:
                self._ended += 1

        self._calls.append(run())
        return self._calls[-1]

    def look(self) -> None:
        """When the function has returned: is all done, and with the right pods?"""
        if self._ended < len(self._calls):
            raise self._slip("not awaited")
        names = [pod["metadata"]["name"] for pod in self._pods]
        ready = [pod["metadata"]["name"] for pod in self._pods if _serves(pod)]
        lost = [name for name in ready if name in self._deleted]
        kept = [name for name in names if name not in ready and name not in self._deleted]
        if lost and kept:
            raise self._slip("deletes the ready", lost=lost[0], kept=kept[0])

    def close(self) -> None:
        """Calls that nobody awaited come to nothing."""
        for call in self._calls:
            if getcoroutinestate(call) == CORO_CREATED:
                call.close()

    def _there(self) -> str:
        return f"{self._replicaset['spec']['replicas']} are wanted and {len(self._pods)} are there"


def _serves(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _random_cases() -> Iterator[Case]:
    """Seeds with failures drawn from them, ever more."""
    for seed in range(2, 2 + RANDOM_CASES):
        random = Random(seed)
        steps = [step for step in STEPS if step != "node-1 crashes"]
        drawn = [random.choice(steps) for _ in range(1 + seed // 2)]
        if seed % 3 == 0:
            drawn.append("node-1 crashes")
        yield Case(seed, random.randint(1, 3), tuple(drawn))


REPLICAS = Exercise("manage_replicas", judge_replicas)

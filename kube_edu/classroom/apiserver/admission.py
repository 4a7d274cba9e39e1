"""Lab 07, second and third exercise: what a plug-in does to a change that asks to be admitted.

The reference says what should become of it; the first case that goes otherwise is made smaller, and
what is special about the smallest one is the reason.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from kube_edu import Cluster
from kube_edu.api.meta import clone
from kube_edu.api.resources import by_plural
from kube_edu.api.status import ApiError
from kube_edu.apiserver.admission import Attributes
from kube_edu.apiserver.call import User
from kube_edu.classroom.exercise import Exercise, Verdict, failed
from kube_edu.classroom.guard import Slip, first_difference
from kube_edu.classroom.search import without_one
from kube_edu.classroom.trial import Failure, Judge, Reasons, Trial
from kube_edu.viz import Figure, gate_verdict
from kube_edu.viz.merge import three_way

Object = dict[str, Any]
Answer = Callable[..., Any]
Container = tuple[str, str, str]
"""Its kind, image and imagePullPolicy."""

SEEDS = 50
KEY = "gate.example/images-from"
"""The annotation of a namespace that says where the images of its pods may come from."""

GOOD, ALSO = "reg.example/web", "mirror.example/web"
BAD, ALIKE = "nginx", "reg.example.evil/web"
FIELDS = {"init": "initContainers", "main": "containers", "ephemeral": "ephemeralContainers"}


@dataclass(frozen=True)
class Change:
    """A change that asks to be admitted."""

    verb: str = "create"
    resource: str = "pods"
    subresource: str = ""
    containers: tuple[Container, ...] = (("main", GOOD, ""),)
    before: tuple[Container, ...] = ()
    """Of an update, the containers that are there already."""
    registries: str | None = "reg.example,mirror.example"
    """What the namespace's annotation says; None where it has none."""

    def attributes(self) -> Attributes:
        name = "namespaces" if self.resource == "namespaces" else "web"
        made = self._object(self.containers)
        old = self._object(self.before) if self.verb == "update" else None
        resource, jane = by_plural(self.resource), User("jane")
        where = "" if self.resource == "namespaces" else "shop"
        return Attributes(self.verb, resource, where, name, made, old, jane, self.subresource)

    def _object(self, containers: tuple[Container, ...]) -> Object:
        meta: Object = {"name": "web", "namespace": "shop"}
        if self.resource == "configmaps":
            return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "1"}}
        if self.subresource == "binding":
            target = {"kind": "Node", "name": "node-1"}
            return {"apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": target}
        spec: Object = {}
        for number, (kind, image, policy) in enumerate(containers):
            container = {"name": f"c{number}", "image": image}
            container |= {"imagePullPolicy": policy} if policy else {}
            spec.setdefault(FIELDS[kind], []).append(container)
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
        if self.resource == "pods":
            return pod
        template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta,
                "spec": {"replicas": 1, "template": template}}  # fmt: skip

    def simpler(self) -> Iterator[Change]:
        if self.subresource == "binding" or self.resource != "pods":
            return
        if self.verb != "create":
            yield replace(self, verb="create", subresource="", before=())
        if self.subresource == "ephemeralcontainers":
            yield replace(self, subresource="", containers=self.before)
        yield from self._simpler_created() if self.verb == "create" else self._simpler_updated()
        if self.registries and " " in self.registries:
            yield replace(self, registries=self.registries.replace(" ", ""))

    def _simpler_updated(self) -> Iterator[Change]:
        good = tuple((kind, GOOD, "") for kind, _, _ in self.before)
        if self.verb == "update" and not self.subresource and self.before != good:
            yield replace(self, before=good)
        for number in range(len(self.before) if self.verb == "update" else 0):
            before, after = [*self.before], [*self.containers]
            del before[number], after[number]
            if any(kind == "main" for kind, _, _ in before):
                yield replace(self, before=tuple(before), containers=tuple(after))

    def _simpler_created(self) -> Iterator[Change]:
        for fewer in without_one(self.containers):
            if any(kind == "main" for kind, _, _ in fewer):
                yield replace(self, containers=fewer)
        for number, (kind, image, policy) in enumerate(self.containers):
            less_evil = BAD if image == ALIKE else GOOD
            for plainer in (
                (kind, GOOD, policy),
                (kind, less_evil, policy),
                (kind, image, ""),
                ("main", image, policy),
            ):
                if plainer != (kind, image, policy):
                    before, after = self.containers[:number], self.containers[number + 1 :]
                    yield replace(self, containers=(*before, plainer, *after))

    def __str__(self) -> str:
        what = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} {what}"


class Surroundings:
    """The plug-in's `cluster`, of which only the namespace is there."""

    def __init__(self, registries: str | None) -> None:
        annotations = {} if registries is None else {KEY: registries}
        meta = {"name": "shop", "annotations": annotations, "labels": {}}
        self._shop: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}

    async def find(self, plural: str, namespace: str, name: str) -> Object | None:
        return clone(self._shop) if (plural, name) == ("namespaces", "shop") else None

    def list(self, plural: str, namespace: str = "") -> list[Object]:
        return []


@dataclass(frozen=True)
class Outcome:
    """The object as the plug-in leaves it, or with which words it refused."""

    object: Object
    refusal: str | None = None
    returned: Any = None


def asked(plugin: Answer, change: Change) -> Outcome:
    """One change, put before a plug-in. Nothing here takes time: who waits, waits for ever."""
    attributes = change.attributes()
    coroutine = plugin(attributes, Surroundings(change.registries))
    try:
        coroutine.send(None)
    except StopIteration as done:
        return Outcome(attributes.object, None, done.value)
    except ApiError as error:
        return Outcome(attributes.object, error.message)
    coroutine.close()
    raise Slip("it waits for something else than the cluster: a request stands at the gate")


class Admitted(Trial):
    """A change, put before a plug-in and before ours. Subclasses say which, and why it differs."""

    role: ClassVar[str]
    because: ClassVar[Reasons]
    case: Change
    yours: Outcome
    right: Outcome

    def run(self) -> Failure | None:
        self.yours = yours = asked(self.guard.call_async, self.case)
        self.right = right = asked(self.reference, self.case)
        same = yours.object == right.object and (yours.refusal is None) == (right.refusal is None)
        return None if same and yours.returned is None else self.why()

    def details(self) -> Sequence[str]:
        allowed = self.case.registries
        where = f"that allows {allowed!r}" if allowed else "that says nothing"
        return f"the smallest case: {self.case} in a namespace {where}", self._apart()

    def _apart(self) -> str:
        yours, right = self.yours, self.right
        parting = "where yours parts from the reference: "
        if yours.object != right.object:
            where = first_difference(yours.object, right.object).partition(" was ")[0]
            return f"{parting}{where.removeprefix('.')}"
        said = [outcome.refusal or "admitted" for outcome in (yours, right)]
        return f"{parting}\n  yours      {said[0]}\n  reference  {said[1]}"

    def drawn(self) -> Figure:
        attributes = self.case.attributes()
        sides: Object = {"asked for": attributes.object}
        sides |= {"there already": attributes.old} if attributes.old else {}
        outcomes = {"yours": _card(self.yours, attributes), "right": _card(self.right, attributes)}
        return three_way(f"{self.case}: what becomes of it", sides, outcomes, "above: the change")

    @staticmethod
    @abstractmethod
    async def reference(attributes: Attributes, cluster: Any) -> None: ...

    @abstractmethod
    def why(self) -> Failure:
        """What is special about a change that goes otherwise."""

    @staticmethod
    @abstractmethod
    def live(cluster: Cluster) -> str:
        """The kind of what goes wrong in a running cluster, if anything does."""

    @classmethod
    def exercise(cls, praise: str) -> Exercise:
        def then(answer: Answer) -> Verdict | None:
            cluster = Cluster(nodes=1, etcd_members=1, seed=7, roles={cls.role: answer})
            if not (kind := cls.live(cluster)):
                return None
            reason = cls.because(f"live, {kind}").reason
            return failed(reason, figure=gate_verdict(cluster.trace, "create", "pods/shop/"))

        told = f"{praise}: {SEEDS} seeds of changes, and a running cluster."
        name = cls.reference.__name__
        return Exercise(name, Judge(cls, cls.reference, _cases, told, pace=8, then=then))


def _card(outcome: Outcome, attributes: Attributes) -> Any:
    if outcome.refusal is not None:
        return "refused"
    return "admitted as it is" if outcome.object == attributes.object else outcome.object


def _cases() -> Iterator[Change]:
    """Plain ones first; then whatever the seeds draw."""
    yield Change()
    for seed in range(SEEDS):
        random = Random(seed)
        for _ in range(8):
            yield _change(random)


def _change(random: Random) -> Change:
    registries = random.choice([None, "reg.example,mirror.example", "reg.example"])
    registries = registries and registries.replace(",", random.choice([",", ", "]))
    resource = random.choice(["pods"] * 6 + ["deployments", "configmaps"])
    verb = random.choice(["create", "create", "update", "delete"])
    kinds = ["main", *random.choice([(), ("main",), ("init",)])]
    before = tuple(_container(random, kind) for kind in kinds)
    subresource = ""
    if resource == "pods" and verb == "create" and random.random() < 0.2:
        subresource = "binding"
    if resource == "pods" and verb == "update":
        subresource = random.choice(["", "", "status", "ephemeralcontainers"])
    containers = before
    if subresource == "ephemeralcontainers":
        containers = (*before, _container(random, "ephemeral"))
    elif verb == "create" or random.random() < 0.6:
        containers = tuple(_container(random, kind) for kind, _, _ in before)
    return Change(verb, resource, subresource, containers, before, registries)


def _container(random: Random, kind: str) -> tuple[str, str, str]:
    policy = random.choice(["", "IfNotPresent", "Never", "Always"])
    return kind, random.choice([GOOD, GOOD, ALSO, BAD, ALIKE]), policy


SHOP = """
apiVersion: v1
kind: Namespace
metadata: {{name: shop, annotations: {{gate.example/images-from: "{registries}"}}}}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: {image}, imagePullPolicy: IfNotPresent}}]}}
"""


def pods_after(cluster: Cluster, image: str) -> list[Object]:
    """The pods of a Deployment in a namespace that allows reg.example alone."""
    cluster.apply(SHOP.format(registries="reg.example"))
    cluster.apply(DEPLOYMENT.format(image=image))
    cluster.run_for(6)
    return cluster.objects("pods", "shop")

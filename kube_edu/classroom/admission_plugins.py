"""Lab 07, second and third exercise: a mutating and a validating plug-in.

Both are judged on the same kind of cases: one change of one object that asks to be admitted. The
reference says what should become of it; the first case that goes otherwise is made smaller, and
what is special about the smallest one is the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from kube_edu import Cluster
from kube_edu.api.meta import clone
from kube_edu.api.resources import by_plural
from kube_edu.api.status import ApiError
from kube_edu.apiserver.admission import Attributes
from kube_edu.apiserver.call import User
from kube_edu.classroom.exercise import Exercise, Report, Verdict, failed, passed
from kube_edu.classroom.guard import Guard, Slip, first_difference
from kube_edu.classroom.search import first_failing, shrink, without_one
from kube_edu.viz import Figure, gate_verdict
from kube_edu.viz.merge import three_way

Object = dict[str, Any]
Answer = Callable[..., Any]

SEEDS = 50
KEY = "gate.example/images-from"
"""The annotation of a namespace that says where the images of its pods may come from."""

GOOD, ALSO = "reg.example/web", "mirror.example/web"
BAD, ALIKE = "nginx", "reg.example.evil/web"
FIELDS = {"init": "initContainers", "main": "containers", "ephemeral": "ephemeralContainers"}


@dataclass(frozen=True)
class Change:
    """A change that asks to be admitted. Containers are (kind, image, imagePullPolicy)."""

    verb: str = "create"
    resource: str = "pods"
    subresource: str = ""
    containers: tuple[tuple[str, str, str], ...] = (("main", GOOD, ""),)
    before: tuple[tuple[str, str, str], ...] = ()
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

    def _object(self, containers: tuple[tuple[str, str, str], ...]) -> Object:
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


@dataclass(frozen=True)
class Course:
    """What makes one exercise of the two: the reference, and where an answer goes wrong."""

    reference: Answer
    role: str
    reasons: Callable[[Change, Outcome, Outcome], str]
    live: Callable[[Cluster], str]
    praise: str


def judge(course: Course, answer: Answer, report: Report) -> Verdict:
    guard = Guard(answer)

    def differ(change: Change) -> tuple[Outcome, Outcome] | None:
        yours, right = asked(guard.call_async, change), asked(course.reference, change)
        same = yours.object == right.object and (yours.refusal is None) == (right.refusal is None)
        return None if same and yours.returned is None else (yours, right)

    found = first_failing(_cases(report), differ)
    if found is not None:
        change, (yours, right) = shrink(found, _smaller, differ)
        return failed(
            course.reasons(change, yours, right),
            f"the smallest case: {change} in a namespace that "
            + (f"allows {change.registries!r}" if change.registries else "says nothing"),
            _apart(yours, right),
            figure=_drawn(change, yours, right),
        )
    report("plugging it into a running cluster …")
    cluster = Cluster(nodes=1, etcd_members=1, seed=7, roles={course.role: answer})
    if problem := course.live(cluster):
        return failed(problem, figure=gate_verdict(cluster.trace, "create", "pods/shop/"))
    return passed(f"{course.praise}: {SEEDS} seeds of changes, and a running cluster.")


def _apart(yours: Outcome, right: Outcome) -> str:
    parting = "where yours parts from the reference: "
    if yours.object != right.object:
        where = first_difference(yours.object, right.object).partition(" was ")[0]
        return f"{parting}{where.removeprefix('.')}"
    said = [outcome.refusal or "admitted" for outcome in (yours, right)]
    return f"{parting}\n  yours      {said[0]}\n  reference  {said[1]}"


def _drawn(change: Change, yours: Outcome, right: Outcome) -> Figure:
    attributes = change.attributes()
    sides: Object = {"asked for": attributes.object}
    sides |= {"there already": attributes.old} if attributes.old else {}
    outcomes = {"yours": _card(yours, attributes), "right": _card(right, attributes)}
    return three_way(f"{change}: what becomes of it", sides, outcomes, "above: the change")


def _card(outcome: Outcome, attributes: Attributes) -> Any:
    if outcome.refusal is not None:
        return "refused"
    return "admitted as it is" if outcome.object == attributes.object else outcome.object


def _cases(report: Report) -> Iterator[Change]:
    """Plain ones first; then whatever the seeds draw."""
    yield Change()
    for seed in range(SEEDS):
        report(f"changes of seed {seed + 1} of {SEEDS}")
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


def _smaller(change: Change) -> Iterator[Change]:
    if change.subresource == "binding" or change.resource != "pods":
        return
    if change.verb != "create":
        yield replace(change, verb="create", subresource="", before=())
    if change.subresource == "ephemeralcontainers":
        yield replace(change, subresource="", containers=change.before)
    good = tuple((kind, GOOD, "") for kind, _, _ in change.before)
    if change.verb == "update" and not change.subresource and change.before != good:
        yield replace(change, before=good)
    for number in range(len(change.before) if change.verb == "update" else 0):
        before, after = [*change.before], [*change.containers]
        del before[number], after[number]
        if any(kind == "main" for kind, _, _ in before):
            yield replace(change, before=tuple(before), containers=tuple(after))
    if change.verb == "create" and len(change.containers) > 1:
        for fewer in without_one(change.containers):
            if any(kind == "main" for kind, _, _ in fewer):
                yield replace(change, containers=fewer)
    for number, (kind, image, policy) in enumerate(change.containers):
        if change.verb == "create":
            for plainer in (
                (kind, GOOD, policy),
                (kind, BAD, policy) if image == ALIKE else (kind, GOOD, policy),
                (kind, image, ""),
                ("main", image, policy),
            ):
                if plainer != (kind, image, policy):
                    parts = [*change.containers]
                    parts[number] = plainer
                    yield replace(change, containers=tuple(parts))
    if change.registries and (shorter := change.registries.replace(" ", "")) != change.registries:
        yield replace(change, registries=shorter)


# --- the mutating one


async def always_pull(attributes: Attributes, cluster: Any) -> None:
    """Upstream's plug-in AlwaysPullImages (plugin/pkg/admission/alwayspullimages/admission.go)."""
    if attributes.is_about("pods", "create"):
        for field in FIELDS.values():
            for container in attributes.object["spec"].get(field) or ():
                container["imagePullPolicy"] = "Always"


def _mutate_reasons(change: Change, yours: Outcome, right: Outcome) -> str:
    if yours.refusal is not None:
        return (
            "it refuses. A mutating plug-in makes the object what it should be; whether it may be "
            "so is asked later, when all of them have had their turn."
        )
    if yours.returned is not None and yours.object == change.attributes().object:
        return (
            "it returns something, and nobody looks at that: change the draft itself, "
            "attributes.object, which goes on to the next plug-in."
        )
    if change.subresource:
        return (
            f"it acts on pods/{change.subresource}. What is posted there is no pod (a Binding, "
            "for one): look at attributes.subresource, or the scheduler cannot bind."
        )
    if change.resource != "pods":
        return (
            f"it changes {change.resource}. A Deployment is no pod: its pods pass the gate "
            "themselves, one by one, when they are made."
        )
    if change.verb != "create":
        return (
            f"it acts on {change.verb}. imagePullPolicy of a pod that is there cannot be changed: "
            "whoever puts a label on an older pod would be told that his update is invalid."
        )
    pairs = [
        (field, number, mine, container)
        for field in ("containers", "initContainers")
        for number, (mine, container) in enumerate(
            zip(yours.object["spec"].get(field) or (), right.object["spec"].get(field) or (),
                strict=False))
    ]  # fmt: skip
    for field, number, mine, container in pairs:
        if mine.get("imagePullPolicy") != "Always":
            had = change.attributes().object["spec"][field][number].get("imagePullPolicy")
            if had:
                return f"a container that asks for {had} keeps it: then the plug-in is only advice."
            if number:
                return "a pod may have several containers, and only the first is changed."
            if field == "initContainers":
                return "init containers have images too, in spec.initContainers; it passes them by."
            return "the container has no imagePullPolicy Always when it has passed."
        if mine != container:
            return "it changes more of the container than its imagePullPolicy."
    return "it changes more than the imagePullPolicy of the containers."


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


def _pods_after(cluster: Cluster, image: str) -> list[Object]:
    """The pods of a Deployment in a namespace that allows reg.example alone."""
    cluster.apply(SHOP.format(registries="reg.example"))
    cluster.apply(DEPLOYMENT.format(image=image))
    cluster.run_for(6)
    return cluster.objects("pods", "shop")


def _mutate_live(cluster: Cluster) -> str:
    pods = _pods_after(cluster, "nginx")
    if not pods or not cluster.ready("deployment/web", "shop"):
        return "in a running cluster the pod of a Deployment does not come up."
    if pods[0]["spec"]["containers"][0]["imagePullPolicy"] != "Always":
        return "in a running cluster the pod of a Deployment came without imagePullPolicy Always."
    return ""


# --- the validating one


async def trusted_images(attributes: Attributes, cluster: Any) -> None:
    """The reference: new images of pods come from where their namespace says."""
    a = attributes
    judged = a.subresource in ("", "ephemeralcontainers") and a.verb in ("create", "update")
    if a.resource.plural != "pods" or not judged:
        return
    namespace = await cluster.find("namespaces", "", a.namespace) or {"metadata": {}}
    listed = (namespace["metadata"].get("annotations") or {}).get(KEY)
    if listed is None:
        return
    known = images_of(a.old) if a.old else []
    for image in images_of(a.object):
        trusted = any(image.startswith(f"{place.strip()}/") for place in listed.split(","))
        if not trusted and image not in known:
            raise a.refused(f"image {image} is not from {listed}")


def images_of(pod: Object) -> list[str]:
    return [container["image"] for field in FIELDS.values()
            for container in pod["spec"].get(field) or ()]  # fmt: skip


def _validate_reasons(change: Change, yours: Outcome, right: Outcome) -> str:
    if yours.object != right.object:
        return (
            "it changes the object. A validating plug-in sees the final state: those that looked "
            "before it have agreed to something else."
        )
    if yours.returned is not None:
        return (
            f"it returned {yours.returned!r:.40}, and nobody looks at that: to return is to admit. "
            "Refuse with `raise attributes.refused(...)`."
        )
    return _let_in(change) if yours.refusal is None else _kept_out(change)


def _let_in(change: Change) -> str:
    kinds = {kind for kind, image, _ in change.containers if image in (BAD, ALIKE)}
    if change.subresource == "ephemeralcontainers":
        return (
            "an ephemeral container brings an untrusted image: `kubectl debug` adds it to a pod "
            "that runs, as an update of pods/ephemeralcontainers."
        )
    if change.verb == "update":
        return (
            "an update brings an untrusted image. Whoever may not create such a pod creates a "
            "harmless one, and then changes its image."
        )
    if kinds == {"init"}:
        return "an init container brings an untrusted image: they run, too, and they run first."
    if len(change.containers) > 1:
        return "one trusted image does not speak for the others: every one of them is judged."
    if change.containers[0][1] == ALIKE:
        return (
            "reg.example.evil is not reg.example: anybody can have a name that only "
            'begins so. Compare with the "/" that comes after it.'
        )
    return "a pod with an untrusted image is admitted."


def _kept_out(change: Change) -> str:
    if change.verb == "delete":
        return "it refuses a delete: what should not be here could never be removed."
    if change.resource != "pods" or change.subresource == "binding":
        return f"it refuses to {change}: it is about pods alone, and that is none."
    if change.registries is None:
        return "the namespace says nothing about images: then everything may come in."
    if change.verb == "update" and change.subresource == "status":
        return (
            "it refuses an update of pods/status: the kubelet could no longer say how a pod is "
            "that was there before the rule."
        )
    before = [image for _, image, _ in change.before]
    places = (change.registries or "").split(",")
    of_old = [i for i in before if not any(i.startswith(f"{p.strip()}/") for p in places)]
    new = [image for _, image, _ in change.containers if image not in before]
    if change.verb == "update" and of_old and ALSO not in new:
        return (
            "the image was there already, before this update: of an update only new images are "
            "judged, or nobody could put a label on an older pod."
        )
    if " " in change.registries:
        return 'the annotation may be written with blanks: "reg.example, mirror.example".'
    if any(image == ALSO for _, image, _ in change.containers):
        return "the annotation lists several places, and an image from the second one is refused."
    return "a pod whose images are all trusted is refused."


def _validate_live(cluster: Cluster) -> str:
    if _pods_after(cluster, "nginx"):
        return "in a running cluster the pod of a Deployment came in with an untrusted image."
    cluster.apply(DEPLOYMENT.format(image="reg.example/nginx"))
    cluster.run_for(30)
    if not cluster.ready("deployment/web", "shop"):
        return "in a running cluster the pods do not come, though the image is trusted now."
    return ""


MUTATE = Course(
    always_pull, "admission.mutate", _mutate_reasons, _mutate_live,
    "every new pod pulls its images, and nothing else is touched",
)  # fmt: skip
VALIDATE = Course(
    trusted_images, "admission.validate", _validate_reasons, _validate_live,
    "what is not trusted stays out, and everything else goes through",
)  # fmt: skip

ALWAYS_PULL = Exercise(
    "always_pull",
    lambda answer, report: judge(MUTATE, answer, report),
    [
        'Is it a pod that is being created? attributes.is_about("pods", "create") is true for '
        "that and nothing else: no other verb, no other resource, no subresource.",
        'attributes.object is the draft, a dict: the containers are in ["spec"]["containers"]. '
        "Change them in place; there is nothing to return.",
        'Do the same for ["spec"].get("initContainers", []). Whatever policy was asked for '
        "gives way to Always.",
    ],
)
TRUSTED_IMAGES = Exercise(
    "trusted_images",
    lambda answer, report: judge(VALIDATE, answer, report),
    [
        'Look first whether you are concerned: resource "pods", verb create or update, and '
        'subresource "" or "ephemeralcontainers". The namespace: '
        'await cluster.find("namespaces", "", attributes.namespace).',
        "Gather the images of containers, initContainers and ephemeralContainers. One that is in "
        "attributes.old already (None for a create) is nothing new.",
        'Split the annotation at ",", strip each place, and ask whether the image starts with '
        'place + "/". If none fits: raise attributes.refused("why").',
    ],
)

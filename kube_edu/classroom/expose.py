"""Lab 02, first exercise: declare a Service whose traffic reaches the pods of a Deployment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from kube_edu import Cluster
from kube_edu.api.status import ApiError
from kube_edu.classroom.exercise import Exercise, Report, Verdict, passed
from kube_edu.classroom.guard import Guard, Slip
from kube_edu.classroom.trial import Failure, Search, Trial
from kube_edu.trace import Event
from kube_edu.viz import Figure, traffic

Object = dict[str, Any]

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.53"
CLIENT = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "client", "namespace": "default"},
    "spec": {"containers": [{"name": "shell", "image": "busybox", "command": ["sleep", "1d"]}]},
}
ASKED = 8
"""Requests for each Service: enough that pods which should not answer would, at some time."""


@dataclass(frozen=True)
class App:
    """A Deployment, and its surroundings."""

    name: str = "web"
    namespace: str = "default"
    port: int = 80
    port_name: str = ""
    labels: dict[str, str] = field(default_factory=lambda: {"app": "web"})
    """Of the pods. The Deployment object itself may have others."""
    own_labels: dict[str, str] | None = None
    neighbour: dict[str, str] | None = None
    """Labels of another Deployment's pods beside it."""
    seed: int = 11

    def __str__(self) -> str:
        return f"service {self.name} in namespace {self.namespace}"

    def simpler(self) -> Iterator[App]:
        """The app with one thing less that is special about it."""
        plain = App()
        for name in ("neighbour", "own_labels", "namespace", "port_name", "port", "labels", "seed"):
            if getattr(self, name) != getattr(plain, name):
                less = replace(self, **{name: getattr(plain, name)})
                if not (less.neighbour and less.labels.items() <= less.neighbour.items()):
                    yield less  # else no selector could tell the two apart


APPS = (
    App(),
    App(port=8080),
    App(port=9376, port_name="http"),
    App(name="api", labels={"app": "api"}),
    App(namespace="shop"),
    App(own_labels={"team": "blue"}),
    App(labels={"app": "web", "tier": "front"}, neighbour={"app": "web", "tier": "back"}),
    App("cart", "shop", 8080, "", {"app": "shop", "part": "cart"}, {"app": "shop"},
        {"app": "shop", "part": "search"}, 12),
)  # fmt: skip


def judge_expose(answer: Callable[..., Any], report: Report) -> Verdict:
    """Every app in a cluster of its own: declare, apply, and ask through DNS and the rules."""
    guard = Guard(answer)
    trials = Search[App](
        lambda app: Exposed(app, guard.call), lambda app: Exposed(app, expose), _telling
    )
    found = trials.find(APPS, report)
    if found is not None:
        return trials.told(found)
    return passed(f"{len(APPS)} Deployments, each reached through its Service and no other.")


def _telling(event: Event) -> Any:
    """Endpoints, rules, and the way of the packets."""
    if event.kind == "api.write" and event.fields["object"].startswith("endpoint"):
        return event.fields["verb"], event.fields["object"].split("/")[:2]
    if event.kind in ("proxy.rules", "packet.hop"):
        return [event.host, event.kind, *event.fields.values()]
    return None


def expose(deployment: Object) -> Object:
    """The reference."""
    pod = deployment["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {key: deployment["metadata"][key] for key in ("name", "namespace")},
        "spec": {
            "selector": deployment["spec"]["selector"]["matchLabels"],
            "ports": [
                {
                    "port": 80,
                    "targetPort": pod["spec"]["containers"][0]["ports"][0]["containerPort"],
                }
            ],
        },
    }


def deployment(app: App, name: str = "", labels: dict[str, str] | None = None) -> Object:
    """What the student's function is given."""
    labels = labels or app.labels
    port = {"containerPort": app.port} | ({"name": app.port_name} if app.port_name else {})
    container = {"name": "web", "image": AGNHOST, "ports": [port],
                 "args": ["netexec", f"--http-port={app.port}"]}  # fmt: skip
    own = labels if app.own_labels is None else app.own_labels
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name or app.name, "namespace": app.namespace, "labels": own},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


class Exposed(Trial):
    """An app, and the Service that an answer declares for it."""

    def __init__(self, app: App, answer: Callable[[Object], Any]) -> None:
        self.app, self.answer = app, answer
        self.service: Any = None
        self.pods: Sequence[Object] = ()

    def run(self) -> Failure | None:
        app, service = self.app, self.answer(deployment(self.app))
        if not isinstance(service, dict):
            kind = type(service).__name__
            raise Slip(f"it should return a Service, a dict, and returned {kind}")
        self.service = service
        if reason := _wrong_identity(app, service):
            return Failure(reason)
        try:
            cluster, answers = _run(app, service)
        except ApiError as error:
            return Failure(f"the API server refuses the Service: {error}")
        self.trace = cluster.trace
        pods = cluster.objects("pods", app.namespace)
        self.pods = tuple(pod for pod in pods if pod["metadata"]["name"] != "client")
        reason = _misled(app, service, self.pods, answers)
        return Failure(reason) if reason else None

    def details(self) -> Sequence[str]:
        return ["your Service:\n" + yaml.safe_dump(self.service, sort_keys=False).rstrip()]

    def drawn(self) -> Figure | None:
        return traffic(self.service, self.pods) if self.trace is not None else None


def _run(app: App, service: Object) -> tuple[Cluster, list[str]]:
    """The cluster, and who answered (a pod's name) or what went wrong, request by request."""
    cluster = Cluster(nodes=2, etcd_members=1, seed=app.seed)
    documents = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": app.namespace}},
        CLIENT,
        deployment(app),
    ]
    if app.neighbour:
        documents.append(deployment(app, "neighbour", app.neighbour))
    cluster.apply(_list(documents))
    wanted = [
        (d["metadata"]["name"], app.namespace) for d in documents if d["kind"] == "Deployment"
    ]
    cluster.run_until(
        lambda: (
            cluster.ready("pod/client")
            and all(cluster.ready(f"deployment/{name}", namespace) for name, namespace in wanted)
        )
    )
    cluster.apply(_list([service]))
    cluster.run_for(3)
    url = f"http://{app.name}.{app.namespace}.svc.cluster.local/hostname"
    return cluster, [_ask(cluster, url) for _ in range(ASKED)]


def _list(documents: list[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})


def _ask(cluster: Cluster, url: str) -> str:
    answer = cluster.curl("pod/client", url)
    return answer.body if answer.ok else f"error: {answer.error}"


def _wrong_identity(app: App, service: Object) -> str:
    kind = service.get("kind")
    metadata = service.get("metadata") if isinstance(service.get("metadata"), dict) else {}
    assert metadata is not None
    name, namespace = metadata.get("name"), metadata.get("namespace", "default")
    if service.get("apiVersion") != "v1" or kind != "Service":
        given = f"apiVersion {service.get('apiVersion')!r} and kind {kind!r}"
        return f'an object says what it is: apiVersion "v1" and kind "Service"; yours has {given}.'
    if name != app.name:
        return (f"clients look for a Service with the name of the Deployment, {app.name!r}; "
                f"yours is called {name!r}.")  # fmt: skip
    if namespace != app.namespace:
        return (f"the Deployment is in namespace {app.namespace!r}, your Service in {namespace!r}: "
                "a Service selects pods of its own namespace only.")  # fmt: skip
    return ""


def _misled(app: App, service: Object, pods: Sequence[Object], answers: list[str]) -> str:
    """Why the traffic did not go where it should, judged by who answered."""
    own = [
        pod["metadata"]["name"]
        for pod in pods
        if pod["metadata"]["name"].startswith(f"{app.name}-")
    ]
    strangers = [name for name in answers if name not in own and not name.startswith("error")]
    errors = [name for name in answers if name.startswith("error")]
    if strangers:
        return (f"pod {strangers[0]} answered, which is another Deployment's: the selector "
                f"{_selector(service)} matches its pods too.")  # fmt: skip
    if not errors:
        return ""
    labels = [pod["metadata"]["labels"] for pod in pods if pod["metadata"]["name"] in own]
    selector = service["spec"].get("selector") or {}
    matched = selector and all(labels[0].get(key) == value for key, value in selector.items())
    if not matched:
        told = {key: value for key, value in labels[0].items() if key != "pod-template-hash"}
        return (f"the selector {_selector(service)} matches none of the pods, which have "
                f"the labels {told}: the Service has no endpoints.")  # fmt: skip
    ports = [port.get("port") for port in service["spec"].get("ports", [])]
    if 80 not in ports:
        return f"clients ask port 80, and the Service has only {ports}: no rule is about port 80."
    return (f"the packets reach the pods at a port where nothing listens: the container listens on "
            f"{app.port}, and a targetPort that is left out is the same as port. curl says: "
            f"{errors[0].removeprefix('error: ')}.")  # fmt: skip


def _selector(service: Object) -> Any:
    return service["spec"].get("selector") or "(none)"


EXPOSE = Exercise("expose", judge_expose)

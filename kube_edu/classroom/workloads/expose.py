"""Lab 02, first exercise: declare a Service whose traffic reaches the pods of a Deployment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from kube_edu import Cluster
from kube_edu.api.status import ApiError
from kube_edu.classroom.exercise import Exercise
from kube_edu.classroom.trial import Failure, Judge, Reasons, Trial
from kube_edu.trace import Event
from kube_edu.viz import Figure, traffic

Object = dict[str, Any]

because = Reasons("02-declarative", "expose")

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
    """An app in a cluster of its own: an answer declares a Service for it, that is applied, and a
    client asks through DNS and the rules."""

    case: App
    service: Object
    pods: Sequence[Object] = ()

    def run(self) -> Failure | None:
        app = self.case
        self.service = service = self.guard.ask(dict, "a Service, a dict", deployment(app))
        if wrong := _wrong_identity(app, service):
            return wrong
        try:
            cluster, answers = _run(app, service)
        except ApiError as error:
            return because("invalid", error=error)
        self.trace = cluster.trace
        pods = cluster.objects("pods", app.namespace)
        self.pods = tuple(pod for pod in pods if pod["metadata"]["name"] != "client")
        return _misled(app, service, self.pods, answers)

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


def _wrong_identity(app: App, service: Object) -> Failure | None:
    version, kind = service.get("apiVersion"), service.get("kind")
    metadata = service.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name, namespace = metadata.get("name"), metadata.get("namespace", "default")
    if version != "v1" or kind != "Service":
        return because("no Service", version=version, kind=kind)
    if name != app.name:
        return because("another name", app=app, name=name)
    if namespace != app.namespace:
        return because("another namespace", app=app, namespace=namespace)
    return None


def _misled(
    app: App, service: Object, pods: Sequence[Object], answers: list[str]
) -> Failure | None:
    """Why the traffic did not go where it should, judged by who answered."""
    labels = {pod["metadata"]["name"]: pod["metadata"]["labels"] for pod in pods
              if pod["metadata"]["name"].startswith(f"{app.name}-")}  # fmt: skip
    errors = [name.removeprefix("error: ") for name in answers if name.startswith("error: ")]
    strangers = [name for name in answers if name not in labels and not name.startswith("error: ")]
    selector = service["spec"].get("selector") or {}
    if strangers:
        return because("strangers", pod=strangers[0], selector=selector or "(none)")
    if not errors:
        return None
    [its, *_] = labels.values()
    if not selector or not selector.items() <= its.items():
        told = {key: value for key, value in its.items() if key != "pod-template-hash"}
        return because("no endpoints", selector=selector or "(none)", labels=told)
    ports = [port.get("port") for port in service["spec"].get("ports", [])]
    if 80 not in ports:
        return because("another port", ports=ports)
    return because("another target", app=app, error=errors[0])


EXPOSE = Exercise(
    "expose",
    Judge(
        Exposed,
        expose,
        lambda: APPS,
        "{runs} Deployments, each reached through its Service and no other.",
        _telling,
    ),
)

"""A world with the controller manager at work on a FakeApi, and the objects of the stories."""

from __future__ import annotations

from typing import Any

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.controllers import ControllerManager
from kube_edu.host import Host
from kube_edu.host.identity import NOBODY
from tests.client.fakeapi import World


class Managed(World):
    def __init__(self, seed: int = 1, *, lag: float = 0.0, nodes: int = 1, **roles: Any) -> None:
        super().__init__(seed, lag=lag)
        self.roles = roles
        for name in ("default", "kube-system"):
            self.api.create(namespace(name))
        self.alive = [f"node-{number + 1}" for number in range(nodes)]
        for name in self.alive:
            self.api.create(node(name))
        self.worker.start("manager", self._manage)
        self.simulation.run_for(2)

    async def _manage(self, host: Host) -> None:
        anonymous = host.connect("control-1:6443", identity=NOBODY)
        await ControllerManager(host, self.client(host), anonymous, **self.roles).run()

    def run(self, seconds: float = 5.0) -> None:
        """Let time pass, in which the nodes that are alive renew their leases."""
        while seconds > 0:
            for name in self.alive:
                self._renew(name)
            super().run(min(seconds, 10))
            seconds -= 10

    def _renew(self, name: str) -> None:
        renewed = {"renewTime": meta.micro_timestamp(self.simulation.epoch + self.simulation.now)}
        if name in self.names("leases"):
            self.api.change(self.api.get("leases", name, "kube-node-lease"), spec=renewed)
            return
        metadata = {"name": name, "namespace": "kube-node-lease"}
        kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        self.api.create({**kind, "metadata": metadata, "spec": renewed})

    def names(self, plural: str) -> list[str]:
        """Of all objects but those that every namespace has."""
        names = [meta.name(obj) for obj in self.api.all(plural)]
        return [name for name in names if name != "kube-root-ca.crt"]

    def reasons(self, kind: str) -> list[str]:
        """The reasons of the events about objects of a kind."""
        events = self.api.all("events")
        return [e["reason"] for e in events if e["involvedObject"]["kind"] == kind]

    def pods_of(self, owner: Object) -> list[Object]:
        return [pod for pod in self.api.all("pods") if meta.owned_by(pod, owner)]

    def writes(self) -> int:
        return sum(
            r.method != "GET" and not r.path.startswith("/apis/coordination")
            for r in self.api.requests
        )


def namespace(name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def node(name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def template(**labels: str) -> Object:
    return {
        "metadata": {"labels": labels},
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": "nginx",
                    "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                }
            ]
        },
    }


def pod(name: str, **labels: str) -> Object:
    metadata = {"name": name, "namespace": "default", "labels": labels}
    spec = template()["spec"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def replicaset(name: str, replicas: int, **spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(app=name),
            **spec,
        },
    }


def deployment(name: str, replicas: int, **spec: Any) -> Object:
    return {**replicaset(name, replicas, **spec), "kind": "Deployment"}


def service(name: str, **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "clusterIP": "10.96.0.20",
            "selector": {"app": name},
            "ports": [{"port": 80, "targetPort": "http", "protocol": "TCP"}],
            **spec,
        },
    }

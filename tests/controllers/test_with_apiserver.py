"""The controllers at work on the API server itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.apiserver.options import Options
from kube_edu.apiserver.server import ApiServer
from kube_edu.client import ApiClient
from kube_edu.controllers import ControllerManager
from kube_edu.host import Host
from kube_edu.host.identity import NOBODY
from kube_edu.sim import Simulation
from kube_edu.sim.keys import SERVICE_ACCOUNTS
from tests.apiserver.fakes import LocalEtcd
from tests.controllers.test_deployment import with_image
from tests.controllers.world import deployment, namespace, node, service


class Plane:
    """A control plane of an API server and the controllers; the test plays the rest."""

    def __init__(self) -> None:
        self.simulation = Simulation(1)
        self._etcd = LocalEtcd()
        self._control = self.simulation.machine("control-1", "192.168.0.10")
        self._control.start("apiserver", self._serve)
        self._control.start("manager", self._manage)
        self._control.start("test", self._test)
        self.simulation.run_for(5)

    async def _serve(self, host: Host) -> None:
        server = ApiServer(host, self._etcd, Options(SERVICE_ACCOUNTS))  # type: ignore[arg-type]
        await host.serve(6443, server.handle, identity="apiserver")
        await server.run()

    async def _manage(self, host: Host) -> None:
        client = host.connect("control-1:6443", identity="controller-manager")
        anonymous = host.connect("control-1:6443", identity=NOBODY)
        await ControllerManager(host, ApiClient(client, "manager"), anonymous).run()

    async def _test(self, host: Host) -> None:
        self.client = ApiClient(host.connect("control-1:6443", identity="admin"), "test")
        await asyncio.Event().wait()

    def all(self, plural: str, namespace: str = "default") -> list[Object]:
        found: list[Object] = self.simulation.call(self.client.list(plural, namespace))["items"]
        return found

    def create(self, obj: Object) -> Object:
        return self.simulation.call(self.client.create(obj))

    def merge(self, plural: str, name: str, **patch: Any) -> Object:
        return self.simulation.call(self.client.patch(plural, name, "default", patch))

    def run(self, seconds: int) -> None:
        """Let time pass, in which pods start and end, and their node shows that it lives."""
        for _ in range(seconds):
            self.simulation.run_for(1)
            self.simulation.call(self._renew_lease())
            for pod in self.all("pods", ""):
                self.simulation.call(self._keep(pod))

    async def _renew_lease(self) -> None:
        now = meta.micro_timestamp(self.simulation.epoch + self.simulation.now)
        patch = {"spec": {"renewTime": now}}
        await self.client.patch("leases", "node-1", "kube-node-lease", patch)

    async def _keep(self, pod: Object) -> None:
        name, namespace = meta.name(pod), meta.namespace(pod)
        if "deletionTimestamp" in pod["metadata"]:
            await self.client.delete("pods", name, namespace, grace=0)
        elif "nodeName" not in pod["spec"]:
            binding = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": name, "namespace": namespace},
                "target": {"kind": "Node", "name": "node-1"},
            }
            await self.client.create(binding, resource="pods", subresource="binding")
        elif pod["status"].get("phase") == "Pending":
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": meta.timestamp(0)}
            status = {"phase": "Running", "podIP": "10.244.0.9", "conditions": [ready]}
            patch = {"status": status}
            await self.client.patch("pods", name, namespace, patch, subresource="status")


@pytest.fixture
def plane() -> Iterator[Plane]:
    plane = Plane()
    plane.create(node("node-1"))
    kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    metadata = {"name": "node-1", "namespace": "kube-node-lease"}
    plane.create({**kind, "metadata": metadata, "spec": {}})
    yield plane
    plane.simulation.close()


def test_a_deployment_rolls_out_and_back_and_goes(plane: Plane) -> None:
    web = plane.create(deployment("web", 3))
    plane.run(10)
    assert len(plane.all("pods")) == 3
    plane.merge("deployments", "web", spec={"template": with_image("nginx:2")})
    plane.run(20)
    assert {p["spec"]["containers"][0]["image"] for p in plane.all("pods")} == {"nginx:2"}
    plane.merge("deployments", "web", spec={"template": web["spec"]["template"]})
    plane.run(20)
    (found,) = plane.all("deployments")
    assert meta.annotations(found)["deployment.kubernetes.io/revision"] == "3"
    assert found["status"]["availableReplicas"] == 3
    assert meta.condition_is(found, "Progressing")
    assert len(plane.all("replicasets")) == 2
    deletion = plane.client.delete("deployments", "web", "default", propagation="Foreground")
    plane.simulation.call(deletion)
    plane.run(20)
    assert [plane.all(p) for p in ("deployments", "replicasets", "pods")] == [[], [], []]


def test_a_service_finds_its_pods(plane: Plane) -> None:
    made = service("web")
    del made["spec"]["clusterIP"]
    plane.create(made)
    plane.create(deployment("web", 2))
    plane.run(10)
    slices = [s for s in plane.all("endpointslices") if meta.name(s) != "kubernetes"]
    assert [len(s["endpoints"]) for s in slices] == [2]
    assert slices[0]["endpoints"][0]["conditions"]["ready"] is True


def test_a_namespace_comes_with_an_account_and_goes_with_all_it_has(plane: Plane) -> None:
    plane.create(namespace("shop"))
    web = deployment("web", 2)
    plane.create({**web, "metadata": {"name": "web", "namespace": "shop"}})
    plane.run(10)
    assert [meta.name(a) for a in plane.all("serviceaccounts", "shop")] == ["default"]
    plane.simulation.call(plane.client.delete("namespaces", "shop"))
    plane.run(40)
    assert "shop" not in [meta.name(n) for n in plane.all("namespaces", "")]


def test_at_rest_nothing_is_written_but_leases(plane: Plane) -> None:
    plane.create(deployment("web", 2))
    made = service("web")
    del made["spec"]["clusterIP"]
    plane.create(made)
    plane.run(10)
    plane.simulation.run_for(100)  # the node falls silent: nobody renews its lease
    before = plane.simulation.now
    plane.simulation.run_for(60)
    writes = plane.simulation.trace.select("api.write", since=before)
    assert {w.fields["object"].split("/")[0] for w in writes} <= {"leases"}

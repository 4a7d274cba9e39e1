"""One node with a kubelet and a simulated runtime, and a FakeApi."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import yaml

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.client import ApiClient
from kube_edu.cluster import as_text
from kube_edu.host import Host, Request
from kube_edu.host.identity import peer_of
from kube_edu.kubelet.cri.runtime import Program
from kube_edu.kubelet.cri.simulated import SimulatedRuntime
from kube_edu.kubelet.kubelet import Kubelet
from kube_edu.sim import Simulation
from kube_edu.sim.dataplane import DataPlane
from tests.client.fakeapi import FakeApi

API_SERVER = peer_of("apiserver-kubelet-client", "control-1", "")


class World:
    """`node-1`, with its podCIDR; time passes in `run`."""

    open: ClassVar[list[World]] = []

    def __init__(
        self,
        seed: int = 1,
        *,
        images: dict[str, Program] | None = None,
        manifests: AsyncIterator[Sequence[Object]] | None = None,
        ready: bool = True,
    ) -> None:
        self.open.append(self)
        self.simulation = Simulation(seed)
        self._images = images
        self._manifests = manifests
        self.api = FakeApi(self.simulation)
        plane = DataPlane(self.simulation)
        control = self.simulation.machine("control-1", "192.168.0.1")
        self.node = self.simulation.machine("node-1", "192.168.1.1")
        self.network = plane.node("node-1")
        control.start("kube-apiserver", self._apiserver)
        self.node.start("kernel", self.network.run)
        self.node.start("containerd", self._containerd)
        self.node.start("kubelet", self._kubelet)
        control.start("admin", self._admin)
        self.run(1)
        if ready:
            self.ask(
                self.client.patch("nodes", "node-1", "", {"spec": {"podCIDR": "10.244.1.0/24"}})
            )
            self.run(1)

    async def _apiserver(self, host: Host) -> None:
        await host.serve(6443, self.api.handle, identity="apiserver")
        await asyncio.Event().wait()

    async def _containerd(self, host: Host) -> None:
        self.runtime = SimulatedRuntime(host, self.network, self._images)
        await asyncio.Event().wait()

    async def _kubelet(self, host: Host) -> None:
        client = ApiClient(host.connect("control-1:6443", identity="kubelet"), "kubelet")
        self.kubelet = Kubelet(host, client, self.runtime, self.network, manifests=self._manifests)
        await self.kubelet.run()

    async def _admin(self, host: Host) -> None:
        self.client = ApiClient(host.connect("control-1:6443", identity="admin"), "test")

    # --- what tests do

    def run(self, seconds: float) -> None:
        self.simulation.run_for(seconds)

    def ask(self, coroutine: Any) -> Any:
        return self.simulation.call(coroutine)

    def create(self, text: str) -> Object:
        """Create an object from YAML, in the namespace default and, a pod, on this node."""
        obj = yaml.safe_load(text)
        obj["metadata"].setdefault("namespace", "default")
        if obj["kind"] == "Pod":
            obj["spec"].setdefault("nodeName", "node-1")
        return self.ask(self.client.create(obj))

    def pod(
        self, name: str = "p", *, image: str = "nginx", spec: str = "", container: str = ""
    ) -> Object:
        """Create a pod of one container "c"; the texts are flow-style YAML added to its parts."""
        return self.create(
            f"{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{"
            f"containers: [{{name: c, image: {image}, {container}}}], {spec}}}}}"
        )

    def get(self, name: str = "p", resource: str = "pods", namespace: str = "default") -> Object:
        return self.ask(self.client.get(resource, name, namespace))

    def exists(self, name: str = "p") -> bool:
        pods = self.ask(self.client.list("pods", "default"))["items"]
        return name in [meta.name(pod) for pod in pods]

    def phase(self, name: str = "p") -> str:
        return str(self.get(name)["status"]["phase"])

    def container(self, name: str = "p", field: str = "containerStatuses") -> Object:
        """The status of a pod's first container."""
        status: Object = self.get(name)["status"][field][0]
        return status

    def delete(self, name: str = "p", grace: int | None = None) -> None:
        self.ask(self.client.delete("pods", name, "default", grace=grace))

    def events(self, *reasons: str) -> list[str]:
        """The messages of the events with these reasons, oldest first."""
        events = self.ask(self.client.list("events"))["items"]
        events.sort(key=lambda e: int(e["metadata"]["resourceVersion"]))
        return [e["message"] for e in events if not reasons or e["reason"] in reasons]

    def logs(self, name: str = "p", **query: str) -> str:
        """What the kubelet's own API answers for a pod's container "c"."""

        async def read() -> str:
            path = f"/containerLogs/default/{name}/c"
            response = await self.kubelet.handle(
                Request("GET", path, tuple(query.items()), peer=API_SERVER)
            )
            if response.stream is None:
                return str(response.body)
            return b"".join([chunk async for chunk in response.stream]).decode()

        return str(self.ask(read()))

    def get_url(self, url_path: str, address: str, port: int = 80) -> str:
        """The body of an HTTP answer from a pod, asked from the node."""
        request = Request("GET", url_path)
        answer = self.ask(self.network.exchange("192.168.1.1", address, port, "TCP", request))
        return as_text(answer.body)

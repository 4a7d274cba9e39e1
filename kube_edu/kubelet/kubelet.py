"""The kubelet: makes the pods that are bound to its node run, and says how they are.

Source: kubernetes, pkg/kubelet/kubelet.go. It takes orders from the API server (and from static
manifests), never from the control plane directly; and it keeps nothing on disk: when it starts, it
finds the containers that the runtime has and goes on from there.
"""

from __future__ import annotations

import asyncio

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.client import ApiClient, EventRecorder, Informers
from kube_edu.host import Host, Request, Response
from kube_edu.kubelet.cni import PodNetwork
from kube_edu.kubelet.config import ConfigResolver
from kube_edu.kubelet.container_starter import Tools
from kube_edu.kubelet.cri import ContainerStatus, PodSandboxConfig, Runtime, SandboxStatus
from kube_edu.kubelet.node import NodeAgent
from kube_edu.kubelet.pod_workers import PodWorker
from kube_edu.kubelet.server import KubeletServer
from kube_edu.kubelet.sources import Manifests, PodSources
from kube_edu.kubelet.status_manager import StatusManager

_Thing = tuple[PodSandboxConfig, SandboxStatus | ContainerStatus]


class Kubelet:
    """One node's agent. `manifests` are its static pods; `handle` serves its own API."""

    def __init__(
        self,
        host: Host,
        client: ApiClient,
        runtime: Runtime,
        network: PodNetwork,
        *,
        manifests: Manifests | None = None,
        cluster_dns: str = "10.96.0.10",
    ) -> None:
        self._host = host
        self._runtime = runtime
        self._informers = Informers(client, host)
        self._events = EventRecorder(client, host, "kubelet")
        pods = self._informers("pods", fields=f"spec.nodeName={host.name}")
        nodes = self._informers("nodes", fields=f"metadata.name={host.name}")
        services = self._informers("services")
        self._node = NodeAgent(host, client, network, nodes)
        self._statuses = StatusManager(host, client, pods)
        self._sources = PodSources(
            host, client, pods, nodes, manifests, update=self._update, remove=self._remove
        )
        config = ConfigResolver(client, services, host.address, cluster_dns)
        self._tools = Tools(host, runtime, config, self._statuses, self._events, network)
        self._server = KubeletServer(host, runtime, self._pods)
        self._workers: dict[str, PodWorker] = {}
        self._group: asyncio.TaskGroup | None = None

    async def handle(self, request: Request) -> Response:
        """The kubelet's own API, to be served on port 10250."""
        return await self._server.handle(request)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as self._group:
            for work in (
                self._informers.run(),
                self._events.run(),
                self._node.run(),
                self._statuses.run(),
                self._sources.run(),
                self._follow_runtime(),
            ):
                self._group.create_task(work)
            await self._informers.synced()
            self._sources.watch()
            await self._remove_orphans()

    # --- pods and their workers

    def _pods(self) -> list[Object]:
        """The pods of this node, each with its newest status."""
        return [
            {**worker.pod, "status": self._statuses.get(worker.pod)}
            for worker in self._workers.values()
        ]

    def _update(self, pod: Object) -> None:
        uid = meta.uid(pod)
        if uid in self._workers:
            self._workers[uid].update(pod)
            return
        assert self._group is not None
        namesake = next(
            (w for w in self._workers.values() if meta.key(w.pod) == meta.key(pod)), None
        )
        worker = self._workers[uid] = PodWorker(pod, self._tools)
        self._group.create_task(self._work(worker, namesake))

    def _remove(self, pod: Object) -> None:
        if meta.uid(pod) in self._workers:
            self._workers[meta.uid(pod)].removed()

    async def _work(self, worker: PodWorker, namesake: PodWorker | None) -> None:
        """Run a worker, once its predecessor of the same name has left nothing behind."""
        if namesake is not None:
            await namesake.finished.wait()
        await worker.run()
        del self._workers[meta.uid(worker.pod)]

    # --- what the runtime has

    async def _follow_runtime(self) -> None:
        """The pod lifecycle event generator (pkg/kubelet/pleg): compare what the runtime has
        with what it had, and wake the workers of the pods in which something differs."""
        known = await self._things()
        while True:
            await self._runtime.changes()
            now = await self._things()
            for id in {**now, **known}:
                if now.get(id) == known.get(id):
                    continue
                pod, thing = now.get(id) or known[id]
                if id in now:
                    self._record(pod, thing)
                # A new sandbox is news to nobody: its pod's worker has made it.
                is_news = isinstance(thing, ContainerStatus) or not thing.address
                if is_news and pod.uid in self._workers:
                    self._workers[pod.uid].wake()
            known = now

    async def _things(self) -> dict[str, _Thing]:
        """All sandboxes and containers by id, as they are now, each with its pod."""
        sandboxes = await self._runtime.list_pod_sandbox()
        things: dict[str, _Thing] = {s.id: (s.config, s) for s in sandboxes}
        for container in await self._runtime.list_containers():
            if container.sandbox in things:
                things[container.id] = (things[container.sandbox][0], container)
        return things

    def _record(self, pod: PodSandboxConfig, thing: SandboxStatus | ContainerStatus) -> None:
        reference = f"pods/{pod.namespace}/{pod.name}"
        if isinstance(thing, SandboxStatus):
            self._host.record("kubelet.sandbox", object=reference, address=thing.address)
            return
        self._host.record(
            "kubelet.container",
            object=reference,
            container=thing.config.name,
            state=thing.state,
            reason=thing.reason,
        )

    async def _remove_orphans(self) -> None:
        """Pods that were deleted while no kubelet was here."""
        await self._sources.complete()
        for sandbox in await self._runtime.list_pod_sandbox():
            if sandbox.config.uid not in self._workers:
                await self._runtime.remove_pod_sandbox(sandbox.id)

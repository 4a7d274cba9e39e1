"""Pods of nodes that are no more: no kubelet will ever end them
(upstream pkg/controller/podgc, gcOrphaned)."""

from __future__ import annotations

import asyncio

from kube_edu.api import meta, podutil
from kube_edu.api.meta import Object
from kube_edu.client import ApiClient, Controller, Informers
from kube_edu.host import Host

QUARANTINE = 40.0  # seconds that a node may be missing, as it may just be registering anew


class PodGCController(Controller):
    name = "podgc"
    account = "pod-garbage-collector"
    resource = "pods"

    def __init__(self, client: ApiClient, host: Host, informers: Informers) -> None:
        super().__init__(client, host, informers)
        self._missing: dict[str, float] = {}  # nodes, since when
        self._nodes = informers("nodes")
        self._nodes.on_change(self._node_changed)
        self._pods = self.watch("pods", self._if_orphaned)
        self._pods.add_index("node", podutil.by_node)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._missing.pop(meta.name(new), None)
        elif old is not None:
            for pod in self._pods.by_index("node", meta.name(old)):
                self.queue.add(meta.key(pod))

    def _if_orphaned(self, pod: Object) -> list[str]:
        node = podutil.node_name(pod)
        return [meta.key(pod)] if node and self._nodes.get(node) is None else []

    async def reconcile(self, key: str) -> None:
        pod = self._pods.get(key)
        if pod is None or not self._if_orphaned(pod):
            return
        now, node = asyncio.get_running_loop().time(), podutil.node_name(pod)
        left = self._missing.setdefault(node, now) + QUARANTINE - now
        if left > 0:
            self.queue.add_after(key, left)
        elif await self.client.find("nodes", node) is None:
            if not podutil.is_finished(pod):
                failed = {"status": {"phase": "Failed"}}
                name, namespace = meta.name(pod), meta.namespace(pod)
                await self.client.patch("pods", name, namespace, failed, subresource="status")
            await self.client.delete_object(pod, grace=0)

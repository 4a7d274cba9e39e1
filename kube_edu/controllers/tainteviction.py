"""Evicts pods from nodes with NoExecute taints, when their tolerations run out
(upstream pkg/controller/tainteviction)."""

from __future__ import annotations

import asyncio
import math

from kube_edu.api import meta, podutil
from kube_edu.api.meta import Object
from kube_edu.client import ApiClient, Controller, Informers
from kube_edu.host import Host


class TaintEvictionController(Controller):
    name = "tainteviction"
    account = "node-controller"
    resource = "pods"

    def __init__(self, client: ApiClient, host: Host, informers: Informers) -> None:
        super().__init__(client, host, informers)
        self._since: dict[str, float] = {}  # pods on tainted nodes, and when they were first seen
        self._nodes, self._pods = informers("nodes"), informers("pods")
        self._pods.add_index("node", podutil.by_node)
        self.watch("nodes", self._keys_of_node)
        self.watch("pods", self._keys_of_pod)

    def _keys_of_node(self, node: Object) -> list[str]:
        if not _no_execute(node):
            return []
        return [meta.key(pod) for pod in self._pods.by_index("node", meta.name(node))]

    def _keys_of_pod(self, pod: Object) -> list[str]:
        node = self._nodes.get(podutil.node_name(pod))
        return [meta.key(pod)] if node is not None and _no_execute(node) else []

    async def reconcile(self, key: str) -> None:
        pod = self._pods.get(key)
        node = self._nodes.get(podutil.node_name(pod)) if pod is not None else None
        if pod is None or node is None or meta.is_deleting(pod) or not _no_execute(node):
            self._since.pop(key, None)
            return
        now = asyncio.get_running_loop().time()
        left = self._since.setdefault(key, now) + seconds_tolerated(pod, node) - now
        if left <= 0:
            message = f"Marking for deletion Pod {key}"
            self.events.event(pod, "Normal", "TaintManagerEviction", message)
            await self.client.delete_object(pod)
        elif left < math.inf:
            self.queue.add_after(key, left)


def seconds_tolerated(pod: Object, node: Object) -> float:
    """How long the pod puts up with the node's NoExecute taints: not at all if it has no
    toleration for one of them, else for the shortest of its `tolerationSeconds`, else for ever
    (upstream getMinTolerationTime)."""
    shortest = math.inf
    for taint in _no_execute(node):
        matching = [
            toleration
            for toleration in pod["spec"].get("tolerations") or ()
            if podutil.tolerates(toleration, taint)
        ]
        limits = [t["tolerationSeconds"] for t in matching if "tolerationSeconds" in t]
        shortest = min([shortest, *limits]) if matching else 0
    return max(0, shortest)


def _no_execute(node: Object) -> list[Object]:
    return [t for t in node["spec"].get("taints") or () if t["effect"] == "NoExecute"]

"""Evicts pods from nodes with NoExecute taints, when their tolerations run out
(upstream pkg/controller/tainteviction)."""

from __future__ import annotations

import math

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.client import ApiClient, Controller, Informers
from kube_edu.controllers import pods as podutil
from kube_edu.host import Host


class TaintEvictionController(Controller):
    name = "tainteviction"
    resource = "pods"

    def __init__(self, client: ApiClient, host: Host, informers: Informers) -> None:
        super().__init__(client, host, informers)
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
        if pod is None or node is None or podutil.is_deleting(pod):
            return
        due = eviction_time(pod, node)
        if due > self.host.now():
            if due < math.inf:
                self.queue.add_after(key, due - self.host.now())
            return
        self.events.event(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key}")
        await self.client.delete_object(pod)


def eviction_time(pod: Object, node: Object) -> float:
    """When the pod must go: at once for a taint that it does not tolerate, else when the first
    of its `tolerationSeconds` is over; infinity if it may stay."""
    due = math.inf
    for taint in _no_execute(node):
        tolerations = [t for t in pod["spec"].get("tolerations") or () if _tolerates(t, taint)]
        if not tolerations:
            return 0
        limits = [
            t["tolerationSeconds"] for t in tolerations if t.get("tolerationSeconds") is not None
        ]
        if limits:
            due = min(due, meta.seconds(taint["timeAdded"]) + max(0, min(limits)))
    return due


def _no_execute(node: Object) -> list[Object]:
    return [t for t in node["spec"].get("taints") or () if t["effect"] == "NoExecute"]


def _tolerates(toleration: Object, taint: Object) -> bool:
    """Upstream Toleration.ToleratesTaint: what is left out matches everything."""
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    exists = toleration.get("operator") == "Exists"
    return exists or bool(toleration.get("value", "") == taint.get("value", ""))

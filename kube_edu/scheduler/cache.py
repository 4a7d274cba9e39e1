"""What the scheduler knows of nodes, and of the pods that are on them or soon will be.

Source: kubernetes, pkg/scheduler/backend/cache/cache.go and pkg/scheduler/framework/types.go.
"""

from __future__ import annotations

import asyncio

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.podresources import add
from kube_edu.scheduler.resources import (
    DEFAULT_REQUEST,
    Resources,
    amounts,
    requests,
    subtract,
)

ASSUMED_FOR = 30.0
"""Seconds after a binding that a pod stays assumed without word from the watch."""


class NodeInfo:
    """A node with the pods on it and what they request together: what plugins look at."""

    def __init__(self, node: Object) -> None:
        self.node = node
        self.name = meta.name(node)
        self.allocatable = amounts(node.get("status", {}).get("allocatable") or {})
        self.requested: Resources = {}
        self.nonzero_requested: Resources = {}
        """As `requested`, with a default for containers that request nothing: for scores."""
        self._pods: dict[str, Object] = {}

    @property
    def pods(self) -> list[Object]:
        return list(self._pods.values())

    @property
    def labels(self) -> dict[str, str]:
        return meta.labels(self.node)

    @property
    def taints(self) -> list[Object]:
        return self.node.get("spec", {}).get("taints") or []

    def add_pod(self, pod: Object) -> None:
        self._pods[meta.key(pod)] = pod
        self.requested = add(self.requested, requests(pod))
        self.nonzero_requested = add(self.nonzero_requested, requests(pod, DEFAULT_REQUEST))

    def remove_pod(self, key: str) -> None:
        pod = self._pods.pop(key)
        self.requested = subtract(self.requested, requests(pod))
        self.nonzero_requested = subtract(self.nonzero_requested, requests(pod, DEFAULT_REQUEST))


class Cache:
    """Nodes and assigned pods as the watch tells of them, with pods *assumed* on top.

    Binding takes a round trip; the next pod is scheduled meanwhile. So a pod counts on its node
    from the moment of the decision: it is assumed until the watch confirms it, or the binding
    fails (`forget`), or too long a time passes after the binding without any word.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, NodeInfo] = {}
        self._pods: dict[str, Object] = {}
        self._assumed: dict[str, asyncio.TimerHandle | None] = {}

    def nodes(self) -> list[NodeInfo]:
        """All nodes, by name."""
        return [self._nodes[name] for name in sorted(self._nodes)]

    def set_node(self, node: Object) -> None:
        info = NodeInfo(node)
        known = self._nodes.get(info.name)
        for pod in known.pods if known else list(self._pods.values()):
            if pod["spec"]["nodeName"] == info.name:
                info.add_pod(pod)
        self._nodes[info.name] = info

    def remove_node(self, name: str) -> None:
        self._nodes.pop(name, None)

    def set_pod(self, pod: Object) -> None:
        """The watch shows this pod on its node, where it may have been assumed."""
        self.remove_pod(meta.key(pod))
        self._put(pod)

    def remove_pod(self, key: str) -> None:
        timer = self._assumed.pop(key, None)
        if timer is not None:
            timer.cancel()
        pod = self._pods.pop(key, None)
        if pod is not None and pod["spec"]["nodeName"] in self._nodes:
            self._nodes[pod["spec"]["nodeName"]].remove_pod(key)

    def assume(self, pod: Object, node: str) -> None:
        self._assumed[meta.key(pod)] = None
        self._put({**pod, "spec": {**pod["spec"], "nodeName": node}})

    def is_assumed(self, key: str) -> bool:
        return key in self._assumed

    def finish_binding(self, key: str) -> None:
        """The API server has taken the binding: the watch should tell of it soon."""
        if key in self._assumed:
            loop = asyncio.get_running_loop()
            self._assumed[key] = loop.call_later(ASSUMED_FOR, self.forget, key)

    def forget(self, key: str) -> None:
        """Take back an assumption; nothing happens to a pod that was confirmed."""
        if key in self._assumed:
            self.remove_pod(key)

    def _put(self, pod: Object) -> None:
        self._pods[meta.key(pod)] = pod
        if pod["spec"]["nodeName"] in self._nodes:
            self._nodes[pod["spec"]["nodeName"]].add_pod(pod)

"""The first and the last plugin: which pod is next, and how its node is made known.

Source: kubernetes, pkg/scheduler/framework/plugins/queuesort and defaultbinder.
"""

from __future__ import annotations

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.client import ApiClient
from kube_edu.scheduler.queue import QueuedPod


class PrioritySort:
    """Higher priority first, then whoever waits longer."""

    name = "PrioritySort"

    def sort_key(self, entry: QueuedPod) -> tuple[int, float]:
        return -int(entry.pod["spec"].get("priority") or 0), entry.timestamp


class DefaultBinder:
    """Posts a Binding, which sets the pod's spec.nodeName: the one field of a pod's spec that
    the scheduler may decide."""

    name = "DefaultBinder"

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def bind(self, pod: Object, node: str) -> None:
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {
                "name": meta.name(pod),
                "namespace": meta.namespace(pod),
                "uid": meta.uid(pod),
            },
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        await self._client.create(binding, resource="pods", subresource="binding")

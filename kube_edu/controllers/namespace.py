"""Namespaces that are being deleted: everything in them goes first
(upstream pkg/controller/namespace/deletion)."""

from __future__ import annotations

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.resources import STORED
from kube_edu.client import ApiClient, Controller, Informers
from kube_edu.host import Host

FINALIZER = "kubernetes"
SECONDS_FOR_FINALIZERS = 15  # a guess at how long whoever holds content up may take


class NamespaceController(Controller):
    name = "namespace"
    account = "namespace-controller"
    resource = "namespaces"
    workers = 10

    def __init__(self, client: ApiClient, host: Host, informers: Informers) -> None:
        super().__init__(client, host, informers)
        self._namespaces = self.watch("namespaces")
        self._pods = informers("pods")
        self.watch("pods", self._last_pod_gone)

    def _last_pod_gone(self, pod: Object) -> list[str]:
        name = meta.namespace(pod)
        namespace = self._namespaces.get(name)
        if namespace is None or not meta.is_deleting(namespace):
            return []
        return [] if self._pods.by_index("namespace", name) else [name]

    async def reconcile(self, key: str) -> None:
        namespace = self._namespaces.get(key)
        if namespace is None or not meta.is_deleting(namespace):
            return
        finalizers = namespace["spec"].get("finalizers") or []
        if FINALIZER not in finalizers:
            return
        if await self._delete_content(key):
            self.queue.add_after(key, SECONDS_FOR_FINALIZERS)
            return
        spec = {**namespace["spec"], "finalizers": [f for f in finalizers if f != FINALIZER]}
        await self.client.update({**namespace, "spec": spec}, subresource="finalize")

    async def _delete_content(self, namespace: str) -> bool:
        """Delete what there is; whether some of it needs time to go."""
        remaining = False
        for resource in STORED:
            if not resource.namespaced:
                continue
            found = (await self.client.list(resource, namespace))["items"]
            for obj in found:
                if not meta.is_deleting(obj):
                    await self.client.delete_object(obj, propagation="Background")
            if found and (await self.client.list(resource, namespace))["items"]:
                remaining = True
        return remaining

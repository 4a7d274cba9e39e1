"""The ConfigMap "kube-root-ca.crt" in every namespace: by which authority's certificate pods know
the API server (upstream pkg/controller/certificates/rootcacertpublisher)."""

from __future__ import annotations

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.client import ApiClient, Controller, Informers
from kube_edu.host import Host

NAME = "kube-root-ca.crt"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
    "guaranteed across distributions of Kubernetes clusters."
)


class RootCACertPublisher(Controller):
    name = "rootcacertpublisher"
    account = "root-ca-cert-publisher"
    resource = "namespaces"

    def __init__(
        self, client: ApiClient, host: Host, informers: Informers, *, root_ca: str
    ) -> None:
        super().__init__(client, host, informers)
        self._data = {"ca.crt": root_ca}
        self._namespaces = self.watch("namespaces")
        self._published = informers("configmaps", fields=f"metadata.name={NAME}")
        self._published.on_change(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        self.queue.add(meta.namespace(new or old or {}))

    async def reconcile(self, key: str) -> None:
        namespace = self._namespaces.get(key)
        if namespace is None or meta.is_deleting(namespace):
            return
        found = self._published.get(f"{key}/{NAME}")
        if found is None:
            annotations = {"kubernetes.io/description": DESCRIPTION}
            metadata = {"name": NAME, "namespace": key, "annotations": annotations}
            kind = {"apiVersion": "v1", "kind": "ConfigMap"}
            try:
                await self.client.create({**kind, "metadata": metadata, "data": self._data})
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
        elif found.get("data") != self._data:
            await self.client.update({**found, "data": self._data})

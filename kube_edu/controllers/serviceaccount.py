"""A ServiceAccount "default" in every namespace
(upstream pkg/controller/serviceaccount/serviceaccounts_controller.go)."""

from __future__ import annotations

from kube_edu.api import meta
from kube_edu.api.status import ApiError
from kube_edu.client import ApiClient, Controller, Informers
from kube_edu.host import Host


class ServiceAccountController(Controller):
    name = "serviceaccount"
    account = "service-account-controller"
    resource = "namespaces"

    def __init__(self, client: ApiClient, host: Host, informers: Informers) -> None:
        super().__init__(client, host, informers)
        self._namespaces = self.watch("namespaces")
        self._accounts = self.watch("serviceaccounts", lambda account: [meta.namespace(account)])

    async def reconcile(self, key: str) -> None:
        namespace = self._namespaces.get(key)
        if namespace is None or meta.is_deleting(namespace) or self._accounts.get(f"{key}/default"):
            return
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": key},
        }
        try:
            await self.client.create(account)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

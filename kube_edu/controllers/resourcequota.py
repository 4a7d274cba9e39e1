"""What a namespace uses of its quotas, counted anew: when something is gone, when a quota changes,
and every five minutes (upstream pkg/controller/resourcequota).

What is created is booked by the API server itself, at admission.
"""

from __future__ import annotations

from decimal import Decimal

from kube_edu.api import meta, quota
from kube_edu.api.meta import Object
from kube_edu.api.resources import by_plural
from kube_edu.client import ApiClient, Controller, Informers
from kube_edu.host import Host

RESYNC = 300.0
WATCHED = ("pods", "services", "persistentvolumeclaims")
"""Whose changes are heard of at once; the rest is counted at the next resync."""


class ResourceQuotaController(Controller):
    name = "resourcequota"
    account = "resourcequota-controller"
    resource = "resourcequotas"

    def __init__(self, client: ApiClient, host: Host, informers: Informers) -> None:
        super().__init__(client, host, informers)
        self._quotas = self.watch("resourcequotas")
        for resource in WATCHED:
            informers(resource).on_change(self._something_changed)

    def _something_changed(self, old: Object | None, new: Object | None) -> None:
        """Less is used when something is gone, or a pod has ended."""
        if old is None or (new is not None and quota.usage(new) == quota.usage(old)):
            return
        for found in self._quotas.by_index("namespace", meta.namespace(old)):
            self.queue.add(meta.key(found))

    async def reconcile(self, key: str) -> None:
        found = self._quotas.get(key)
        if found is None:
            return
        hard = found["spec"].get("hard") or {}
        used = await self._used(found, list(hard))
        status = {"hard": hard, "used": quota.shown(used)}
        if status != found.get("status"):
            await self.client.update({**found, "status": status}, subresource="status")
        self.queue.add_after(key, RESYNC)

    async def _used(self, found: Object, names: list[str]) -> quota.Usage:
        objects: list[Object] = []
        for plural in _plurals(names):
            objects += [
                obj
                for obj in (await self.client.list(plural, meta.namespace(found)))["items"]
                if quota.matches(found, obj)
            ]
        total = quota.total(objects)
        return {name: total.get(name, Decimal(0)) for name in names}


def _plurals(names: list[str]) -> list[str]:
    """The resources whose objects count for these names, each once."""
    found = []
    for name in names:
        if name.startswith("count/"):
            plural = name.removeprefix("count/")
        elif name in quota.COUNTED:
            plural = name
        elif name.startswith("services."):
            plural = "services"
        elif name == "requests.storage" or ".storageclass.storage.k8s.io/" in name:
            plural = "persistentvolumeclaims"
        else:
            plural = "pods"
        try:
            found.append(by_plural(plural).qualified)
        except KeyError:  # of a kind that there is not
            continue
    return list(dict.fromkeys(found))

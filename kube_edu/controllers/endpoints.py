"""Endpoints: the older, shorter form of the same answer, one object a Service, which
`kubectl get endpoints` shows (upstream endpoints_controller.go)."""

from __future__ import annotations

import ipaddress
import json

from kube_edu.api import meta, podutil
from kube_edu.api.meta import Object
from kube_edu.client import ApiClient, Controller, Informers
from kube_edu.controllers.endpointslice import (
    HEADLESS,
    has_own_name,
    has_selector,
    is_headless,
    pods_of,
    ports_of,
    services_of,
    target_reference,
)
from kube_edu.host import Host

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"


class EndpointsController(Controller):
    name = "endpoint"
    account = "endpoint-controller"
    resource = "services"

    def __init__(self, client: ApiClient, host: Host, informers: Informers) -> None:
        super().__init__(client, host, informers)
        self._services = self.watch("services")
        self._pods = self.watch("pods", lambda pod: services_of(pod, self._services))
        self._endpoints = self.watch("endpoints")

    async def reconcile(self, key: str) -> None:
        service, old = self._services.get(key), self._endpoints.get(key)
        if service is None:
            if old is not None and meta.labels(old).get(MANAGED_BY) == MANAGER:
                await self.client.delete_object(old)
            return
        if not has_selector(service):
            return
        labels = {**meta.labels(service), MANAGED_BY: MANAGER}
        if is_headless(service):
            labels[HEADLESS] = ""
        name, namespace = meta.name(service), meta.namespace(service)
        metadata = {**(old["metadata"] if old else {"name": name, "namespace": namespace})}
        new: Object = {
            **(old or {"apiVersion": "v1", "kind": "Endpoints"}),
            "metadata": {**metadata, "labels": labels},
        }
        new.pop("subsets", None)
        subsets = _subsets(service, pods_of(service, self._pods))
        if subsets:
            new["subsets"] = subsets
        if old is None:
            await self.client.create(new)
        elif new != old:
            await self.client.update(new)


def _subsets(service: Object, pods: list[Object]) -> list[Object]:
    """Addresses by the ports that they have in common; pods that end are left out."""
    by_ports: dict[str, dict[str, list[Object]]] = {}
    for pod in sorted(pods, key=lambda pod: ipaddress.ip_address(pod["status"]["podIP"])):
        if meta.is_deleting(pod):
            continue
        listed = podutil.is_ready(pod) or service["spec"].get("publishNotReadyAddresses", False)
        ports = json.dumps(ports_of(service, pod))
        address = {
            "ip": pod["status"]["podIP"],
            "nodeName": podutil.node_name(pod),
            "targetRef": target_reference(pod),
        }
        if has_own_name(service, pod):
            address["hostname"] = pod["spec"]["hostname"]
        field = "addresses" if listed else "notReadyAddresses"
        by_ports.setdefault(ports, {}).setdefault(field, []).append(address)
    return [
        {**addresses, "ports": _named(json.loads(ports))}
        for ports, addresses in sorted(by_ports.items())
    ]


def _named(ports: list[Object]) -> list[Object]:
    """Here an unnamed port has no name at all, where a slice's has the empty one."""
    return [{k: v for k, v in port.items() if k != "name" or v} for port in ports]

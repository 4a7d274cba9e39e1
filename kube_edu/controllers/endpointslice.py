"""EndpointSlices: which pods stand behind a Service, and in what state
(upstream pkg/controller/endpointslice and staging/src/k8s.io/endpointslice)."""

from __future__ import annotations

import json
from collections.abc import Iterable

from kube_edu.api import meta, podutil
from kube_edu.api.meta import Object
from kube_edu.api.selectors import LabelSelector
from kube_edu.client import ApiClient, Controller, Informer, Informers
from kube_edu.controllers.ownership import Expectations
from kube_edu.host import Host

MAX_ENDPOINTS_PER_SLICE = 100
SECONDS_TO_OWN_WRITES = 1.0
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"


class EndpointSliceController(Controller):
    name = "endpointslice"
    account = "endpointslice-controller"
    resource = "services"

    def __init__(self, client: ApiClient, host: Host, informers: Informers) -> None:
        super().__init__(client, host, informers)
        self._services = self.watch("services")
        self._pods = self.watch("pods", lambda pod: services_of(pod, self._services))
        self._slices = self.watch("endpointslices", _own_service)
        self._slices.add_index("service", _own_service)
        self._expectations = Expectations(self._slices)

    async def reconcile(self, key: str) -> None:
        service = self._services.get(key)
        if service is None or not has_selector(service):
            self._expectations.forget(key)
            return  # slices are owned by their Service: the garbage collector takes them
        if not self._expectations.fulfilled(key):
            self.queue.add_after(key, SECONDS_TO_OWN_WRITES)
            return
        existing = sorted(self._slices.by_index("service", key), key=meta.name)
        wanted, spare = _plan(service, pods_of(service, self._pods), existing)
        for obj in wanted:
            if "name" not in obj["metadata"]:
                self._expectations.created(key, await self.client.create(obj))
            elif not any(obj == old for old in existing):
                await self.client.update(obj)
        for obj in spare:
            await self.client.delete_object(obj)
            self._expectations.deleted(key, obj)


def _plan(
    service: Object, pods: list[Object], existing: list[Object]
) -> tuple[list[Object], list[Object]]:
    """The slices that there should be, and those of the existing ones that nobody needs.

    Endpoints stay in the slice they are in, so that one pod's change is one slice's change; new
    ones fill the slices that have room, and then further slices. A slice has one list of ports:
    pods that resolve a named port differently are in different slices.
    """
    by_ports: dict[str, list[Object]] = {}
    for pod in pods:
        by_ports.setdefault(json.dumps(ports_of(service, pod)), []).append(_endpoint(service, pod))
    wanted: list[Object] = []
    further: list[tuple[list[Object], list[Object]]] = []  # ports and endpoints of new slices
    spare = list(existing)
    for ports_text, endpoints in by_ports.items():
        ports = json.loads(ports_text)
        new = {endpoint["targetRef"]["uid"]: endpoint for endpoint in endpoints}
        staying = [(old, _taken(old, new)) for old in existing if old["ports"] == ports]
        rest = list(new.values())
        for old, kept in staying:
            room = MAX_ENDPOINTS_PER_SLICE - len(kept)
            filled, rest = kept + rest[:room], rest[room:]
            if filled:
                wanted.append(_slice(service, ports, filled, old))
                spare.remove(old)
        for start in range(0, len(rest), MAX_ENDPOINTS_PER_SLICE):
            further.append((ports, rest[start : start + MAX_ENDPOINTS_PER_SLICE]))
    if not pods:
        further.append(([], []))  # one empty slice says: looked, and found nobody
    for ports, endpoints in further:  # rather a slice used again than one made and one deleted
        wanted.append(_slice(service, ports, endpoints, spare.pop(0) if spare else None))
    return wanted, spare


def _taken(old: Object, new: dict[str, Object]) -> list[Object]:
    """Take from `new` the endpoints that are in this slice already."""
    uids = [endpoint["targetRef"]["uid"] for endpoint in old["endpoints"]]
    return [new.pop(uid) for uid in uids if uid in new]


def _slice(
    service: Object, ports: list[Object], endpoints: list[Object], old: Object | None
) -> Object:
    labels = {**meta.labels(service), SERVICE_NAME: meta.name(service), MANAGED_BY: MANAGER}
    if is_headless(service):
        labels[HEADLESS] = ""
    if old is not None:
        metadata = {**old["metadata"], "labels": labels}
        return {**old, "metadata": metadata, "ports": ports, "endpoints": endpoints}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{meta.name(service)}-",
            "namespace": meta.namespace(service),
            "labels": labels,
            "ownerReferences": [meta.owner_reference(service)],
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": endpoints,
    }


def _endpoint(service: Object, pod: Object) -> Object:
    """A terminating pod stays listed while it still serves: proxies may fall back on it."""
    serving, terminating = podutil.is_ready(pod), meta.is_deleting(pod)
    not_ready_too = service["spec"].get("publishNotReadyAddresses", False)
    endpoint: Object = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": not_ready_too or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "nodeName": podutil.node_name(pod),
        "targetRef": target_reference(pod),
    }
    if has_own_name(service, pod):
        endpoint["hostname"] = pod["spec"]["hostname"]
    return endpoint


def _own_service(endpoint_slice: Object) -> list[str]:
    labels = meta.labels(endpoint_slice)
    ours = labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels
    return [f"{meta.namespace(endpoint_slice)}/{labels[SERVICE_NAME]}"] if ours else []


# Shared with the Endpoints controller


def has_selector(service: Object) -> bool:
    """Of a Service without one somebody else writes the endpoints."""
    spec = service["spec"]
    return bool(spec.get("selector")) and spec.get("type") != "ExternalName"


def is_headless(service: Object) -> bool:
    return bool(service["spec"].get("clusterIP") == "None")


def services_of(pod: Object, services: Informer) -> list[str]:
    """The keys of the Services that select a pod."""
    return [
        meta.key(service)
        for service in services.list(meta.namespace(pod))
        if has_selector(service) and service["spec"]["selector"].items() <= meta.labels(pod).items()
    ]


def pods_of(service: Object, pods: Informer) -> list[Object]:
    """The pods behind a Service: those it selects that have an address and may yet serve."""
    selector = LabelSelector.from_dict({"matchLabels": service["spec"]["selector"]})
    selected = pods.list(meta.namespace(service), selector)
    with_address = (p for p in selected if p.get("status", {}).get("podIP"))
    return sorted((p for p in with_address if not podutil.is_finished(p)), key=meta.name)


def ports_of(service: Object, pod: Object) -> list[Object]:
    """The Service's ports as this pod has them; a port that it has no such name for is left out."""
    resolved = []
    for port in service["spec"].get("ports") or ():
        protocol = port.get("protocol", "TCP")
        number = _port_number(pod, port.get("targetPort", port["port"]), protocol)
        if number:
            entry = {"name": port.get("name", ""), "port": number, "protocol": protocol}
            if "appProtocol" in port:
                entry["appProtocol"] = port["appProtocol"]
            resolved.append(entry)
    return resolved


def _port_number(pod: Object, target: int | str, protocol: str) -> int | None:
    if isinstance(target, int):
        return target
    return next((port["containerPort"] for port in _container_ports(pod)
                 if port.get("name") == target and port.get("protocol", "TCP") == protocol),
                None)  # fmt: skip


def _container_ports(pod: Object) -> Iterable[Object]:
    for container in pod["spec"]["containers"]:
        yield from container.get("ports") or ()


def target_reference(pod: Object) -> Object:
    return {
        "kind": "Pod",
        "namespace": meta.namespace(pod),
        "name": meta.name(pod),
        "uid": meta.uid(pod),
    }


def has_own_name(service: Object, pod: Object) -> bool:
    """Whether DNS has a name for this very pod: `hostname.service.namespace.svc`."""
    spec = pod["spec"]
    return bool(spec.get("hostname")) and spec.get("subdomain") == meta.name(service)

"""What the API server itself puts into a new cluster: namespaces, classes, and the way to itself.

It goes through its own front door, as user system:apiserver (kubernetes,
pkg/controlplane/controller/systemnamespaces and kubernetesservice).
"""

from __future__ import annotations

import asyncio

from kube_edu.api.meta import Object
from kube_edu.api.resources import resource_of
from kube_edu.host import Handler, Peer, Request

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")

_MUST_RUN = "Used for system critical pods that must"
PRIORITY_CLASSES = (
    (
        "system-cluster-critical",
        2_000_000_000,
        f"{_MUST_RUN} run in the cluster, but can be moved to another node if necessary.",
    ),
    (
        "system-node-critical",
        2_000_001_000,
        f"{_MUST_RUN} not be moved from their current node.",
    ),
)
"""pkg/apis/scheduling/v1/helpers.go"""

_MYSELF = Peer(common_name="system:apiserver", organizations=("system:masters",))


async def bootstrap(handle: Handler, service_ip: str, address: str, port: int) -> None:
    """Make sure that it is all there; returns when it is."""
    for name in NAMESPACES:
        await _ensure(handle, _object("v1", "Namespace", name, namespace=""))
    for name, value, description in PRIORITY_CLASSES:
        await _ensure(handle, _priority_class(name, value, description))
    await _ensure(handle, _service(service_ip, port))
    await _ensure(handle, _endpoints(address, port), renew=True)
    await _ensure(handle, _endpoint_slice(address, port), renew=True)


async def _ensure(handle: Handler, obj: Object, *, renew: bool = False) -> None:
    """Create an object unless it exists; with `renew`, make it like this if it does."""
    resource, meta = resource_of(obj), obj["metadata"]
    collection = resource.path(meta.get("namespace", ""))
    headers = {"content-type": "application/json", "user-agent": "kube-apiserver"}
    path = f"{collection}/{meta['name']}"
    while True:
        response = await handle(Request("GET", path, (), headers, None, _MYSELF))
        if response.status == 404:
            response = await handle(Request("POST", collection, (), headers, obj, _MYSELF))
        elif response.status == 200 and renew:
            response = await handle(Request("PUT", path, (), headers, obj, _MYSELF))
        if response.status < 500 and response.status != 409:
            return
        await asyncio.sleep(1)


def _object(api_version: str, kind: str, name: str, namespace: str = "default") -> Object:
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": meta}


def _priority_class(name: str, value: int, description: str) -> Object:
    found = _object("scheduling.k8s.io/v1", "PriorityClass", name, namespace="")
    return {**found, "value": value, "description": description}


def _service(ip: str, port: int) -> Object:
    service = _object("v1", "Service", "kubernetes")
    service["metadata"]["labels"] = {"component": "apiserver", "provider": "kubernetes"}
    service["spec"] = {
        "type": "ClusterIP",
        "clusterIP": ip,
        "ports": [{"name": "https", "port": 443, "targetPort": port, "protocol": "TCP"}],
    }
    return service


def _endpoints(address: str, port: int) -> Object:
    endpoints = _object("v1", "Endpoints", "kubernetes")
    endpoints["metadata"]["labels"] = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    ports = [{"name": "https", "port": port, "protocol": "TCP"}]
    endpoints["subsets"] = [{"addresses": [{"ip": address}], "ports": ports}]
    return endpoints


def _endpoint_slice(address: str, port: int) -> Object:
    slice = _object("discovery.k8s.io/v1", "EndpointSlice", "kubernetes")
    slice["metadata"]["labels"] = {"kubernetes.io/service-name": "kubernetes"}
    slice["addressType"] = "IPv4"
    slice["endpoints"] = [{"addresses": [address], "conditions": {"ready": True}}]
    slice["ports"] = [{"name": "https", "port": port, "protocol": "TCP"}]
    return slice

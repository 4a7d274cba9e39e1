"""Services and EndpointSlices for the tests of this folder."""

from __future__ import annotations

from typing import Any

from kube_edu.proxy.model import ServicePort, service_ports

Object = dict[str, Any]
NODE, OTHER_NODE = "node-1", "node-2"


def service(name: str = "ns1/svc1", ip: str = "172.30.0.41", **spec: Any) -> Object:
    namespace, _, short = name.partition("/")
    ports = [{"name": "p80", "port": 80, "protocol": "TCP"}]
    return {
        "metadata": {"namespace": namespace, "name": short},
        "spec": {"type": "ClusterIP", "clusterIP": ip, "ports": ports, **spec},
    }


def node_port_service(**spec: Any) -> Object:
    ports = [{"name": "p80", "port": 80, "protocol": "TCP", "nodePort": 30080}]
    return service(type="NodePort", ports=ports, **spec)


def endpoint(address: str, node: str = NODE, **conditions: bool) -> Object:
    return {
        "addresses": [address],
        "nodeName": node,
        "conditions": {"ready": True, "serving": True, "terminating": False, **conditions},
    }


def endpoint_slice(*endpoints: Object, of: str = "ns1/svc1", **fields: Any) -> Object:
    namespace, _, name = of.partition("/")
    return {
        "metadata": {
            "namespace": namespace,
            "name": f"{name}-abcde",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": [{"name": "p80", "port": 80, "protocol": "TCP"}],
        **fields,
    }


def row(service: Object, *endpoints: Object) -> ServicePort:
    """The one row of a service with one port."""
    name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
    (only,) = service_ports([service], [endpoint_slice(*endpoints, of=name)], NODE)
    return only

"""Cluster addresses and node ports: what a Service owns, and nobody else may have.

Each address or port that is taken is a key of its own in the store, created in the transaction
that writes its Service and deleted with it. So two API servers cannot give one address twice, and
none leaks (the idea of KEP-1880, whose IPAddress objects have these very keys; ports upstream are
still one bitmap, and a repair loop looks for leaks).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Container
from itertools import chain
from random import Random
from typing import NamedTuple

from kube_edu.api.meta import Object, name, namespace
from kube_edu.api.status import ApiError, internal_error, invalid, invalid_value
from kube_edu.apiserver.storage import Storage

ADDRESSES = "/registry/ipaddresses/"
PORTS = "/registry/ranges/servicenodeports/"

NODE_PORTS = range(30000, 32768)


def claims(service: Object | None) -> dict[str, Object]:
    """The keys that a Service holds, each with a value that says whose it is; nothing else
    holds any."""
    if service is None or service["kind"] != "Service":
        return {}
    spec = service["spec"]
    addresses = [ip for ip in spec.get("clusterIPs") or () if ip != "None"]
    ports = [str(port["nodePort"]) for port in spec.get("ports") or () if port.get("nodePort")]
    if spec.get("healthCheckNodePort"):
        ports.append(str(spec["healthCheckNodePort"]))
    parent = {"resource": "services", "namespace": namespace(service), "name": name(service)}
    held = {
        f"{ADDRESSES}{ip}": {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IPAddress",
            "metadata": {"name": ip},
            "spec": {"parentRef": parent},
        }
        for ip in addresses
    }
    return held | {f"{PORTS}{port}": {"parentRef": parent} for port in ports}


class Range(NamedTuple):
    """Values of which each may be given once; one that is given is a key below `prefix`. The
    first places are for people to choose from: they are drawn last (KEP-3070, KEP-3682)."""

    prefix: str
    size: int
    reserved: int
    value: Callable[[int], str]
    """What stands at a place."""

    def free(self, random: Random, taken: Container[str]) -> str | None:
        """A value that is not taken, looked for from a random place on."""
        reserved = self.reserved if self.size > self.reserved else 0
        start = random.randrange(reserved, self.size)
        places = chain(range(start, self.size), range(reserved, start), range(reserved))
        values = map(self.value, places)
        return next((value for value in values if self.prefix + value not in taken), None)


class ServiceAllocator:
    """Chooses addresses and ports for Services; the transaction that writes one decides."""

    def __init__(self, storage: Storage, random: Random, cidr: str) -> None:
        self._storage = storage
        self._random = random
        self._network = network = ipaddress.ip_network(cidr)
        size, ports = network.num_addresses - 2, len(NODE_PORTS)
        self._addresses = Range(
            ADDRESSES, size, min(max(16, size // 16), 256), lambda place: str(network[place + 1])
        )
        self._ports = Range(
            PORTS, ports, min(max(16, ports // 32), 128), lambda place: str(NODE_PORTS[place])
        )

    @property
    def first(self) -> str:
        """The address of the `kubernetes` Service."""
        return str(self._network[1])

    async def assign(self, service: Object, old: Object | None) -> None:
        """Fill in a draft's clusterIP and nodePorts, keeping those of the old state; raises
        ApiError 422 for one that is asked for and not to be had."""
        if service["kind"] != "Service":
            return
        spec, held = service["spec"], claims(old)
        before: Object = old["spec"] if old else {}
        if spec["type"] == "ExternalName":
            spec.pop("clusterIP", None)
            spec.pop("clusterIPs", None)
        else:
            await self._assign_address(service, before, held)
        if _wants_node_ports(spec):
            await self._assign_ports(service, before, held)
        elif before and _wants_node_ports(before):
            for port in spec.get("ports") or ():
                port.pop("nodePort", None)

    async def _assign_address(
        self, service: Object, before: Object, held: dict[str, Object]
    ) -> None:
        spec = service["spec"]
        if not spec.get("clusterIP") and spec.get("clusterIPs"):
            spec["clusterIP"] = spec["clusterIPs"][0]
        ip = spec.get("clusterIP") or before.get("clusterIP", "")
        if ip != "None" and ADDRESSES + ip not in held:
            taken = set(await self._storage.keys(ADDRESSES))
            if ip and not self._contains(ip):
                valid = f"The range of valid IPs is {self._network}"
                raise _refused_address(service, f"provided IP is not in the valid range. {valid}")
            if ADDRESSES + ip in taken:
                raise _refused_address(service, "provided IP is already allocated")
            ip = ip or self._addresses.free(self._random, taken)
            if not ip:
                raise internal_error("failed to allocate a serviceIP: range is full")
        spec["clusterIP"], spec["clusterIPs"] = ip, [ip]

    def _contains(self, ip: str) -> bool:
        try:
            address = ipaddress.ip_address(ip)
        except ValueError:
            return False
        ends = (self._network.network_address, self._network.broadcast_address)
        return address in self._network and address not in ends

    async def _assign_ports(self, service: Object, before: Object, held: dict[str, Object]) -> None:
        known = {(p["port"], p["protocol"]): p.get("nodePort") for p in before.get("ports") or ()}
        taken = {key for key in await self._storage.keys(PORTS) if key not in held}
        for i, port in enumerate(service["spec"].get("ports") or ()):
            field = f"spec.ports[{i}].nodePort"
            wanted = port.get("nodePort") or known.get((port.get("port"), port.get("protocol")))
            if wanted and wanted not in NODE_PORTS:
                valid = f"The range of valid ports is {NODE_PORTS[0]}-{NODE_PORTS[-1]}"
                why = f"provided port is not in the valid range. {valid}"
                raise invalid(service, [invalid_value(field, wanted, why)])
            if f"{PORTS}{wanted}" in taken:
                why = "provided port is already allocated"
                raise invalid(service, [invalid_value(field, wanted, why)])
            given = wanted or self._ports.free(self._random, taken)
            if not given:
                raise internal_error("failed to allocate a nodePort: range is full")
            port["nodePort"] = int(given)
            taken.add(f"{PORTS}{given}")


def _wants_node_ports(spec: Object) -> bool:
    if spec["type"] == "LoadBalancer":
        return bool(spec.get("allocateLoadBalancerNodePorts", True))
    return bool(spec["type"] == "NodePort")


def _refused_address(service: Object, why: str) -> ApiError:
    ip = service["spec"]["clusterIP"]
    detail = f"failed to allocate IP {ip}: {why}"
    return invalid(service, [invalid_value("spec.clusterIPs", [ip], detail)])

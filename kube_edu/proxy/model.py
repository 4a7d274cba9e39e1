"""What there is to proxy: one row a service port, with the endpoints that traffic may go to.

Every mode renders from these rows. A pure function of the Services and EndpointSlices that the
informers hold. Source: upstream pkg/proxy/serviceport.go, endpointslicecache.go, topology.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kube_edu.api import meta
from kube_edu.api.meta import Object

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
"""On an EndpointSlice: whose endpoints these are."""

SERVICE_PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
"""On a Service: another proxy than kube-proxy looks after it."""

DEFAULT_AFFINITY_SECONDS = 10800


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address and port behind a service port."""

    address: str
    port: int
    local: bool = False
    """On this node."""
    ready: bool = True
    serving: bool = True
    terminating: bool = False

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of one Service, and the endpoints that this node sends its traffic to."""

    namespace: str
    service: str
    port_name: str
    protocol: str  # "TCP", "UDP", "SCTP"
    cluster_ip: str
    port: int
    node_port: int = 0
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    affinity_seconds: int = 0
    """sessionAffinity ClientIP: for how long a client is kept at its endpoint; 0 is None."""
    internal_local: bool = False
    """internalTrafficPolicy Local: the cluster IP leads to endpoints on this node only."""
    external_local: bool = False
    """externalTrafficPolicy Local: so do node ports and external addresses."""
    cluster_endpoints: tuple[Endpoint, ...] = ()
    """For traffic under policy Cluster."""
    local_endpoints: tuple[Endpoint, ...] = ()
    """For traffic under policy Local."""

    @property
    def name(self) -> str:
        """ "namespace/service:port", as upstream's ServicePortName prints."""
        port = f":{self.port_name}" if self.port_name else ""
        return f"{self.namespace}/{self.service}{port}"

    @property
    def externally_accessible(self) -> bool:
        return bool(self.node_port or self.external_ips or self.load_balancer_ips)

    @property
    def internal_endpoints(self) -> tuple[Endpoint, ...]:
        """For what is sent to the cluster IP."""
        return self.local_endpoints if self.internal_local else self.cluster_endpoints

    @property
    def external_endpoints(self) -> tuple[Endpoint, ...]:
        """For what is sent to a node port or an external address."""
        return self.local_endpoints if self.external_local else self.cluster_endpoints

    @property
    def has_endpoints(self) -> bool:
        """On whatever node."""
        return bool(self.cluster_endpoints or self.local_endpoints)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every endpoint that some traffic from this node may go to. An external policy Local
        does not keep it from the others: what this node's pods send to an external address of
        the service is short-circuited to any endpoint."""
        if self.internal_local and not self.externally_accessible:
            return self.local_endpoints
        others = (e for e in self.local_endpoints if e not in self.cluster_endpoints)
        return (*self.cluster_endpoints, *others)


def service_ports(
    services: Iterable[Object], slices: Iterable[Object], node: str
) -> list[ServicePort]:
    """The rows, in the order of their names, so that the same state gives the same rules."""
    slices_of: dict[str, list[Object]] = {}
    for endpoint_slice in slices:
        service_name = meta.labels(endpoint_slice).get(SERVICE_NAME_LABEL)
        if service_name and endpoint_slice.get("addressType") == "IPv4":
            key = f"{meta.namespace(endpoint_slice)}/{service_name}"
            slices_of.setdefault(key, []).append(endpoint_slice)
    rows = [
        _service_port(service, port, slices_of.get(meta.key(service), []), node)
        for service in services
        if _is_proxied(service)
        for port in service["spec"].get("ports") or ()
    ]
    return sorted(rows, key=lambda row: (row.name, row.protocol))


def _is_proxied(service: Object) -> bool:
    """Headless services and those of type ExternalName have no address of their own
    (pkg/proxy/util/utils.go, ShouldSkipService)."""
    spec = service.get("spec", {})
    return (
        spec.get("clusterIP") not in (None, "", "None")
        and spec.get("type") != "ExternalName"
        and SERVICE_PROXY_NAME_LABEL not in meta.labels(service)
    )


def _service_port(
    service: Object, port: Object, slices: Sequence[Object], node: str
) -> ServicePort:
    spec = service["spec"]
    external = spec.get("type") in ("NodePort", "LoadBalancer") or bool(spec.get("externalIPs"))
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
    name, protocol = port.get("name", ""), port.get("protocol", "TCP")
    endpoints = _endpoints(slices, name, protocol, node)
    return ServicePort(
        namespace=meta.namespace(service),
        service=meta.name(service),
        port_name=name,
        protocol=protocol,
        cluster_ip=spec["clusterIP"],
        port=port["port"],
        node_port=port.get("nodePort", 0),
        external_ips=tuple(spec.get("externalIPs") or ()),
        load_balancer_ips=tuple(entry["ip"] for entry in ingress if entry.get("ip")),
        affinity_seconds=_affinity_seconds(spec),
        internal_local=spec.get("internalTrafficPolicy") == "Local",
        external_local=external and spec.get("externalTrafficPolicy") == "Local",
        cluster_endpoints=_usable(endpoints),
        local_endpoints=_usable([endpoint for endpoint in endpoints if endpoint.local]),
    )


def _affinity_seconds(spec: Object) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(config.get("timeoutSeconds") or DEFAULT_AFFINITY_SECONDS)


def _endpoints(
    slices: Sequence[Object], port_name: str, protocol: str, node: str
) -> list[Endpoint]:
    """The endpoints of all slices for one port, each once, sorted as upstream sorts them."""
    found: dict[str, Endpoint] = {}
    for endpoint_slice in slices:
        for port in endpoint_slice.get("ports") or ():
            wanted = (port_name, protocol)
            if (port.get("name") or "", port.get("protocol", "TCP")) != wanted or not port.get(
                "port"
            ):
                continue  # fmt: skip
            for entry in endpoint_slice.get("endpoints") or ():
                endpoint = _endpoint(entry, port["port"], node)
                found[str(endpoint)] = endpoint
    return [found[key] for key in sorted(found)]


def _endpoint(entry: Object, port: int, node: str) -> Endpoint:
    conditions = entry.get("conditions") or {}
    ready = conditions.get("ready") is not False  # nil counts as true
    serving = conditions.get("serving")
    return Endpoint(
        address=entry["addresses"][0],
        port=port,
        local=entry.get("nodeName") == node,
        ready=ready,
        serving=ready if serving is None else bool(serving),
        terminating=bool(conditions.get("terminating")),
    )


def _usable(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Those that are ready; when none is, those that still serve while they terminate
    (KEP-1669, ProxyTerminatingEndpoints)."""
    ready = tuple(endpoint for endpoint in endpoints if endpoint.ready)
    return ready or tuple(e for e in endpoints if e.serving and e.terminating)

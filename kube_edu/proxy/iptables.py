"""kube-proxy in mode iptables: service ports as text for `iptables-restore`.

A packet for a service goes KUBE-SERVICES → KUBE-SVC-… (one chain a service port) → KUBE-SEP-…
(one chain an endpoint, which rewrites the destination). Chains, order of rules and comments are
those of upstream's pkg/proxy/iptables/proxier.go, syncProxyRules.

Upstream leaves other programs' rules alone: it inserts its jumps once with `iptables -I` and
loads the rest with `--noflush`. Here the text is the whole of both tables, jumps included, so one
restore brings any kernel to exactly this state. Ranges of `loadBalancerSourceRanges` are left out.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Callable, Sequence
from typing import Protocol

from kube_edu.proxy.model import Endpoint, ServicePort

MASQUERADE_MARK = "0x4000"

BuildChain = Callable[[ServicePort, str, Sequence[Endpoint]], list[str]]
"""(service port, name of its chain, endpoints) → the rules of the chain that choose among them."""


class RuleLoader(Protocol):
    """What takes the text: /sbin/iptables-restore, or a simulated kernel."""

    async def restore(self, text: str) -> None:
        """Replace the tables that the text names, all at once or not at all. Raises ValueError
        or OSError when it is not accepted."""


def build_chain(service: ServicePort, chain: str, endpoints: Sequence[Endpoint]) -> list[str]:
    """Choose an endpoint: the one where this client was lately, where sessions are to stick; else
    each with the same chance (proxier.go, writeServiceToEndpointRules).

    The rules are tried in order, so of n endpoints the first must match once in n times, the next
    once in n - 1 of the times that are left, and the last always.
    """
    rules = []
    if service.affinity_seconds:
        for endpoint in endpoints:
            target = endpoint_chain(service, endpoint)
            rules.append(
                f'-A {chain} -m comment --comment "{service.name} -> {endpoint}"'
                f" -m recent --name {target} --rcheck --seconds {service.affinity_seconds} --reap"
                f" -j {target}"
            )
    for left, endpoint in zip(range(len(endpoints), 0, -1), endpoints, strict=True):
        chance = f" -m statistic --mode random --probability {1 / left:.10f}" if left > 1 else ""
        rules.append(
            f'-A {chain} -m comment --comment "{service.name} -> {endpoint}"{chance}'
            f" -j {endpoint_chain(service, endpoint)}"
        )
    return rules


class Proxier:
    """Renders the rows and hands the text to the kernel (upstream's iptables.Proxier)."""

    mode = "iptables"

    def __init__(
        self, loader: RuleLoader, *, cluster_cidr: str, build_chain: BuildChain = build_chain
    ) -> None:
        self._loader = loader
        self._cluster_cidr = cluster_cidr
        self._build_chain = build_chain

    async def sync(self, services: Sequence[ServicePort]) -> int:
        text = render(services, cluster_cidr=self._cluster_cidr, build_chain=self._build_chain)
        await self._loader.restore(text)
        return sum(line.startswith("-A ") for line in text.splitlines())


def render(
    services: Sequence[ServicePort],
    *,
    cluster_cidr: str,
    build_chain: BuildChain = build_chain,
) -> str:
    """The text. `cluster_cidr` is the range of all pods: what comes from elsewhere is
    masqueraded, so that the answer comes back by way of this node."""
    tables = _Tables()
    for service in services:
        _add_captures(tables, service)
        _add_service_chains(tables, service, cluster_cidr, build_chain)
    tables.nat_services.append(
        '-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be'
        ' the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS'
    )
    return tables.text()


def chain_name(prefix: str, service: ServicePort, endpoint: str = "") -> str:
    """ "KUBE-SVC-" and 16 characters that stand for the service port (and endpoint): upstream's
    portProtoHash. A chain's name may have 28 characters at most, too few for the names."""
    text = service.name + service.protocol.lower() + endpoint
    return prefix + b32encode(hashlib.sha256(text.encode()).digest()).decode()[:16]


def endpoint_chain(service: ServicePort, endpoint: Endpoint) -> str:
    """KUBE-SEP-…: the chain that sends to one endpoint of a service port."""
    return chain_name("KUBE-SEP-", service, str(endpoint))


class _Tables:
    """The lines as they gather: of chains, and of rules."""

    def __init__(self) -> None:
        self.filter_rules: list[str] = []
        self.nat_services: list[str] = []
        self.nat_chains: list[str] = []
        self.nat_rules: list[str] = []

    def text(self) -> str:
        lines = ["*filter", *_FILTER_START, *self.filter_rules, *_FILTER_END, "COMMIT"]
        lines += ["*nat", *_NAT_CHAINS, *(f":{chain} - [0:0]" for chain in self.nat_chains)]
        lines += [*_NAT_START, *self.nat_services, *self.nat_rules, "COMMIT"]
        return "\n".join(lines) + "\n"


_FILTER_START = """\
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FORWARD - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
""".splitlines()  # noqa: E501

_FILTER_END = f"""\
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark {MASQUERADE_MARK}/{MASQUERADE_MARK} -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
""".splitlines()  # noqa: E501

_NAT_CHAINS = """\
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
""".splitlines()

_NAT_START = f"""\
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-POSTROUTING -m mark ! --mark {MASQUERADE_MARK}/{MASQUERADE_MARK} -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark {MASQUERADE_MARK}
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --or-mark {MASQUERADE_MARK}
""".splitlines()  # noqa: E501


def _add_captures(tables: _Tables, service: ServicePort) -> None:
    """The rules that catch what is sent to an address of the service: in the nat table where
    there is an endpoint to send it to, in the filter table where there is not."""
    # No endpoint at all is said at once (REJECT). No endpoint on this node, where only those
    # will do, is not: a load balancer will try another node (DROP).
    verdict = "DROP" if service.has_endpoints else "REJECT"
    why = "has no local endpoints" if service.has_endpoints else "has no endpoints"
    refusal = f'-m comment --comment "{service.name} {why}"'
    external_chain = chain_name("KUBE-EXT-", service)

    def to(address: str) -> str:
        return f"{_protocol(service)} -d {address} --dport {service.port}"

    def catch(kind: str, address: str, chain: str) -> str:
        comment = f'-m comment --comment "{service.name} {kind}"'
        return f"-A KUBE-SERVICES {comment} {to(address)} -j {chain}"

    if service.internal_endpoints:
        chain = _internal_chain(service)
        tables.nat_services.append(catch("cluster IP", service.cluster_ip, chain))
    else:
        tables.filter_rules.append(
            f"-A KUBE-SERVICES {refusal} {to(service.cluster_ip)} -j {verdict}"
        )
    addresses = [("external IP", address) for address in service.external_ips]
    addresses += [("loadbalancer IP", address) for address in service.load_balancer_ips]
    for kind, address in addresses if service.has_endpoints else ():
        tables.nat_services.append(catch(kind, address, external_chain))
    unreached = [to(address) for _, address in addresses]
    if service.node_port:
        to_node_port = f"{_protocol(service)} --dport {service.node_port}"
        unreached.append(f"-m addrtype --dst-type LOCAL {to_node_port}")
        if service.has_endpoints:
            comment = f"-m comment --comment {service.name}"
            tables.nat_rules.append(
                f"-A KUBE-NODEPORTS {comment} {to_node_port} -j {external_chain}"
            )
    for match in unreached if not service.external_endpoints else ():
        tables.filter_rules.append(f"-A KUBE-EXTERNAL-SERVICES {refusal} {match} -j {verdict}")


def _add_service_chains(
    tables: _Tables, service: ServicePort, cluster_cidr: str, build_chain: BuildChain
) -> None:
    """The service port's own chains: KUBE-EXT-… for what comes to an external address, KUBE-SVC-…
    and KUBE-SVL-… that choose an endpoint (any, or one on this node), KUBE-SEP-… for each."""
    if service.internal_endpoints:
        tables.nat_rules.append(
            f'-A {_internal_chain(service)} -m comment --comment "{service.name} cluster IP"'
            f" {_protocol(service)} -d {service.cluster_ip} --dport {service.port}"
            f" ! -s {cluster_cidr} -j KUBE-MARK-MASQ"
        )
    if service.externally_accessible and service.has_endpoints:
        _add_external_chain(tables, service, cluster_cidr)
    external = service.externally_accessible
    chains = [
        (not service.internal_local or external, "KUBE-SVC-", service.cluster_endpoints),
        (service.internal_local or service.external_local, "KUBE-SVL-", service.local_endpoints),
    ]
    for used, prefix, endpoints in chains:
        if used and endpoints:
            chain = chain_name(prefix, service)
            tables.nat_chains.append(chain)
            tables.nat_rules += build_chain(service, chain, endpoints)
    for endpoint in service.endpoints:
        _add_endpoint_chain(tables, service, endpoint)


def _internal_chain(service: ServicePort) -> str:
    """The chain for what is sent to the cluster IP."""
    return chain_name("KUBE-SVL-" if service.internal_local else "KUBE-SVC-", service)


def _add_external_chain(tables: _Tables, service: ServicePort, cluster_cidr: str) -> None:
    """Policy Cluster hides the client's address, since the answer must come back this way.
    Policy Local keeps it, but what this node and its pods send may go to any endpoint."""
    chain, cluster_chain = chain_name("KUBE-EXT-", service), chain_name("KUBE-SVC-", service)
    tables.nat_chains.append(chain)

    def comment(what: str) -> str:
        return f'-A {chain} -m comment --comment "{what} for {service.name} external destinations"'

    from_node = "-m addrtype --src-type LOCAL"
    if not service.external_local:
        tables.nat_rules += [
            f"{comment('masquerade traffic')} -j KUBE-MARK-MASQ",
            f"-A {chain} -j {cluster_chain}",
        ]
        return
    tables.nat_rules += [
        f"{comment('pod traffic')} -s {cluster_cidr} -j {cluster_chain}",
        f"{comment('masquerade LOCAL traffic')} {from_node} -j KUBE-MARK-MASQ",
        f"{comment('route LOCAL traffic')} {from_node} -j {cluster_chain}",
    ]
    if service.local_endpoints:
        tables.nat_rules.append(f"-A {chain} -j {chain_name('KUBE-SVL-', service)}")


def _add_endpoint_chain(tables: _Tables, service: ServicePort, endpoint: Endpoint) -> None:
    """Rewrite the destination. A pod that reaches itself through its service is masqueraded, or
    its answer would never leave it."""
    chain = endpoint_chain(service, endpoint)
    comment = f"-A {chain} -m comment --comment {service.name}"
    remember = f" -m recent --name {chain} --set" if service.affinity_seconds else ""
    tables.nat_chains.append(chain)
    tables.nat_rules += [
        f"{comment} -s {endpoint.address} -j KUBE-MARK-MASQ",
        f"{comment}{remember} {_protocol(service)} -j DNAT --to-destination {endpoint}",
    ]


def _protocol(service: ServicePort) -> str:
    protocol = service.protocol.lower()
    return f"-m {protocol} -p {protocol}"

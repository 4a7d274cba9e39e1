"""The rules that kube-proxy writes, line by line as upstream writes them, and where they lead."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_edu.proxy.iptables import Proxier, build_chain, chain_name, endpoint_chain, render
from kube_edu.proxy.model import Endpoint, ServicePort
from kube_edu.proxy.netfilter import Netfilter, Packet, Walk, parse, walk
from tests.proxy.objects import OTHER_NODE, endpoint, node_port_service, row, service

CIDR = "10.244.0.0/16"
POD, OUTSIDE, NODE_IP = "10.244.1.9", "203.0.113.1", "192.168.0.1"


def rules(*services: ServicePort) -> list[str]:
    return render(services, cluster_cidr=CIDR).splitlines()


def go(service: ServicePort, destination: str, port: int = 80, source: str = POD) -> Walk:
    """Where a packet from a source ends under the rules of one service."""
    ruleset = parse(render([service], cluster_cidr=CIDR))
    return walk(ruleset, Packet("TCP", source, 40000, destination, port), Random(1), [NODE_IP])


def test_chains_are_named_as_upstream_names_them() -> None:
    # the names in upstream's own tests (pkg/proxy/iptables/proxier_test.go)
    svc4 = row(service("ns4/svc4", "172.30.0.44"), endpoint("10.180.0.4"))
    assert chain_name("KUBE-SVC-", svc4) == "KUBE-SVC-4SW47YFZTEDKD3PK"
    assert endpoint_chain(svc4, svc4.endpoints[0]) == "KUBE-SEP-UKSFD7AGPMPPLUHC"
    svc1 = row(service(), endpoint("10.180.0.1"))
    assert chain_name("KUBE-SVC-", svc1) == "KUBE-SVC-XPGD46QRK7WJZT7O"
    assert endpoint_chain(svc1, svc1.endpoints[0]) == "KUBE-SEP-SXIVWICOYRO3J4NJ"


def test_a_services_rules_are_upstreams() -> None:
    svc4 = row(service("ns4/svc4", "172.30.0.44"), endpoint("10.180.0.5"), endpoint("10.180.0.4"))
    assert [rule for rule in rules(svc4) if "ns4/svc4" in rule] == [
        '-A KUBE-SERVICES -m comment --comment "ns4/svc4:p80 cluster IP" -m tcp -p tcp'
        " -d 172.30.0.44 --dport 80 -j KUBE-SVC-4SW47YFZTEDKD3PK",
        '-A KUBE-SVC-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 cluster IP" -m tcp -p tcp'
        " -d 172.30.0.44 --dport 80 ! -s 10.244.0.0/16 -j KUBE-MARK-MASQ",
        '-A KUBE-SVC-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 -> 10.180.0.4:80"'
        " -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-UKSFD7AGPMPPLUHC",
        '-A KUBE-SVC-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 -> 10.180.0.5:80"'
        " -j KUBE-SEP-C6EBXVWJJZMIWKLZ",
        "-A KUBE-SEP-UKSFD7AGPMPPLUHC -m comment --comment ns4/svc4:p80 -s 10.180.0.4"
        " -j KUBE-MARK-MASQ",
        "-A KUBE-SEP-UKSFD7AGPMPPLUHC -m comment --comment ns4/svc4:p80 -m tcp -p tcp"
        " -j DNAT --to-destination 10.180.0.4:80",
        "-A KUBE-SEP-C6EBXVWJJZMIWKLZ -m comment --comment ns4/svc4:p80 -s 10.180.0.5"
        " -j KUBE-MARK-MASQ",
        "-A KUBE-SEP-C6EBXVWJJZMIWKLZ -m comment --comment ns4/svc4:p80 -m tcp -p tcp"
        " -j DNAT --to-destination 10.180.0.5:80",
    ]


def test_affinity_is_written_as_upstream_writes_it() -> None:
    svc5 = row(
        service("ns5/svc5", "172.30.0.45", sessionAffinity="ClientIP"), endpoint("10.180.0.3")
    )
    lines = [rule for rule in rules(svc5) if "recent" in rule]
    assert lines == [
        '-A KUBE-SVC-NUKIZ6OKUXPJNT4C -m comment --comment "ns5/svc5:p80 -> 10.180.0.3:80"'
        " -m recent --name KUBE-SEP-I77PXRDZVX7PMWMN --rcheck --seconds 10800 --reap"
        " -j KUBE-SEP-I77PXRDZVX7PMWMN",
        "-A KUBE-SEP-I77PXRDZVX7PMWMN -m comment --comment ns5/svc5:p80 -m recent"
        " --name KUBE-SEP-I77PXRDZVX7PMWMN --set -m tcp -p tcp"
        " -j DNAT --to-destination 10.180.0.3:80",
    ]


@given(st.integers(1, 12), st.integers())
def test_every_endpoint_has_the_same_chance(count: int, seed: int) -> None:
    """The chance of the i-th rule times that of coming so far is 1/n, whatever n is."""
    endpoints = [Endpoint(f"10.244.1.{n}", 80) for n in range(2, count + 2)]
    only = ServicePort("ns", "svc", "p", "TCP", "10.96.0.1", 80)
    left = 1.0
    for rule in build_chain(only, "KUBE-SVC-X", endpoints):
        words = rule.split()
        chance = float(words[words.index("--probability") + 1]) if "--probability" in words else 1.0
        assert left * chance == pytest.approx(1 / count)
        left *= 1 - chance
    assert left == 0


def test_a_cluster_ip_leads_to_the_endpoint_and_keeps_the_pods_address() -> None:
    web = row(service(), endpoint("10.244.2.2", OTHER_NODE))
    arrived = go(web, "172.30.0.41").packet
    assert (arrived.source, arrived.destination, arrived.port) == (POD, "10.244.2.2", 80)


def test_what_is_not_the_services_passes_untouched() -> None:
    web = row(service(), endpoint("10.244.2.2"))
    for destination, port in (("172.30.0.41", 81), ("10.244.2.7", 80), (OUTSIDE, 80)):
        done = go(web, destination, port)
        assert (done.packet.destination, done.packet.port, done.verdict) == (
            destination, port, "ACCEPT",
        )  # fmt: skip


@pytest.mark.parametrize("source", [OUTSIDE, NODE_IP, "10.244.2.2"])
def test_who_is_no_other_pod_is_masqueraded(source: str) -> None:
    """From outside, from the node, and from the endpoint itself (the hairpin)."""
    done = go(row(service(), endpoint("10.244.2.2")), "172.30.0.41", source=source)
    assert (done.packet.source, done.packet.destination) == (NODE_IP, "10.244.2.2")


def test_no_endpoints_is_refused_and_no_local_ones_is_dropped() -> None:
    assert go(row(service()), "172.30.0.41").verdict == "REJECT"
    far = endpoint("10.244.2.2", OTHER_NODE)
    near_only = row(service(internalTrafficPolicy="Local"), far)
    assert go(near_only, "172.30.0.41").verdict == "DROP"
    exposed = row(node_port_service())
    assert go(exposed, NODE_IP, 30080, OUTSIDE).verdict == "REJECT"


def test_policy_local_leads_to_this_nodes_endpoint_only() -> None:
    both = [endpoint("10.244.1.2"), endpoint("10.244.2.2", OTHER_NODE)]
    near = row(service(internalTrafficPolicy="Local"), *both)
    assert go(near, "172.30.0.41").packet.destination == "10.244.1.2"
    exposed = row(node_port_service(externalTrafficPolicy="Local"), *both)
    from_outside = go(exposed, NODE_IP, 30080, OUTSIDE).packet
    assert (from_outside.source, from_outside.destination) == (OUTSIDE, "10.244.1.2")
    only_far = row(node_port_service(externalTrafficPolicy="Local"), both[1])
    assert go(only_far, NODE_IP, 30080, OUTSIDE).verdict == "DROP"
    assert go(only_far, NODE_IP, 30080, POD).packet.destination == "10.244.2.2"


def test_external_and_load_balancer_addresses_lead_there_too() -> None:
    exposed = service(type="LoadBalancer", externalIPs=["192.0.2.1"])
    exposed["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}]}}
    for address in ("192.0.2.1", "192.0.2.2"):
        done = go(row(exposed, endpoint("10.244.2.2")), address, source=OUTSIDE)
        assert done.packet.destination == "10.244.2.2"


async def _load(build: object) -> Netfilter:
    class Loader(Netfilter):
        async def restore(self, text: str) -> None:  # type: ignore[override]
            super().restore(text)

    kernel = Loader(Random(1))
    web = row(service(), endpoint("10.244.1.2"), endpoint("10.244.1.3"))
    await Proxier(kernel, cluster_cidr=CIDR, build_chain=build).sync([web])  # type: ignore[arg-type]
    return kernel


def test_the_choice_of_endpoint_can_be_replaced() -> None:
    import asyncio

    def always_the_last(service: ServicePort, chain: str, endpoints: list[Endpoint]) -> list[str]:
        return [f"-A {chain} -j {endpoint_chain(service, endpoints[-1])}"]

    kernel = asyncio.run(_load(always_the_last))
    arrived = {
        kernel.walk(Packet("TCP", POD, port, "172.30.0.41", 80)).packet.destination
        for port in range(2000, 2050)
    }
    assert arrived == {"10.244.1.3"}

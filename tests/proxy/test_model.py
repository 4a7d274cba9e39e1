"""Which endpoints stand behind a service port."""

from __future__ import annotations

from kube_edu.proxy.model import service_ports
from tests.proxy.objects import NODE, OTHER_NODE, endpoint, endpoint_slice, row, service


def addresses(*endpoints: dict, **spec: object) -> list[str]:
    return [str(e) for e in row(service(**spec), *endpoints).cluster_endpoints]


def test_a_row_has_a_name_as_upstream_prints_it() -> None:
    unnamed = service(ports=[{"port": 80}])
    rows = service_ports([unnamed, service("ns1/b")], [], NODE)
    assert [(r.name, r.protocol) for r in rows] == [("ns1/b:p80", "TCP"), ("ns1/svc1", "TCP")]


def test_only_ready_endpoints_are_used() -> None:
    assert addresses(endpoint("10.244.1.2"), endpoint("10.244.1.3", ready=False)) == [
        "10.244.1.2:80"
    ]


def test_terminating_ones_serve_when_none_is_ready() -> None:
    leaving = endpoint("10.244.1.2", ready=False, serving=True, terminating=True)
    broken = endpoint("10.244.1.3", ready=False, serving=False, terminating=True)
    assert addresses(leaving, broken) == ["10.244.1.2:80"]
    assert addresses(leaving, broken, endpoint("10.244.1.4")) == ["10.244.1.4:80"]


def test_local_endpoints_are_those_of_this_node() -> None:
    both = row(service(), endpoint("10.244.1.2"), endpoint("10.244.2.2", OTHER_NODE))
    assert [str(e) for e in both.local_endpoints] == ["10.244.1.2:80"]


def test_slices_are_joined_sorted_and_counted_once() -> None:
    one = endpoint_slice(endpoint("10.244.1.3"), endpoint("10.244.1.2"))
    two = endpoint_slice(endpoint("10.244.1.2"), endpoint("10.244.1.4"))
    six = endpoint_slice(endpoint("fd00::2"), addressType="IPv6")
    other = endpoint_slice(endpoint("10.244.1.5"), of="ns1/other")
    (only,) = service_ports([service()], [one, two, six, other], NODE)
    found = [e.address for e in only.cluster_endpoints]
    assert found == ["10.244.1.2", "10.244.1.3", "10.244.1.4"]


def test_an_endpoints_port_is_the_slices_port_of_that_name_and_protocol() -> None:
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 80, "protocol": "UDP"}]
    slice_ports = [{"name": "b", "port": 53, "protocol": "UDP"}, {"name": "a", "port": 8080}]
    slices = [endpoint_slice(endpoint("10.244.1.2"), ports=slice_ports)]
    rows = service_ports([service(ports=ports)], slices, NODE)
    assert [str(r.endpoints[0]) for r in rows] == ["10.244.1.2:8080", "10.244.1.2:53"]


def test_services_without_an_address_of_their_own_are_left_out() -> None:
    other = service()
    other["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": "mine"}
    left_out = [service(ip="None"), service(ip=""), service(type="ExternalName"), other]
    assert service_ports(left_out, [], NODE) == []


def test_affinity_lasts_three_hours_if_nothing_else_is_said() -> None:
    assert row(service()).affinity_seconds == 0
    assert row(service(sessionAffinity="ClientIP")).affinity_seconds == 10800
    config = {"clientIP": {"timeoutSeconds": 60}}
    short = service(sessionAffinity="ClientIP", sessionAffinityConfig=config)
    assert row(short).affinity_seconds == 60

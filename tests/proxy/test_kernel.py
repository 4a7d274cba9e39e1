"""The text that kube-proxy writes, before the judge that counts: a real kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from kube_edu.proxy.iptables import render
from kube_edu.proxy.model import service_ports
from kube_edu.proxy.ruleset import parse
from tests.proxy.objects import (
    NODE,
    OTHER_NODE,
    endpoint,
    endpoint_slice,
    node_port_service,
    service,
)

NAMESPACE = f"kube-edu-test-{os.getpid()}"


@pytest.fixture(scope="module")
def run() -> Iterator[object]:
    """Run a command in a network namespace of this test's own."""
    able = os.geteuid() == 0 and shutil.which("iptables-restore") and shutil.which("ip")
    if not able:
        if os.environ.get("CI"):
            pytest.fail("CI must run this as root, with iptables and iproute2 installed")
        pytest.skip("needs root, iptables and iproute2")
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)

    def run_inside(*command: str, text: str = "") -> str:
        inside = ["ip", "netns", "exec", NAMESPACE, *command]
        done = subprocess.run(inside, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run_inside
    subprocess.run(["ip", "netns", "delete", NAMESPACE], check=True)


def every_kind_of_rule() -> str:
    sticky = {"sessionAffinity": "ClientIP"}
    services = [
        service("ns1/plain", "172.30.0.1"),
        service("ns1/sticky", "172.30.0.2", **sticky),
        service("ns1/empty", "172.30.0.3"),
        service("ns1/near", "172.30.0.4", internalTrafficPolicy="Local"),
        service("ns1/far", "172.30.0.5", internalTrafficPolicy="Local"),
        service("ns1/outside", "172.30.0.6", externalIPs=["192.0.2.1"]),
        node_port_service(externalTrafficPolicy="Local", **sticky),
        service("ns1/names", "172.30.0.7", ports=[
            {"name": "dns", "port": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
            {"name": "sctp", "port": 53, "protocol": "SCTP", "nodePort": 30053},
        ]),
    ]  # fmt: skip
    both = [
        endpoint("10.244.1.2"),
        endpoint("10.244.2.2", OTHER_NODE),
        endpoint("10.244.2.3", OTHER_NODE),
    ]
    slices = [
        endpoint_slice(*both, of=name)
        for name in ("ns1/plain", "ns1/sticky", "ns1/near", "ns1/svc1", "ns1/outside")
    ]
    slices += [endpoint_slice(*both[1:], of="ns1/far")]
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53}]
    slices += [endpoint_slice(*both, of="ns1/names", ports=ports)]
    return render(service_ports(services, slices, NODE), cluster_cidr="10.244.0.0/16")


def test_the_kernel_accepts_every_rule_and_holds_as_many(run) -> None:
    text = every_kind_of_rule()
    run("iptables-restore", text=text)
    saved = run("iptables-save")
    for table in ("filter", "nat"):
        ours = [
            line
            for line in text.split(f"*{table}")[1].split("COMMIT")[0].splitlines()
            if line[:2] == "-A"
        ]
        theirs = [
            line
            for line in saved.split(f"*{table}")[1].split("COMMIT")[0].splitlines()
            if line[:2] == "-A"
        ]
        assert len(ours) == len(theirs)


def test_loading_twice_is_loading_once(run) -> None:
    text = every_kind_of_rule()
    run("iptables-restore", text=text)
    once = _rules(run("iptables-save"))
    run("iptables-restore", text=text)
    assert _rules(run("iptables-save")) == once


def test_an_empty_cluster_is_accepted_too(run) -> None:
    run("iptables-restore", text=render([], cluster_cidr="10.244.0.0/16"))
    assert not any("KUBE-SVC" in rule for rule in _rules(run("iptables-save")))


def test_our_own_reader_accepts_what_the_kernel_accepts() -> None:
    parse(every_kind_of_rule())


def _rules(saved: str) -> list[str]:
    return [line for line in saved.splitlines() if line.startswith("-A ")]

"""Packets between pods: through the rules, over the network, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import dns.message
import dns.rrset
import pytest

from kube_edu.host import Request, Response
from kube_edu.kubelet.cri import CriError
from kube_edu.proxy.iptables import render
from kube_edu.proxy.model import service_ports
from kube_edu.sim.curl import CurlError, http_get
from kube_edu.sim.dataplane import DataPlane
from kube_edu.sim.simulation import Simulation

CLUSTER = "10.244.0.0/16"
SERVICE_IP = "10.96.0.20"


class World:
    """Three nodes, each with one pod that says where it is asked from."""

    def __init__(self, seed: int = 1) -> None:
        self.simulation = Simulation(seed)
        self.plane = DataPlane(self.simulation)
        self.pods: list[str] = []
        self.served: list[str] = []
        for number in (1, 2, 3):
            name = f"node-{number}"
            machine = self.simulation.machine(name, f"192.168.0.{number}")
            machine.start("kernel", self.plane.node(name).run)
        self.simulation.run_for(0)
        for number in (1, 2, 3):
            node = self.node(number)
            node.set_pod_cidr(f"10.244.{number}.0/24")
            self.pods.append(node.attach(f"default/web-{number}"))
            node.listen(self.pods[-1], 80, "TCP", self.server(number))

    def node(self, number: int) -> Any:
        return self.plane.node(f"node-{number}")

    def server(self, number: int) -> Any:
        async def serve(source: str, payload: Any) -> Any:
            self.served.append(f"web-{number}")
            text = f"web-{number} to {source}"
            return Response(200, text) if isinstance(payload, Request) else text

        return serve

    def proxy(self, *ready: int, **spec: Any) -> None:
        """Load the rules of one service into every node."""
        port = {"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080}
        service = {
            "metadata": {"namespace": "default", "name": "web"},
            "spec": {"type": "NodePort", "clusterIP": SERVICE_IP, "ports": [port], **spec},
        }
        slice_ = {
            "metadata": {
                "namespace": "default",
                "name": "web-1",
                "labels": {"kubernetes.io/service-name": "web"},
            },
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
            "endpoints": [
                {"addresses": [self.pods[number - 1]], "nodeName": f"node-{number}"}
                for number in ready
            ],
        }
        for number in (1, 2, 3):
            rows = service_ports([service], [slice_], f"node-{number}")
            self.call(self.node(number).restore(render(rows, cluster_cidr=CLUSTER)))

    def call(self, coroutine: Any, timeout: float = 300) -> Any:
        return self.simulation.call(coroutine, timeout)

    def get(self, source: str, address: str, port: int = 80, at: int = 1) -> Any:
        return self.call(self.node(at).exchange(source, address, port, "TCP", "hello"))

    def steps(self) -> list[str]:
        hops = self.simulation.trace.select("packet.hop", packet=self.plane.packets)
        return [f"{hop.host}: {hop.fields['step']}" for hop in hops]

    def close(self) -> None:
        self.simulation.close()


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


def test_a_pod_reaches_a_pod_of_another_node_under_its_own_address(world: World) -> None:
    assert world.get(world.pods[0], world.pods[1]) == f"web-2 to {world.pods[0]}"
    assert world.steps() == [
        "node-1: send",
        "node-1: node-1 → node-2",
        "node-2: deliver",
        "node-2: node-2 → node-1",
        "node-1: answer",
    ]


def test_a_cluster_ip_leads_through_the_rules_to_a_ready_pod_and_back(world: World) -> None:
    world.proxy(2)
    assert world.get(world.pods[0], SERVICE_IP) == f"web-2 to {world.pods[0]}"
    steps = world.steps()
    assert "node-1: nat PREROUTING → KUBE-SERVICES" in steps
    assert any(step.endswith("→ DNAT") for step in steps)
    assert "node-1: conntrack" in steps


def test_every_ready_endpoint_gets_its_share(world: World) -> None:
    world.proxy(1, 2, 3)
    for _ in range(120):
        world.get(world.pods[0], SERVICE_IP)
    assert all(world.served.count(f"web-{n}") > 20 for n in (1, 2, 3))


def test_a_pod_that_reaches_itself_through_its_service_is_masqueraded(world: World) -> None:
    world.proxy(1)
    assert world.get(world.pods[0], SERVICE_IP) == "web-1 to 192.168.0.1"


def test_a_service_without_endpoints_refuses(world: World) -> None:
    world.proxy()
    with pytest.raises(ConnectionRefusedError):
        world.get(world.pods[0], SERVICE_IP)
    assert "node-1: filter KUBE-SERVICES → REJECT" in world.steps()


def test_a_node_port_of_any_node_leads_to_the_pod_wherever_it_is(world: World) -> None:
    world.proxy(3)
    assert world.get("192.168.0.1", "192.168.0.2", 30080) == "web-3 to 192.168.0.2"
    assert world.get("192.168.0.1", "192.168.0.1", 30080) == "web-3 to 192.168.0.1"


def test_policy_local_keeps_the_clients_address_and_drops_where_no_pod_is(world: World) -> None:
    world.proxy(3, externalTrafficPolicy="Local")
    assert world.get("192.168.0.1", "192.168.0.3", 30080) == "web-3 to 192.168.0.1"
    with pytest.raises(TimeoutError):
        world.get("192.168.0.1", "192.168.0.2", 30080)
    assert "node-2: filter KUBE-EXTERNAL-SERVICES → DROP" in world.steps()


def test_a_client_with_affinity_stays_at_its_pod(world: World) -> None:
    world.proxy(1, 2, 3, sessionAffinity="ClientIP")
    assert len({world.get(world.pods[0], SERVICE_IP) for _ in range(20)}) == 1


def test_what_nobody_listens_to_is_refused(world: World) -> None:
    with pytest.raises(ConnectionRefusedError, match="Connection refused"):
        world.get(world.pods[0], world.pods[1], 81)
    world.node(2).detach(world.pods[1])
    with pytest.raises(ConnectionRefusedError, match="No route to host"):
        world.get(world.pods[0], world.pods[1])


def test_loopback_is_the_pods_own(world: World) -> None:
    assert world.get(world.pods[0], "127.0.0.1").startswith("web-1")


def test_tcp_outlives_loss_and_doubling_and_is_served_once(world: World) -> None:
    world.simulation.network.change(loss=0.4, duplicate=0.4)
    for _ in range(20):
        assert world.get(world.pods[0], world.pods[1]).startswith("web-2")
    assert world.served == ["web-2"] * 20


def test_tcp_waits_for_a_slow_answer_as_long_as_the_server_is_there(world: World) -> None:
    async def slow(source: str, payload: Any) -> str:
        await asyncio.sleep(400)
        return "at last"

    world.node(2).listen(world.pods[1], 8080, "TCP", slow)
    coroutine = world.node(1).exchange(world.pods[0], world.pods[1], 8080, "TCP", "")
    assert world.call(coroutine, 500) == "at last"


def test_a_partition_is_silence_and_the_packet_passes_once_it_is_healed(world: World) -> None:
    world.simulation.network.partition(["node-1"], ["node-2"])
    with pytest.raises(TimeoutError):
        world.get(world.pods[0], world.pods[1])
    world.simulation.loop.call_later(10, world.simulation.network.heal)
    assert world.get(world.pods[0], world.pods[1]).startswith("web-2")


def test_a_reboot_forgets_rules_pods_and_connections(world: World) -> None:
    world.proxy(2)
    world.simulation.machines["node-2"].restart()
    world.simulation.run_for(1)
    assert world.node(2).save() == ""
    with pytest.raises(ConnectionRefusedError):
        world.get(world.pods[0], SERVICE_IP)


def test_addresses_go_round_before_one_is_given_again(world: World) -> None:
    node = world.node(1)
    node.set_pod_cidr("10.244.1.0/29")  # 2 to 6; 2 is web-1's
    given = [node.attach(f"default/p{n}") for n in range(4)]
    assert given == ["10.244.1.3", "10.244.1.4", "10.244.1.5", "10.244.1.6"]
    with pytest.raises(CriError, match="no IP addresses available"):
        node.attach("default/one-too-many")
    node.detach("10.244.1.4")
    node.detach("10.244.1.3")
    assert node.attach("default/next") == "10.244.1.3"


def test_a_taken_port_says_so(world: World) -> None:
    with pytest.raises(OSError, match="in use"):
        world.node(1).listen(world.pods[0], 80, "TCP", world.server(1))


def test_the_same_seed_takes_the_same_way() -> None:
    def digest() -> str:
        world = World(seed=5)
        world.proxy(1, 2, 3)
        for _ in range(10):
            world.get(world.pods[0], SERVICE_IP)
        world.close()
        return world.simulation.trace.digest()

    assert digest() == digest()


# --- curl


def test_curl_says_what_curl_says(world: World) -> None:
    def error(url: str) -> str:
        with pytest.raises(CurlError) as caught:
            world.call(http_get(world.node(1), world.pods[0], url, {}))
        return str(caught.value)

    assert error("http://web/") == "(6) Could not resolve host: web"
    assert error(f"http://{world.pods[1]}:81/") == (
        f"(7) Failed to connect to {world.pods[1]} port 81: Connection refused"
    )
    world.simulation.network.partition(["node-1"], ["node-2"])
    assert error(f"http://{world.pods[1]}/").startswith("(28) Failed to connect")


def test_curl_finds_names_by_the_search_list_and_tells_its_packets(world: World) -> None:
    async def names(source: str, query: bytes) -> bytes:
        reply = dns.message.make_response(dns.message.from_wire(query))
        name = reply.question[0].name
        if str(name) == "web.default.svc.cluster.local.":
            reply.answer.append(dns.rrset.from_text(name, 30, "IN", "A", SERVICE_IP))
        return reply.to_wire()

    world.proxy(2)
    world.node(3).listen(world.pods[2], 53, "UDP", names)
    searches = ["svc.cluster.local", "default.svc.cluster.local"]
    resolv = {"servers": [world.pods[2]], "searches": searches, "options": ["ndots:5"]}
    response, packets = world.call(http_get(world.node(1), world.pods[0], "http://web/x", resolv))
    assert response.body == "web-2 to 10.244.1.2"
    trace = world.simulation.trace
    sent = [hop.fields["detail"] for n in packets for hop in trace.select(packet=n, step="send")]
    assert [text.split(" → ")[1] for text in sent] == [
        f"{world.pods[2]}:53",
        f"{world.pods[2]}:53",
        f"{SERVICE_IP}:80",
    ]

"""What cluster DNS answers, record by record of the specification."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest

from kube_edu.addons.dns import Dns
from tests.addons.fakes import FakeApi, FakeHost, endpoint_slice, service

NOT_READY = {"conditions": {"ready": False}}
OBJECTS = [
    service("default/kubernetes", "10.96.0.1", ("https", 443)),
    service("shop/web", "10.96.0.20", ("http", 80), ("", 81)),
    service("shop/db", "None", ("sql", 5432)),
    service("shop/idle", "None"),
    service("shop/crowd", "None", ("x", 1)),
    service("shop/inside", "", type="ExternalName", externalName="web.shop.svc.cluster.local"),
    service("shop/outside", "", type="ExternalName", externalName="www.example.com"),
    {**endpoint_slice("shop/db", [{"addresses": ["fd00::2"]}]), "addressType": "IPv6"},
    endpoint_slice("default/kubernetes", [{"addresses": ["192.168.0.9"]}], ("https", 6443)),
    endpoint_slice("shop/idle", [{"addresses": ["10.244.1.9"], **NOT_READY}]),
    endpoint_slice(
        "shop/db",
        [
            {"addresses": ["10.244.1.2"], "hostname": "db-0"},
            {"addresses": ["10.244.2.2"]},
            {"addresses": ["10.244.2.3"], "hostname": "db-2", **NOT_READY},
        ],
        ("sql", 5432),
    ),
    endpoint_slice(
        "shop/crowd", [{"addresses": [f"10.244.3.{n}"]} for n in range(2, 102)], ("x", 1)
    ),
]
IPV6 = next(o for o in OBJECTS if o.get("addressType") == "IPv6")
IPV6["metadata"]["name"] = "db-ipv6"


def start(objects: list = OBJECTS) -> Dns:
    host = FakeHost()

    async def sync() -> Dns:
        server = Dns(FakeApi(objects).client(), host)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(server.run())
            await server.synced()
            running.cancel()
        return server

    server = asyncio.run(sync())
    server.host = host  # type: ignore[attr-defined]
    return server


@pytest.fixture(scope="module")
def server() -> Dns:
    return start()


def ask(
    server: Dns, name: str, type: str = "A", udp: bool = True, **options
) -> dns.message.Message:
    query = dns.message.make_query(name, type, id=0, **options)
    return dns.message.from_wire(server.answer(query.to_wire(), udp))


def answers(server: Dns, name: str, type: str = "A", udp: bool = False) -> list[str]:
    return [str(data) for rrset in ask(server, name, type, udp).answer for data in rrset]


def code(server: Dns, name: str, type: str = "A") -> str:
    return dns.rcode.to_text(ask(server, name, type).rcode())


def test_a_service_has_its_cluster_ip(server: Dns) -> None:
    assert answers(server, "web.shop.svc.cluster.local") == ["10.96.0.20"]
    assert answers(server, "WEB.Shop.svc.cluster.local") == ["10.96.0.20"]


def test_a_record_lives_thirty_seconds_and_is_authoritative(server: Dns) -> None:
    reply = ask(server, "web.shop.svc.cluster.local")
    assert reply.answer[0].ttl == 30
    assert reply.flags & dns.flags.AA


def test_a_headless_service_has_its_ready_endpoints(server: Dns) -> None:
    assert answers(server, "db.shop.svc.cluster.local") == ["10.244.1.2", "10.244.2.2"]


def test_endpoints_have_names_of_their_own(server: Dns) -> None:
    assert answers(server, "db-0.db.shop.svc.cluster.local") == ["10.244.1.2"]
    assert answers(server, "10-244-2-2.db.shop.svc.cluster.local") == ["10.244.2.2"]
    assert code(server, "db-2.db.shop.svc.cluster.local") == "NXDOMAIN"


def test_a_named_port_has_an_srv_record(server: Dns) -> None:
    name = "web.shop.svc.cluster.local."
    reply = ask(server, f"_http._tcp.{name}", "SRV")
    assert [str(r) for r in reply.answer[0]] == [f"0 100 80 {name}"]
    assert [str(r) for r in reply.additional[0]] == ["10.96.0.20"]
    assert answers(server, name, "SRV") == [f"0 100 80 {name}"]  # the unnamed port has none
    assert code(server, f"_http._udp.{name}", "SRV") == "NXDOMAIN"


def test_a_headless_services_srv_records_name_each_endpoint(server: Dns) -> None:
    assert answers(server, "_sql._tcp.db.shop.svc.cluster.local", "SRV") == [
        "0 100 5432 db-0.db.shop.svc.cluster.local.",
        "0 100 5432 10-244-2-2.db.shop.svc.cluster.local.",
    ]


def test_addresses_lead_back_to_names(server: Dns) -> None:
    def name_of(address: str) -> list[str]:
        return answers(server, ".".join(reversed(address.split("."))) + ".in-addr.arpa", "PTR")

    assert name_of("10.96.0.20") == ["web.shop.svc.cluster.local."]
    assert name_of("10.244.1.2") == ["db-0.db.shop.svc.cluster.local."]
    assert code(server, "9.9.9.9.in-addr.arpa", "PTR") == "NXDOMAIN"


def test_a_pod_has_its_address_for_a_name(server: Dns) -> None:
    assert answers(server, "10-244-7-8.shop.pod.cluster.local") == ["10.244.7.8"]
    assert code(server, "10-244-7-800.shop.pod.cluster.local") == "NXDOMAIN"


def test_an_external_name_is_an_alias_followed_inside_the_cluster(server: Dns) -> None:
    assert answers(server, "outside.shop.svc.cluster.local") == ["www.example.com."]
    alias, address = ask(server, "inside.shop.svc.cluster.local").answer
    assert str(alias[0]) == "web.shop.svc.cluster.local."
    assert (str(address.name), str(address[0])) == (str(alias[0]), "10.96.0.20")
    assert answers(server, "inside.shop.svc.cluster.local", "CNAME") == [str(alias[0])]


def test_no_such_name_is_not_no_such_record(server: Dns) -> None:
    for name in ("nope.shop.svc", "web.nope.svc", "idle.shop.svc", "a.b.web.shop.svc", "x"):
        reply = ask(server, f"{name}.cluster.local")
        assert dns.rcode.to_text(reply.rcode()) == "NXDOMAIN", name
        assert reply.authority[0].to_text().split()[3] == "SOA"
    for name in ("web.shop.svc", "db.shop.svc", "10-0-0-1.shop.pod"):
        reply = ask(server, f"{name}.cluster.local", "AAAA")
        assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])
        assert reply.authority[0].to_text().split()[3] == "SOA"
    for name in ("svc.cluster.local", "shop.svc.cluster.local", "cluster.local"):
        assert (code(server, name), answers(server, name)) == ("NOERROR", [])


def test_names_elsewhere_are_refused(server: Dns) -> None:
    for name in ("www.example.com", "notcluster.local", "."):
        assert code(server, name) == "REFUSED"


def test_the_schema_has_a_version(server: Dns) -> None:
    assert answers(server, "dns-version.cluster.local", "TXT") == ['"1.1.0"']


def test_what_is_too_long_for_udp_is_cut_and_says_so(server: Dns) -> None:
    name = "crowd.shop.svc.cluster.local"
    cut = ask(server, name)
    assert cut.flags & dns.flags.TC
    assert len(cut.to_wire()) <= 512
    assert len(answers(server, name, udp=False)) == 100
    larger = ask(server, name, use_edns=0, payload=4096)
    assert not larger.flags & dns.flags.TC


def test_each_query_has_another_address_first(server: Dns) -> None:
    firsts = set()
    for number in range(2):
        query = dns.message.make_query("db.shop.svc.cluster.local", "A", id=number)
        reply = dns.message.from_wire(server.answer(query.to_wire(), True))
        firsts.add(str(reply.answer[0][0]))
    assert firsts == {"10.244.1.2", "10.244.2.2"}


def test_what_is_no_query_is_told_so(server: Dns) -> None:
    reply = dns.message.from_wire(server.answer(b"\x12\x34 nonsense", True))
    assert (reply.id, reply.rcode()) == (0x1234, dns.rcode.FORMERR)
    update = dns.message.make_query("cluster.local", "A")
    update.set_opcode(dns.opcode.STATUS)
    assert dns.message.from_wire(server.answer(update.to_wire(), True)).rcode() == dns.rcode.NOTIMP


def test_every_answer_is_on_the_trace() -> None:
    server = start()
    answers(server, "web.shop.svc.cluster.local")
    code(server, "nope.cluster.local")
    assert [fields for _, fields in server.host.events] == [  # type: ignore[attr-defined]
        {"name": "web.shop.svc.cluster.local", "type": "A", "answer": ["10.96.0.20"]},
        {"name": "nope.cluster.local", "type": "A", "answer": ["NXDOMAIN"]},
    ]


def test_importing_the_module_does_not_import_dnspython() -> None:
    program = "import sys, kube_edu.addons.dns; sys.exit('dns' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

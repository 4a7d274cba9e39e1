"""The packet walk: rules, marks, connection tracking; what is not understood is said."""

from __future__ import annotations

from random import Random

import pytest

from kube_edu.proxy.netfilter import Netfilter, Packet, parse, walk
from kube_edu.proxy.ruleset import parse_rule

PACKET = Packet("TCP", "10.244.1.2", 40000, "10.96.0.1", 80)


def nat(*lines: str) -> str:
    return "\n".join(["*nat", *lines, "COMMIT", ""])


def filter_table(*lines: str) -> str:
    return "\n".join(["*filter", *lines, "COMMIT", ""])


TO_POD = "-A PREROUTING -d 10.96.0.1 -p tcp --dport 80 -j DNAT --to-destination 10.244.2.2:8080"
TO_OTHER_POD = TO_POD.replace("10.244.2.2", "10.244.3.3")


def test_every_rule_visited_is_a_hop_and_says_whether_it_matched() -> None:
    text = nat(
        ":A - [0:0]", "-A PREROUTING -p udp -j A", "-A PREROUTING -j A", "-A A -j RETURN", TO_POD
    )
    hops = walk(parse(text), PACKET, Random(1)).hops
    assert [(hop.chain, hop.rule.target, hop.matched) for hop in hops] == [
        ("PREROUTING", "A", False),
        ("PREROUTING", "A", True),
        ("A", "RETURN", True),
        ("PREROUTING", "DNAT", True),
    ]
    assert hops[-1].outcome == "10.96.0.1:80 → 10.244.2.2:8080"


def test_a_connection_keeps_its_way_when_the_rules_change() -> None:
    kernel = Netfilter(Random(1))
    kernel.restore(nat(TO_POD))
    first = kernel.walk(PACKET)
    kernel.restore(nat(TO_OTHER_POD))
    later = kernel.walk(PACKET)
    assert later.packet == first.packet
    assert later.tracked
    new = kernel.walk(Packet("TCP", "10.244.1.2", 40001, "10.96.0.1", 80))
    assert new.packet.destination == "10.244.3.3"


def test_replies_come_from_the_address_that_was_asked() -> None:
    kernel = Netfilter(Random(1), local=["192.168.0.1"])
    kernel.restore(nat(TO_POD, "-A POSTROUTING -j MASQUERADE --random-fully"))
    sent = kernel.walk(PACKET).packet
    assert sent.source == "192.168.0.1"
    assert kernel.walk(sent.reversed()).packet == PACKET.reversed()


def test_two_masqueraded_connections_are_told_apart() -> None:
    kernel = Netfilter(Random(1), local=["192.168.0.1"])
    kernel.restore(nat("-A POSTROUTING -j MASQUERADE"))
    one, two = PACKET, Packet("TCP", "10.244.1.3", 40000, "10.96.0.1", 80)
    sent = [kernel.walk(packet).packet for packet in (one, two)]
    assert sent[0] != sent[1]
    assert [kernel.walk(p.reversed()).packet for p in sent] == [one.reversed(), two.reversed()]


def test_an_idle_connection_is_forgotten() -> None:
    time = 0.0
    kernel = Netfilter(Random(1), now=lambda: time)
    kernel.restore(nat(TO_POD))
    kernel.walk(PACKET)
    time = 100.0
    kernel.walk(Packet("UDP", "10.244.1.2", 1, "10.244.1.3", 2))
    assert kernel.walk(PACKET).tracked
    time = 230.0
    kernel.walk(Packet("UDP", "10.244.1.2", 1, "10.244.1.3", 2))
    assert not kernel.walk(PACKET).tracked


def test_the_state_of_a_connection_is_new_then_established() -> None:
    kernel = Netfilter(Random(1))
    kernel.restore(filter_table("-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT"))
    assert not kernel.walk(PACKET).matched
    assert kernel.walk(PACKET.reversed()).matched


def test_a_refused_packet_leaves_no_connection() -> None:
    kernel = Netfilter(Random(1))
    kernel.restore(filter_table("-A FORWARD -j REJECT"))
    assert [kernel.walk(PACKET).verdict for _ in range(2)] == ["REJECT", "REJECT"]
    kernel.restore(filter_table(":FORWARD DROP [0:0]"))
    assert kernel.walk(PACKET).verdict == "DROP"


def test_a_remembered_client_is_remembered_for_so_long() -> None:
    time = 0.0
    kernel = Netfilter(Random(1), now=lambda: time)
    kernel.restore(filter_table(
        "-A FORWARD -m recent --name x --rcheck --seconds 60 --reap -j REJECT",
        "-A FORWARD -m recent --name x --set",
    ))  # fmt: skip
    packets = [Packet("TCP", "10.244.1.2", port, "10.244.1.3", 80) for port in range(3)]
    assert kernel.walk(packets[0]).verdict == "ACCEPT"
    time = 60.0
    assert kernel.walk(packets[1]).verdict == "REJECT"
    time = 61.0
    assert kernel.walk(packets[2]).verdict == "ACCEPT"


def test_the_nodes_own_packets_start_at_output_and_end_at_input() -> None:
    kernel = Netfilter(Random(1), local=["192.168.0.1"])
    kernel.restore(filter_table("-A INPUT -j DROP", "-A OUTPUT -j REJECT"))
    assert kernel.walk(Packet("TCP", "192.168.0.1", 1, "10.244.1.2", 80)).verdict == "REJECT"
    assert kernel.walk(Packet("TCP", "10.244.1.2", 1, "192.168.0.1", 80)).verdict == "DROP"
    assert kernel.walk(Packet("TCP", "10.244.1.2", 1, "10.244.2.2", 80)).verdict == "ACCEPT"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("-A X -m length --length 5 -j DROP", "unknown match length"),
        ("-A X --sport 5 -j DROP", "unknown option --sport"),
        ("-A X -m statistic --mode nth -j DROP", "random expected"),
        ("-A X -j DNAT", "--to-destination expected"),
        ("-A X -j DROP please", "please after the target"),
        ("-A X ! -j DROP", "unknown option -j"),
        ("-A X -d 10.0.0.256", "256"),
        ("-I X -j DROP", "-A expected"),
    ],
)
def test_a_rule_that_is_not_understood_is_named(line: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        parse_rule(line)
    assert str(caught.value).endswith(line)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("*mangle\nCOMMIT\n", "unknown table"),
        (nat("-A NOWHERE -j ACCEPT"), "no chain NOWHERE"),
        (nat("-A OUTPUT -j NOWHERE"), "no chain or target NOWHERE"),
        ("*nat\n", "COMMIT expected"),
        ("-A OUTPUT -j DROP\n", "outside of a table"),
    ],
)
def test_text_that_the_kernel_would_not_load_is_refused(text: str, problem: str) -> None:
    kernel = Netfilter(Random(1))
    kernel.restore(nat(TO_POD))
    with pytest.raises(ValueError, match=problem):
        kernel.restore(text)
    assert kernel.walk(PACKET).packet.destination == "10.244.2.2"  # the old rules still hold

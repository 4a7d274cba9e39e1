"""Each cluster on a machine has addresses of its own."""

from __future__ import annotations

import ipaddress
import socket
from itertools import combinations
from pathlib import Path

from kube_edu.live.addresses import BLOCKS, GUARD_PORT, Addresses, choose


def test_blocks_do_not_overlap() -> None:
    networks = []
    for block in range(BLOCKS):
        addresses = Addresses(block)
        service = ipaddress.ip_network(addresses.service_cidr)
        nodes = ipaddress.ip_network(f"{addresses.node(0)}/16")
        assert ipaddress.ip_address(addresses.kubernetes) in service
        assert ipaddress.ip_address(addresses.dns) in service
        networks += [service, nodes, ipaddress.ip_network(addresses.cluster_cidr)]
    assert not any(a.overlaps(b) for a, b in combinations(networks, 2))
    assert not any(n.overlaps(ipaddress.ip_network("127.0.0.0/24")) for n in networks)


def test_a_block_in_use_is_passed_over(tmp_path: Path) -> None:
    first = choose(tmp_path)
    assert choose(tmp_path) == first, "a folder's first choice is always the same"
    with socket.create_server((first.node(1), GUARD_PORT)):
        assert not first.free()
        assert choose(tmp_path) != first
    assert first.free()

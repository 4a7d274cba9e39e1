"""Pod addresses inside 127.0.0.0/8, and the dial map."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest

from kube_edu.kubelet.cni import loopback
from kube_edu.kubelet.cni.hostlocal import HostLocal
from kube_edu.kubelet.cni.loopback import DialMap
from kube_edu.kubelet.cri import CriError


def test_addresses_come_from_the_nodes_range_and_go_back(tmp_path: Path) -> None:
    network = HostLocal()
    with pytest.raises(CriError, match="the node has no podCIDR"):
        network.attach("default/a")
    network.set_pod_cidr("127.244.1.0/29")
    network.set_pod_cidr("127.244.1.0/29")
    given = [network.attach(f"default/{n}") for n in range(5)]
    assert given == [f"127.244.1.{n}" for n in range(2, 7)]
    with pytest.raises(CriError, match="no IP addresses available in range"):
        network.attach("default/more")
    network.detach("127.244.1.4")
    assert network.attach("default/more") == "127.244.1.4"


def test_a_port_that_can_be_bound_needs_no_stand_in(tmp_path: Path) -> None:
    dial_map = DialMap(tmp_path / "dial")
    assert dial_map.claim("127.251.9.1", 18080) == ("127.251.9.1", 18080)
    assert dial_map.dial("127.251.9.1", 18080) == ("127.251.9.1", 18080)
    assert dial_map.file.read_text() == ""


def test_a_port_in_use_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.251.9.1", 18081)), pytest.raises(OSError, match="in use"):
        DialMap(tmp_path / "dial").claim("127.251.9.1", 18081)


@pytest.mark.parametrize(
    ("refused", "stand_in"),
    [
        (lambda address, port: 0 < port < 1024 and errno.EACCES, "127.251.9.1"),
        (lambda address, port: address != "127.0.0.1" and errno.EADDRNOTAVAIL, "127.0.0.1"),
    ],
    ids=["not root", "nothing but 127.0.0.1"],
)
def test_a_port_that_cannot_be_bound_gets_a_stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: object, stand_in: str
) -> None:
    bindable = loopback._bindable

    def strict(kind: socket.SocketKind, address: str, port: int) -> tuple[str, int]:
        number = refused(address, port)  # type: ignore[operator]
        if number:
            raise OSError(number, "as the system says")
        return bindable(kind, address, port)

    monkeypatch.setattr(loopback, "_bindable", strict)
    dial_map = DialMap(tmp_path / "dial")
    address, port = dial_map.claim("127.251.9.1", 80)
    assert address == stand_in
    assert port > 1023
    assert dial_map.claim("127.251.9.1", 80) == (address, port)
    assert dial_map.dial("127.251.9.1", 80) == (address, port)
    assert dial_map.file.read_text() == f"127.251.9.1:80 {address}:{port}\n"
    dial_map.release("127.251.9.1")
    assert dial_map.dial("127.251.9.1", 80) == ("127.251.9.1", 80)
    assert dial_map.file.read_text() == ""

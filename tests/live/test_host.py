"""Live hosts: what the simulated ones promise, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from kube_edu.host import Request, Response
from kube_edu.kubelet.cni.loopback import DialMap
from kube_edu.live.host import Rack
from kube_edu.live.pki import Pki


@pytest.fixture
def rack(tmp_path: Path) -> Rack:
    return Rack(tmp_path / "hosts", Pki(tmp_path), DialMap(tmp_path / "dial"))


async def whoami(request: Request) -> Response:
    return Response(body={"user": request.peer.common_name})


def test_hosts_call_one_another_by_name_and_by_address(rack: Rack) -> None:
    async def story() -> None:
        control = rack.host("control-1", "127.0.0.1")
        node = rack.host("node-1", "127.251.8.1")
        port = _free_port()
        server = await node.serve(port, whoami, identity="kubelet")
        for endpoint in (f"node-1:{port}", f"127.251.8.1:{port}"):
            client = control.connect(endpoint, identity="apiserver-kubelet-client")
            answer = await client.request(Request("GET", "/"))
            assert answer.body == {"user": "kube-apiserver-kubelet-client"}
            await client.close()
        with pytest.raises(OSError, match="in use"):
            await node.serve(port, whoami, identity="kubelet")
        await server.close()
        again = await node.serve(port, whoami, identity="kubelet")
        await again.close()

    asyncio.run(story())


def test_members_of_the_store_talk_within_the_process(rack: Rack) -> None:
    async def story() -> None:
        one, two = rack.host("etcd-1", "127.0.0.1"), rack.host("etcd-2", "127.0.0.1")
        server = await two.serve(2379, whoami, identity="etcd")
        client = one.connect("etcd-2:2379", identity="etcd")
        assert (await client.request(Request("POST", "/x"))).body == {"user": "etcd-1"}
        await server.close()
        with pytest.raises(ConnectionError):
            await client.request(Request("POST", "/x"))

        arrived: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        two.bind(2380, lambda source, message: arrived.put_nowait((source, message)))
        one.send("etcd-2:2380", {"term": 1}, port=2380)
        one.send("etcd-9:2380", {"term": 1}, port=2380)
        assert await arrived.get() == ("etcd-1:2380", {"term": 1})

    asyncio.run(story())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

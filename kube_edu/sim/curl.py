"""curl in a pod: resolve a name over DNS, then ask the server, all of it through the data path."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any
from urllib.parse import urlsplit

from kube_edu.host import Response
from kube_edu.kubelet.cri import ContainerConfig, PodSandboxConfig
from kube_edu.kubelet.cri.context import ContainerContext
from kube_edu.sim.dataplane import NodeNetwork

MAX_SECONDS = 60.0
"""For the whole of a request (curl --max-time)."""


class CurlError(OSError):
    """No answer, said as curl(1) says it, with its exit code: "(6) Could not resolve host: web".
    `packets` are the numbers of those that were sent all the same."""

    def __init__(self, code: int, message: str, packets: list[int]) -> None:
        super().__init__(f"({code}) {message}")
        self.packets = packets


async def http_get(
    network: NodeNetwork, source: str, url: str, resolv: Mapping[str, Any]
) -> tuple[Response, list[int]]:
    """GET a URL from a pod's address, or the node's own, by way of its node's network: the
    response, and the numbers of the packets sent (the field `packet` of `packet.hop`). `resolv`
    is the pod's resolv.conf: {"servers": [...], "searches": [...], "options": [...]}, the last
    being ["ndots:5"] if nothing else is said."""
    client = _Client(network, source, resolv)
    parts = urlsplit(url if "//" in url else f"http://{url}")
    where = f"{parts.hostname} port {parts.port or 80}"
    try:
        async with asyncio.timeout(MAX_SECONDS):
            return await client.get(url), client.packets
    except LookupError as error:
        message = f"Could not resolve host: {parts.hostname}"
        raise CurlError(6, message, client.packets) from error
    except ConnectionRefusedError as error:
        reason = str(error).rpartition(": ")[2]
        raise CurlError(7, f"Failed to connect to {where}: {reason}", client.packets) from error
    except TimeoutError as error:
        message = f"Failed to connect to {where}: Connection timed out"
        raise CurlError(28, message, client.packets) from error


class _Client(ContainerContext):
    """A process in the pod that keeps the numbers of the packets it sends."""

    def __init__(self, network: NodeNetwork, source: str, resolv: Mapping[str, Any]) -> None:
        self.packets: list[int] = []
        self._plane = network.plane
        super().__init__(
            ContainerConfig("curl", "curl"),
            PodSandboxConfig("curl", "", "", dns={"options": ["ndots:5"], **resolv}),
            source,
            network,
            Random(self._plane.packets),  # for the ids of DNS queries
            write=lambda line: None,
            now=lambda: 0.0,
        )

    async def exchange(self, address: str, port: int, protocol: str, payload: Any) -> Any:
        self.packets.append(self._plane.packets + 1)
        return await super().exchange(address, port, protocol, payload)

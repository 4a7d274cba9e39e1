"""What a program in a pod does with a URL: resolve the name over DNS, then ask the server.

The façade's `curl` and the simulated containers use it. Every message goes through the data path,
the DNS ones as real wire bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from kube_edu.host import Request, Response
from kube_edu.sim.dataplane import NodeNetwork

NDOTS = 5
"""Names with fewer dots are tried with the search list first (`options ndots:5`, which the
kubelet writes into each pod's resolv.conf)."""

ATTEMPTS = 2
"""How often each name server is asked (resolv.conf(5), attempts)."""

PORTS = {"http": 80, "https": 443}


class CurlError(OSError):
    """No answer, said as curl(1) says it: "(6) Could not resolve host: web". `packets` are the
    numbers of those that were sent all the same."""

    def __init__(self, code: int, message: str, packets: list[int]) -> None:
        super().__init__(f"({code}) {message}")
        self.packets = packets


async def http_get(
    network: NodeNetwork, source: str, url: str, resolv: Mapping[str, Any]
) -> tuple[Response, list[int]]:
    """GET a URL from a pod's address, or the node's own: the response, and the numbers of the
    packets sent (the fields `packet` of `packet.hop`). `resolv` is the pod's resolv.conf:
    {"servers": [...], "searches": [...]}."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 80)
    packets: list[int] = []
    servers, searches = resolv.get("servers") or (), resolv.get("searches") or ()
    addresses = await resolve(network, source, host, servers, searches, packets)
    if not addresses:
        raise CurlError(6, f"Could not resolve host: {host}", packets)
    query = tuple(parse_qsl(parts.query, keep_blank_values=True))
    request = Request("GET", parts.path or "/", query, {"host": parts.netloc})
    try:
        return await _send(network, source, addresses[0], port, "TCP", request, packets), packets
    except ConnectionRefusedError as error:
        reason = str(error).rpartition(": ")[2]
        message = f"Failed to connect to {host} port {port}: {reason}"
        raise CurlError(7, message, packets) from error
    except TimeoutError as error:
        message = f"Failed to connect to {host} port {port}: Connection timed out"
        raise CurlError(28, message, packets) from error


async def resolve(
    network: NodeNetwork,
    source: str,
    name: str,
    servers: Sequence[str],
    searches: Sequence[str],
    packets: list[int] | None = None,
) -> list[str]:
    """The addresses of a name, as a pod's resolver finds them (resolv.conf(5)): a name with few
    dots is first tried in each domain of the search list, one with a dot at its end never."""
    sent = packets if packets is not None else []
    if name.replace(".", "").isdigit():
        return [name]
    if name == "localhost":
        return ["127.0.0.1"]
    candidates = [f"{name}.{domain}" for domain in searches]
    candidates.insert(0 if name.count(".") >= NDOTS else len(candidates), name)
    for candidate in [name] if name.endswith(".") else candidates:
        addresses = await _lookup(network, source, candidate, servers, sent)
        if addresses:
            return addresses
    return []


async def _lookup(
    network: NodeNetwork, source: str, name: str, servers: Sequence[str], packets: list[int]
) -> list[str]:
    """Ask the servers in turn for a full name; over TCP where an answer did not fit UDP."""
    import dns.flags
    import dns.message
    import dns.rdatatype

    for server in [server for _ in range(ATTEMPTS) for server in servers]:
        query = dns.message.make_query(name, "A", id=(network.plane.packets + 1) % 65536)
        wire = query.to_wire()
        try:
            answer = await _send(network, source, server, 53, "UDP", wire, packets)
            if dns.message.from_wire(answer, ignore_trailing=True).flags & dns.flags.TC:
                answer = await _send(network, source, server, 53, "TCP", wire, packets)
        except (ConnectionError, TimeoutError):
            continue
        records = dns.message.from_wire(answer).answer
        return [data.address for rrset in records if rrset.rdtype == dns.rdatatype.A for data in rrset]  # fmt: skip  # noqa: E501
    return []


async def _send(
    network: NodeNetwork,
    source: str,
    address: str,
    port: int,
    protocol: str,
    payload: Any,
    packets: list[int],
) -> Any:
    packets.append(network.plane.packets + 1)
    return await network.exchange(source, address, port, protocol, payload)

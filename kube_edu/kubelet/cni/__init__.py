"""Pod networks: an address for every pod, and a way for what is sent to it.

In the simulation a network is one node's end of the data path (kube_edu.sim.dataplane): a packet
that a pod sends first walks its node's rule tables, then crosses to the node that holds the
destination address. `payload` is bytes for UDP (a DNS message), a Request for HTTP over TCP, or
any other object that both ends understand.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

Serve = Callable[[str, Any], Awaitable[Any]]
"""`await serve(source address, payload)` returns the answer."""


class PodNetwork(Protocol):
    """One node's pod network, as its runtime and its pods see it."""

    def set_pod_cidr(self, cidr: str) -> None:
        """The node's range (`spec.podCIDR`), once it is known."""

    def attach(self, pod: str) -> str:
        """Give the pod ("namespace/name") the next free address; raises CriError when the range
        is used up or not known yet."""

    def detach(self, address: str) -> None:
        """Take an address back, and everything that listens there."""

    def listen(self, address: str, port: int, protocol: str, serve: Serve) -> None:
        """Serve a port of a pod's address; raises OSError when it is taken."""

    def unlisten(self, address: str, port: int, protocol: str) -> None: ...

    async def exchange(
        self, source: str, address: str, port: int, protocol: str, payload: Any
    ) -> Any:
        """Send a payload from a pod's (or the node's own) address and return the answer, by way of
        the rule tables. Raises ConnectionRefusedError where nothing listens or a rule rejects,
        TimeoutError where a packet is lost on the way."""

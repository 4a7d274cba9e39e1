"""The machine a component runs on."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from kube_edu.host.disk import Disk
from kube_edu.host.http import Handler, HttpClient, Server


class Host(Protocol):
    """One machine (`node-1`, `etcd-2`, `control-1`), as its components see it.

    Endpoints are written "host-or-address:port". HTTP is reliable and ordered, as over TCP;
    datagrams may be lost, doubled or overtaken, as over UDP.
    """

    name: str
    address: str
    random: Random
    disk: Disk

    def now(self) -> float:
        """Seconds since the epoch, for time stamps in objects."""

    def record(self, kind: str, **fields: Any) -> None:
        """Put an event on the trace (see kube_edu.trace for the kinds)."""

    async def serve(self, port: int, handler: Handler, *, identity: str) -> Server:
        """Listen on a port; raises OSError when it is taken. `identity` names the serving
        certificate."""

    def connect(self, endpoint: str, *, identity: str) -> HttpClient:
        """A client of the server at an endpoint, calling under an identity of this host's
        (see kube_edu.host.identity; NOBODY shows no certificate). Connects lazily and again after
        a broken connection."""

    def bind(self, port: int, receive: Callable[[str, Any], None]) -> None:
        """Call `receive(source endpoint, message)` for every datagram that arrives at a port."""

    def send(self, endpoint: str, message: Any, *, port: int = 0) -> None:
        """Send one datagram, from `port`, and forget it."""

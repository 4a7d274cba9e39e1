"""What a container that is a coroutine sees: its pod, its files, its output, the network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import dns.message
import dns.rdatatype

from kube_edu.host import Request, Response
from kube_edu.kubelet.cni import PodNetwork, Serve
from kube_edu.kubelet.cri import ContainerConfig, Files, PodSandboxConfig
from kube_edu.kubelet.cri.images import command_line

DNS_TIMEOUT = 5.0


class ContainerContext:
    """Implements `kube_edu.kubelet.cri.programs.container.Container` over a PodNetwork."""

    def __init__(
        self,
        config: ContainerConfig,
        pod: PodSandboxConfig,
        address: str,
        network: PodNetwork,
        random: Random,
        write: Callable[[bytes], None],
        now: Callable[[], float],
    ) -> None:
        self.config = config
        self.pod = pod
        self.address = address
        self.random = random
        self.now = now
        self.terminated = asyncio.Event()
        """SIGTERM has come. Who does not care is killed at the end of the grace period."""
        self.files = _ContainerFiles(config.mounts)
        self.env = {"HOSTNAME": pod.hostname or pod.name, **config.env}
        self._network = network
        self._write = write
        self._listening: list[tuple[int, str]] = []

    @property
    def command(self) -> list[str]:
        return command_line(self.config)

    def log(self, text: str) -> None:
        """Write lines to the container's output."""
        for line in text.splitlines():
            self._write(line.encode())

    def listen(self, port: int, serve: Serve, protocol: str = "TCP") -> None:
        """Serve a port of the pod's address, until the container ends."""
        self._network.listen(self.address, port, protocol, serve)
        self._listening.append((port, protocol))

    def stop_listening(self) -> None:
        for port, protocol in self._listening:
            self._network.unlisten(self.address, port, protocol)
        self._listening.clear()

    async def exchange(self, address: str, port: int, protocol: str, payload: Any) -> Any:
        """Send something to an address and port, and return the answer."""
        return await self._network.exchange(self.address, address, port, protocol, payload)

    async def connect(self, name: str, port: int, payload: Any) -> Any:
        """As `exchange` over TCP, with a name to be resolved."""
        return await self.exchange(await self.resolve(name), port, "TCP", payload)

    async def get(self, url: str) -> Response:
        """HTTP GET, as wget does it."""
        parts = urlsplit(url if "//" in url else f"http://{url}")
        request = Request(
            "GET",
            parts.path or "/",
            tuple(parse_qsl(parts.query, keep_blank_values=True)),
            {"host": parts.netloc},
        )
        answer: Response = await self.connect(parts.hostname or "", parts.port or 80, request)
        return answer

    async def resolve(self, name: str) -> str:
        """The first IPv4 address of a name, by the pod's resolv.conf: names with few dots are
        tried with each search domain first. Raises LookupError."""
        if _is_address(name):
            return name
        for server in self.pod.dns.get("servers") or ():
            for candidate in self._candidates(name):
                address = await self._query(server, candidate)
                if address:
                    return address
        raise LookupError(f"bad address '{name}'")

    def _candidates(self, name: str) -> list[str]:
        if name.endswith("."):
            return [name]
        searched = [f"{name}.{domain}." for domain in self.pod.dns.get("searches") or ()]
        ndots = 1
        for option in self.pod.dns.get("options") or ():
            if option.startswith("ndots:"):
                ndots = int(option.removeprefix("ndots:"))
        few = name.count(".") < ndots
        return [*searched, f"{name}."] if few else [f"{name}.", *searched]

    async def _query(self, server: str, name: str) -> str:
        query = dns.message.make_query(name, "A", id=self.random.getrandbits(16))
        try:
            async with asyncio.timeout(DNS_TIMEOUT):
                wire = await self.exchange(server, 53, "UDP", query.to_wire())
        except (TimeoutError, ConnectionError):
            return ""
        for answer in dns.message.from_wire(wire).answer:
            if answer.rdtype == dns.rdatatype.A:
                return str(answer[0])
        return ""


class _ContainerFiles:
    """The container's files: what is mounted, and a layer of its own that ends with it.

    An emptyDir is one dict for all containers of a pod, so what one writes the others read.
    """

    def __init__(self, mounts: Mapping[str, Files]) -> None:
        self._mounts = mounts
        self._own: Files = {}

    def read(self, path: str) -> bytes:
        """Raises FileNotFoundError."""
        folder, name = self._place(path)
        if name not in folder:
            raise FileNotFoundError(path)
        return folder[name]

    def exists(self, path: str) -> bool:
        folder, name = self._place(path)
        return name in folder

    def write(self, path: str, content: bytes) -> None:
        folder, name = self._place(path)
        folder[name] = content

    def remove(self, path: str) -> None:
        folder, name = self._place(path)
        folder.pop(name, None)

    def list(self, path: str) -> list[str]:
        """Names in a folder, sorted."""
        folder, prefix = self._place(f"{path.rstrip('/')}/")
        return sorted(name.removeprefix(prefix) for name in folder if name.startswith(prefix))

    def _place(self, path: str) -> tuple[Files, str]:
        """The mounted folder (or the own layer) that holds a path, and the path within it."""
        for mount in sorted(self._mounts, key=len, reverse=True):
            prefix = f"{mount.rstrip('/')}/"
            if path.startswith(prefix):
                return self._mounts[mount], path.removeprefix(prefix)
        return self._own, path


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True

"""What a program and its container say to one another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from kube_edu.host import Response
from kube_edu.kubelet.cni import Serve


class Files(Protocol):
    """The files of a container, by path."""

    def read(self, path: str) -> bytes:
        """Raises OSError."""

    def write(self, path: str, content: bytes) -> None: ...


class Container(Protocol):
    """What a program sees of the container that it runs in."""

    terminated: asyncio.Event
    """SIGTERM has come. Who does not care is killed at the end of the grace period."""

    @property
    def env(self) -> Mapping[str, str]: ...
    @property
    def address(self) -> str: ...
    @property
    def command(self) -> Sequence[str]: ...
    @property
    def files(self) -> Files: ...

    def log(self, text: str) -> None:
        """Write lines to the container's output."""

    def listen(self, port: int, serve: Serve) -> None:
        """Serve a port of the pod's address: HTTP and RESP, as a Request and as bytes."""

    async def connect(self, name: str, port: int, payload: bytes) -> Any:
        """Send RESP, or nothing, and return the answer. LookupError if the name has no address."""

    async def get(self, url: str) -> Response:
        """HTTP GET. Raises LookupError as `connect` does."""


Program = Callable[[Container], Awaitable[int]]
"""A container's first process: returns its exit code."""

Command = Callable[[Container, Sequence[str]], Awaitable[str]]
"""A program that others run: takes its words, and returns its output. Raises CommandError."""


class CommandError(Exception):
    """A command ends with exit code 1 and this on its standard error."""

"""The Container Runtime Interface: how the kubelet asks for sandboxes and containers.

The calls and the fields are those of CRI v1 (`runtime.v1.RuntimeService` and `ImageService`),
with plain dataclasses for the messages that matter here. `runtime.py` has the life of a container;
`simulated.py` makes containers of coroutines in virtual time, `process.py` of child processes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class CriError(Exception):
    """A call that failed; `reason` is what a container's waiting state shows (ErrImagePull,
    CreateContainerConfigError, RunContainerError)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


Files = dict[str, bytes]
"""The files of a volume, by path within it."""


Line = tuple[float, bytes]
"""A line of output, and when it was written: seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class PodSandboxConfig:
    """What a sandbox is made from: the pod's identity, and its network settings."""

    name: str
    namespace: str
    uid: str
    attempt: int = 0
    hostname: str = ""
    host_network: bool = False
    ports: Sequence[Mapping[str, Any]] = ()
    """containerPort entries of all the pod's containers (they share the sandbox's network)."""
    dns: Mapping[str, Any] = field(default_factory=dict)
    """{"servers": [...], "searches": [...], "options": [...]}: the pod's resolv.conf."""


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """What a container is made from. References (ConfigMap, Secret, field) are resolved."""

    name: str
    image: str
    attempt: int = 0
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    working_dir: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, Files] = field(default_factory=dict)
    """By mount path: {"/etc/config": {"key": b"value"}}; an emptyDir is an empty dict."""


@dataclass(frozen=True, slots=True)
class SandboxStatus:
    id: str
    config: PodSandboxConfig
    ready: bool
    address: str
    created_at: float


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    id: str
    sandbox: str
    config: ContainerConfig
    state: str
    """"created", "running" or "exited"."""
    created_at: float = 0.0
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    reason: str = ""
    """"Completed", "Error", "OOMKilled" once exited."""


class Runtime(Protocol):
    """RuntimeService and ImageService. Ids are opaque. Times are seconds since the epoch."""

    async def pull_image(self, image: str) -> None:
        """Raises CriError("ErrImagePull") for an image that no registry has."""

    async def run_pod_sandbox(self, config: PodSandboxConfig) -> str: ...
    async def stop_pod_sandbox(self, sandbox: str) -> None: ...
    async def remove_pod_sandbox(self, sandbox: str) -> None: ...
    async def list_pod_sandbox(self) -> list[SandboxStatus]: ...

    async def create_container(self, sandbox: str, config: ContainerConfig) -> str: ...
    async def start_container(self, container: str) -> None: ...
    async def stop_container(self, container: str, timeout: float) -> None:
        """Ask it to end, and kill it after `timeout` seconds; returns when it has ended."""

    async def remove_container(self, container: str) -> None: ...
    async def list_containers(self) -> list[ContainerStatus]: ...

    async def exec_sync(
        self, container: str, command: Sequence[str], timeout: float
    ) -> tuple[int, bytes, bytes]:
        """Run a command inside: exit code, stdout, stderr."""

    def container_logs(self, container: str, *, follow: bool) -> AsyncGenerator[Line, None]:
        """Lines of output from the first; with `follow`, until it ends."""

    async def changes(self) -> None:
        """Return when some container or sandbox has changed since the last call (the kubelet's
        pod lifecycle event generator waits here instead of polling)."""

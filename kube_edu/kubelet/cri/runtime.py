"""The life of sandboxes and containers, whatever runs in them: what containerd is to runc.

A runtime has a life of its own: containers belong to the process that made it, so they go on while
a kubelet is restarted, and are gone when the node crashes.
"""

from __future__ import annotations

import asyncio
import contextvars
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from kube_edu.host import Host
from kube_edu.kubelet.cni import PodNetwork
from kube_edu.kubelet.cri import (
    ContainerConfig,
    ContainerStatus,
    CriError,
    Line,
    PodSandboxConfig,
    SandboxStatus,
)
from kube_edu.kubelet.cri.context import ContainerContext
from kube_edu.kubelet.cri.images import find_image, name_of
from kube_edu.kubelet.cri.running import Coroutine, Running

Program = Callable[[ContainerContext], Awaitable[int]]
"""A container's program as a coroutine: returns its exit code."""


class Log(Protocol):
    def write(self, line: bytes) -> None: ...
    def close(self) -> None: ...
    def lines(self, *, follow: bool) -> AsyncIterator[Line]:
        """Every line from the first; with `follow`, until the log is closed."""

    async def drained(self) -> None:
        """Return when all is there that an ended process wrote."""


@dataclass(slots=True, eq=False)
class Container:
    status: ContainerStatus
    pod: SandboxStatus
    log: Log
    running: Running | None = None
    watcher: asyncio.Task[None] | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class ContainerRuntime(ABC):
    """Implements `kube_edu.kubelet.cri.Runtime`, short of what a container is made of: a subclass
    `prepare`s and `launch`es it. `built_in` are programs of the cluster's own, by image name."""

    def __init__(self, host: Host, network: PodNetwork, built_in: Mapping[str, Program]) -> None:
        self._host = host
        self._network = network
        self._built_in = built_in
        self._sandboxes: dict[str, SandboxStatus] = {}
        self._containers: dict[str, Container] = {}
        self._changed = asyncio.Event()
        self._context = contextvars.copy_context()

    @abstractmethod
    def prepare(self, status: ContainerStatus, pod: SandboxStatus) -> Log:
        """Lay out what a new container needs, and return its log."""

    @abstractmethod
    async def launch(self, container: Container) -> Running:
        """Start a container's program. Raises CriError."""

    @abstractmethod
    async def exec_sync(
        self, container: str, command: Sequence[str], timeout: float
    ) -> tuple[int, bytes, bytes]: ...

    async def pull_image(self, image: str) -> None:
        if name_of(image) not in self._built_in:
            find_image(image)

    # --- sandboxes

    async def run_pod_sandbox(self, config: PodSandboxConfig) -> str:
        address = self._host.address
        if not config.host_network:
            address = self._network.attach(f"{config.namespace}/{config.name}")
        status = SandboxStatus(self._new_id(), config, True, address, self._host.now())
        self._sandboxes[status.id] = status
        self._changed.set()
        return status.id

    async def stop_pod_sandbox(self, sandbox: str) -> None:
        found = self._sandboxes.get(sandbox)
        if found is None or not found.ready:
            return
        for container in self._inside(sandbox):
            await self.stop_container(container, 0)
        self._sandboxes[sandbox] = replace(found, ready=False, address="")
        if not found.config.host_network:
            self._network.detach(found.address)
        self._changed.set()

    async def remove_pod_sandbox(self, sandbox: str) -> None:
        await self.stop_pod_sandbox(sandbox)
        for container in self._inside(sandbox):
            await self.remove_container(container)
        self._sandboxes.pop(sandbox, None)
        self._changed.set()

    async def list_pod_sandbox(self) -> list[SandboxStatus]:
        return list(self._sandboxes.values())

    # --- containers

    async def create_container(self, sandbox: str, config: ContainerConfig) -> str:
        pod = self._sandboxes.get(sandbox)
        if pod is None or not pod.ready:
            raise CriError("CreateContainerError", f"sandbox {sandbox} is not running")
        now = self._host.now()
        status = ContainerStatus(self._new_id(), sandbox, config, "created", created_at=now)
        self._containers[status.id] = Container(status, pod, self.prepare(status, pod))
        return status.id

    async def start_container(self, container: str) -> None:
        found = self._get(container)
        program = self._built_in.get(name_of(found.status.config.image))
        try:
            running = self._begin(found, program) if program else await self.launch(found)
        except CriError:
            self._end(found, 128, "StartError")
            raise
        found.running = running
        found.status = replace(found.status, state="running", started_at=self._host.now())
        found.watcher = self._spawn(self._watch(found, running))
        self._changed.set()

    async def stop_container(self, container: str, timeout: float) -> None:
        found = self._containers.get(container)
        if found is None or found.running is None:
            return
        if timeout > 0 and not found.ended.is_set():
            found.running.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await found.ended.wait()
        if not found.ended.is_set():
            found.running.kill()
        await found.ended.wait()

    async def remove_container(self, container: str) -> None:
        await self.stop_container(container, 0)
        self._containers.pop(container, None)
        self._changed.set()

    async def list_containers(self) -> list[ContainerStatus]:
        return [container.status for container in self._containers.values()]

    async def container_logs(self, container: str, *, follow: bool) -> AsyncGenerator[Line, None]:
        async for line in self._get(container).log.lines(follow=follow):
            yield line

    async def changes(self) -> None:
        await self._changed.wait()
        self._changed.clear()

    # --- programs

    def _begin(self, container: Container, program: Program) -> Coroutine:
        """Start a program that is a coroutine."""
        context = ContainerContext(
            container.status.config,
            container.pod.config,
            container.pod.address,
            self._network,
            self._host.random,
            container.log.write,
            self._host.now,
        )
        return Coroutine(context, self._spawn(program(context)))

    async def _watch(self, container: Container, running: Running) -> None:
        code = await running.wait()
        await container.log.drained()
        self._end(container, code, "Error" if code else "Completed")

    def _end(self, container: Container, code: int, reason: str) -> None:
        now = self._host.now()
        container.status = replace(
            container.status, state="exited", finished_at=now, exit_code=code, reason=reason
        )
        container.log.close()
        container.ended.set()
        self._changed.set()

    def _spawn(self, coroutine: Any) -> asyncio.Task[Any]:
        """A task of the runtime's own process, not of the caller's."""
        return asyncio.get_running_loop().create_task(coroutine, context=self._context)

    def _inside(self, sandbox: str) -> list[str]:
        return [id for id, c in self._containers.items() if c.status.sandbox == sandbox]

    def _get(self, container: str) -> Container:
        if container not in self._containers:
            raise CriError("NotFound", f'container with ID "{container}" not found')
        return self._containers[container]

    def _new_id(self) -> str:
        return f"{self._host.random.getrandbits(256):064x}"

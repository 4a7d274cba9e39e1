"""The simulated runtime: a container is a coroutine in virtual time.

It has a life of its own, as containerd has: `run` belongs to a process of the node, and containers
belong to that process, so they go on while a kubelet is restarted and are gone when the node
crashes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from kube_edu.host import Host
from kube_edu.kubelet.cni import PodNetwork
from kube_edu.kubelet.cri import (
    ContainerConfig,
    ContainerStatus,
    CriError,
    PodSandboxConfig,
    SandboxStatus,
    shell,
)
from kube_edu.kubelet.cri.behaviours import BEHAVIOURS
from kube_edu.kubelet.cri.context import Behaviour, ContainerContext
from kube_edu.kubelet.cri.images import stand_in

SANDBOX_SECONDS = 0.05
START_SECONDS = 0.1
PULL_SECONDS = (0.3, 0.9)

KILLED = 128 + 9
"""The exit code of a process that SIGKILL ended."""


@dataclass(slots=True, eq=False)
class _Sandbox:
    id: str
    config: PodSandboxConfig
    address: str
    created_at: float
    ready: bool = True


@dataclass(slots=True, eq=False)
class _Container:
    id: str
    sandbox: _Sandbox
    config: ContainerConfig
    behaviour: Behaviour
    context: ContainerContext
    created_at: float
    state: str = "created"
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    task: asyncio.Task[None] | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    log: list[tuple[float, bytes]] = field(default_factory=list)
    logged: asyncio.Event = field(default_factory=asyncio.Event)

    def status(self) -> ContainerStatus:
        exited = self.state == "exited"
        return ContainerStatus(
            id=self.id,
            sandbox=self.sandbox.id,
            config=self.config,
            state=self.state,
            created_at=self.created_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            exit_code=self.exit_code,
            reason=("Completed" if self.exit_code == 0 else "Error") if exited else "",
        )


class SimulatedRuntime:
    """Implements `kube_edu.kubelet.cri.Runtime`. `images` adds to what the stand-ins of the
    image table do, or changes it."""

    def __init__(
        self, host: Host, network: PodNetwork, images: Mapping[str, Behaviour] | None = None
    ) -> None:
        self._host = host
        self._network = network
        self._images = {**BEHAVIOURS, **(images or {})}
        self._pulled: list[str] = []
        self._sandboxes: dict[str, _Sandbox] = {}
        self._containers: dict[str, _Container] = {}
        self._to_start: asyncio.Queue[_Container] = asyncio.Queue()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Be the parent of all containers, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                container = await self._to_start.get()
                container.task = group.create_task(self._container(container))

    async def _container(self, container: _Container) -> None:
        try:
            container.exit_code = await container.behaviour(container.context)
        except asyncio.CancelledError:
            container.exit_code = KILLED
        except Exception as error:  # the program has crashed, not the runtime
            container.context.log(f"{type(error).__name__}: {error}")
            container.exit_code = 1
        container.context.stop_listening()
        container.state = "exited"
        container.finished_at = self._host.now()
        container.ended.set()
        container.logged.set()
        self._changed.set()

    # --- images

    async def pull_image(self, image: str) -> None:
        if image in self._pulled:
            return
        await asyncio.sleep(self._host.random.uniform(*PULL_SECONDS))
        self._behaviour(image)
        self._pulled.append(image)

    def _behaviour(self, image: str) -> Behaviour:
        name = stand_in(image)
        if name not in self._images:
            raise CriError("ErrImagePull", f'no stand-in for image "{image}" in the simulation')
        return self._images[name]

    # --- sandboxes

    async def run_pod_sandbox(self, config: PodSandboxConfig) -> str:
        await asyncio.sleep(SANDBOX_SECONDS)
        address = self._host.address
        if not config.host_network:
            address = self._network.attach(f"{config.namespace}/{config.name}")
        sandbox = _Sandbox(self._new_id(), config, address, self._host.now())
        self._sandboxes[sandbox.id] = sandbox
        self._changed.set()
        return sandbox.id

    async def stop_pod_sandbox(self, sandbox: str) -> None:
        stopped = self._sandboxes.get(sandbox)
        if stopped is None or not stopped.ready:
            return
        for container in list(self._containers.values()):
            if container.sandbox is stopped:
                await self.stop_container(container.id, 0)
        stopped.ready = False
        if not stopped.config.host_network:
            self._network.detach(stopped.address)
        self._changed.set()

    async def remove_pod_sandbox(self, sandbox: str) -> None:
        await self.stop_pod_sandbox(sandbox)
        removed = self._sandboxes.pop(sandbox, None)
        for container in list(self._containers.values()):
            if container.sandbox is removed:
                await self.remove_container(container.id)
        self._changed.set()

    async def list_pod_sandbox(self) -> list[SandboxStatus]:
        return [
            SandboxStatus(s.id, s.config, s.ready, s.address if s.ready else "", s.created_at)
            for s in self._sandboxes.values()
        ]

    # --- containers

    async def create_container(self, sandbox: str, config: ContainerConfig) -> str:
        inside = self._sandboxes.get(sandbox)
        if inside is None or not inside.ready:
            raise CriError("CreateContainerError", f"sandbox {sandbox} is not running")
        behaviour = self._behaviour(config.image)
        if config.command and config.command[0].rpartition("/")[2] in shell.PROGRAMS:
            behaviour = BEHAVIOURS["shell"]  # a command takes the place of the image's program
        log: list[tuple[float, bytes]] = []
        logged = asyncio.Event()

        def write(line: bytes) -> None:
            log.append((self._host.now(), line))
            logged.set()

        context = ContainerContext(
            config,
            inside.config,
            inside.address,
            self._network,
            self._host.random,
            write,
            self._host.now,
        )
        container = _Container(self._new_id(), inside, config, behaviour, context, self._host.now())
        container.log, container.logged = log, logged
        self._containers[container.id] = container
        return container.id

    async def start_container(self, container: str) -> None:
        await asyncio.sleep(START_SECONDS)
        started = self._get(container)
        started.state = "running"
        started.started_at = self._host.now()
        self._to_start.put_nowait(started)
        self._changed.set()

    async def stop_container(self, container: str, timeout: float) -> None:
        stopped = self._get(container)
        if stopped.state != "running":
            return
        stopped.context.terminated.set()
        try:
            async with asyncio.timeout(timeout):
                await stopped.ended.wait()
        except TimeoutError:
            if stopped.task is not None:
                stopped.task.cancel()
            await stopped.ended.wait()

    async def remove_container(self, container: str) -> None:
        if container in self._containers:
            await self.stop_container(container, 0)
            del self._containers[container]
            self._changed.set()

    async def list_containers(self) -> list[ContainerStatus]:
        return [container.status() for container in self._containers.values()]

    async def exec_sync(
        self, container: str, command: Sequence[str], timeout: float
    ) -> tuple[int, bytes, bytes]:
        inside = self._get(container)
        if inside.state != "running":
            raise CriError("ExecError", f"container {container} is not running")
        lines: list[str] = []
        async with asyncio.timeout(timeout or None):
            code = await shell.run(inside.context, command, lines.append)
        return code, "".join(f"{line}\n" for line in lines).encode(), b""

    async def container_logs(
        self, container: str, *, follow: bool
    ) -> AsyncIterator[tuple[float, bytes]]:
        source = self._get(container)
        told = 0
        while True:
            while told < len(source.log):
                told += 1
                yield source.log[told - 1]
            if not follow or source.state == "exited":
                return
            source.logged.clear()
            await source.logged.wait()

    async def changes(self) -> None:
        await self._changed.wait()
        self._changed.clear()

    async def dial(self, address: str, port: int) -> tuple[str, int]:
        return address, port

    def _get(self, container: str) -> _Container:
        if container not in self._containers:
            raise CriError("NotFound", f'container with ID "{container}" not found')
        return self._containers[container]

    def _new_id(self) -> str:
        return f"{self._host.random.getrandbits(256):064x}"

"""The simulated runtime: a container is a coroutine in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import PurePosixPath

from kube_edu.host import Host
from kube_edu.kubelet.cni import PodNetwork
from kube_edu.kubelet.cri import (
    ContainerStatus,
    CriError,
    Line,
    PodSandboxConfig,
    SandboxStatus,
    shell,
)
from kube_edu.kubelet.cri.context import ContainerContext
from kube_edu.kubelet.cri.images import command_line
from kube_edu.kubelet.cri.programs import PROGRAMS
from kube_edu.kubelet.cri.running import Coroutine
from kube_edu.kubelet.cri.runtime import Container, ContainerRuntime, Program

SANDBOX_SECONDS = 0.05
START_SECONDS = 0.1
PULL_SECONDS = (0.3, 0.9)


class SimulatedRuntime(ContainerRuntime):
    """Every container takes its time, and runs what there is of its program in the simulation."""

    def __init__(
        self, host: Host, network: PodNetwork, built_in: Mapping[str, Program] | None = None
    ) -> None:
        super().__init__(host, network, built_in or {})
        self._pulled: list[str] = []

    async def pull_image(self, image: str) -> None:
        if image not in self._pulled:
            await asyncio.sleep(self._host.random.uniform(*PULL_SECONDS))
            await super().pull_image(image)
            self._pulled.append(image)

    async def run_pod_sandbox(self, config: PodSandboxConfig) -> str:
        await asyncio.sleep(SANDBOX_SECONDS)
        return await super().run_pod_sandbox(config)

    def prepare(self, status: ContainerStatus, pod: SandboxStatus) -> MemoryLog:
        return MemoryLog(self._host.now)

    async def start_container(self, container: str) -> None:
        await asyncio.sleep(START_SECONDS)
        await super().start_container(container)

    async def launch(self, container: Container) -> Coroutine:
        name = PurePosixPath(command_line(container.status.config)[0]).name
        return self._begin(container, _program(name))

    async def exec_sync(
        self, container: str, command: Sequence[str], timeout: float
    ) -> tuple[int, bytes, bytes]:
        inside = self._get(container)
        if not isinstance(inside.running, Coroutine) or inside.ended.is_set():
            raise CriError("ExecError", f"container {container} is not running")
        lines: list[str] = []
        async with asyncio.timeout(timeout or None):
            code = await shell.run(inside.running.context, command, lines.append)
        return code, "".join(f"{line}\n" for line in lines).encode(), b""


class MemoryLog:
    """Implements `kube_edu.kubelet.cri.runtime.Log`."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lines: list[Line] = []
        self._progress = asyncio.Event()
        self._closed = False

    def write(self, line: bytes) -> None:
        self._lines.append((self._now(), line))
        self._progress.set()

    def close(self) -> None:
        self._closed = True
        self._progress.set()

    async def drained(self) -> None:
        """What is written is there."""

    async def lines(self, *, follow: bool) -> AsyncIterator[Line]:
        told = 0
        while True:
            while told < len(self._lines):
                told += 1
                yield self._lines[told - 1]
            if self._closed or not follow:
                return
            self._progress.clear()
            await self._progress.wait()


def _program(name: str) -> Program:
    """What of a program there is in the simulation."""
    return PROGRAMS.get(name, _python if name.startswith("python") else _shell)


async def _shell(container: ContainerContext) -> int:
    return await shell.run(container, container.command, container.log)


async def _python(container: ContainerContext) -> int:
    """A simulation runs no programs of others, so this interpreter knows none."""
    container.log(f"{container.command[0]}: no Python program runs in the simulation")
    return 1

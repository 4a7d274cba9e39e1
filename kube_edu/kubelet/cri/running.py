"""What runs in a container: a coroutine of this process, or a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import Protocol

from kube_edu.kubelet.cri.context import ContainerContext


class Running(Protocol):
    def terminate(self) -> None:
        """Ask it to end, as SIGTERM does."""

    def kill(self) -> None:
        """End it, and all that it has started."""

    async def wait(self) -> int:
        """Its exit code, when it has ended and nothing is left of it."""


class Coroutine:
    """A task that stands for a process: a simulated one, or a part of the cluster (DNS)."""

    def __init__(self, context: ContainerContext, task: asyncio.Task[int]) -> None:
        self.context = context
        self._task = task

    def terminate(self) -> None:
        self.context.terminated.set()

    def kill(self) -> None:
        self._task.cancel()

    async def wait(self) -> int:
        try:
            return await self._task
        except asyncio.CancelledError:
            return 128 + signal.SIGKILL
        except Exception as error:  # the program has crashed, not the runtime
            self.context.log(f"{type(error).__name__}: {error}")
            return 1
        finally:
            self.context.stop_listening()


class Child:
    """The first process of a process group."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def terminate(self) -> None:
        _signal(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        _signal(-self._process.pid, signal.SIGKILL)

    async def wait(self) -> int:
        code = await self._process.wait()
        self.kill()  # what the first process leaves behind, as in a PID namespace
        return exit_code(code)


def exit_code(returncode: int | None) -> int:
    """As a shell has it: 128 + the signal that ended it."""
    assert returncode is not None
    return returncode if returncode >= 0 else 128 - returncode


def _signal(pid: int, number: signal.Signals) -> None:
    """Signal a process, or with a negative number a group, that may have ended."""
    with suppress(OSError):
        os.kill(pid, number)

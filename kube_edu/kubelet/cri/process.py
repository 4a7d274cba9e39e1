"""A runtime that needs no root: each container is a child process of this one.

What a container has here of what a real one has:
- a process group of its own, ended as a whole when its first process ends;
- the pod's address, with the ports that it listens on (kube_edu.kubelet.cni.loopback);
- a root folder, which is its working folder and $KUBE_EDU_ROOT. Nothing can be mounted without
  root, so a volume's files lie below that folder, and where command, args or environment name a
  mount path, they are given the real one. A path that a program makes up itself is not.

    FOLDER/bin/                      the programs of the built-in images
    FOLDER/pods/<uid>/volumes/       emptyDir volumes, by number
    FOLDER/pods/<uid>/<container>-<id>/rootfs, log
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from kube_edu.host import Host
from kube_edu.kubelet.cni import PodNetwork
from kube_edu.kubelet.cni.loopback import DialMap
from kube_edu.kubelet.cri import (
    ContainerConfig,
    ContainerStatus,
    CriError,
    PodSandboxConfig,
    SandboxStatus,
)
from kube_edu.kubelet.cri.context import Behaviour, ContainerContext
from kube_edu.kubelet.cri.images import stand_in
from kube_edu.kubelet.cri.leftovers import end_leftovers
from kube_edu.kubelet.cri.log import LogFile
from kube_edu.kubelet.cri.programs import Program, install, program_of
from kube_edu.kubelet.cri.running import BuiltIn, Child, Running, exit_code

WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
"""Where util-linux is at hand, a container is killed when this process dies, however it dies
(prctl(2), PR_SET_PDEATHSIG)."""


@dataclass(slots=True)
class Sandbox:
    status: SandboxStatus
    folder: Path


@dataclass(slots=True)
class Container:
    status: ContainerStatus
    program: Program
    folder: Path
    log: LogFile
    running: Running | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    watcher: asyncio.Task[None] | None = None

    @property
    def root(self) -> Path:
        return self.folder / "rootfs"


class ProcessRuntime:
    """Implements `kube_edu.kubelet.cri.Runtime` for one node. `built_in` are the stand-ins that
    are coroutines of this process instead."""

    def __init__(
        self,
        host: Host,
        folder: Path,
        network: PodNetwork,
        dial_map: DialMap,
        built_in: Mapping[str, Behaviour],
    ) -> None:
        self._host = host
        self._pods = folder / "pods"
        self._bin = folder / "bin"
        self._network = network
        self._dial_map = dial_map
        self._built_in = built_in
        self._sandboxes: dict[str, Sandbox] = {}
        self._containers: dict[str, Container] = {}
        self._empty_dirs: dict[str, list[Mapping[str, bytes]]] = {}  # of each pod, by uid
        self._changed = asyncio.Event()
        self._prefix = WITH_PARENT if shutil.which("setpriv") else ()
        end_leftovers(self._pods)
        shutil.rmtree(self._pods, ignore_errors=True)
        install(self._bin)

    async def close(self) -> None:
        """End every container, and wait until all have."""
        async with asyncio.TaskGroup() as group:
            for container in list(self._containers):
                group.create_task(self.stop_container(container, 2.0))

    async def pull_image(self, image: str) -> None:
        if stand_in(image) not in self._built_in:
            program_of(image)

    # --- sandboxes

    async def run_pod_sandbox(self, config: PodSandboxConfig) -> str:
        id = f"{self._host.random.getrandbits(256):064x}"
        if config.host_network:
            address = self._host.address
        else:
            address = self._network.attach(f"{config.namespace}/{config.name}")
            for port in config.ports:
                self._claim(address, port["containerPort"])
        status = SandboxStatus(id, config, True, address, self._host.now())
        self._sandboxes[id] = Sandbox(status, self._pods / config.uid)
        self._changed.set()
        return id

    async def stop_pod_sandbox(self, sandbox: str) -> None:
        found = self._sandboxes.get(sandbox)
        if found is None or not found.status.ready:
            return
        for id, container in list(self._containers.items()):
            if container.status.sandbox == sandbox:
                await self.stop_container(id, 0)
        found.status = replace(found.status, ready=False)
        if not found.status.config.host_network:
            self._dial_map.release(found.status.address)
            self._network.detach(found.status.address)
        self._changed.set()

    async def remove_pod_sandbox(self, sandbox: str) -> None:
        await self.stop_pod_sandbox(sandbox)
        for id, container in list(self._containers.items()):
            if container.status.sandbox == sandbox:
                await self.remove_container(id)
        found = self._sandboxes.pop(sandbox, None)
        if found and not any(other.folder == found.folder for other in self._sandboxes.values()):
            shutil.rmtree(found.folder, ignore_errors=True)
            self._empty_dirs.pop(found.status.config.uid, None)

    async def list_pod_sandbox(self) -> list[SandboxStatus]:
        return [sandbox.status for sandbox in self._sandboxes.values()]

    # --- containers

    async def create_container(self, sandbox: str, config: ContainerConfig) -> str:
        pod = self._sandboxes[sandbox]
        behaviour = self._built_in.get(stand_in(config.image))
        program = Program() if behaviour else program_of(config.image)
        for port in program.ports:
            self._claim(pod.status.address, port)
        id = f"{self._host.random.getrandbits(256):064x}"
        folder = pod.folder / f"{config.name}-{id[:12]}"
        status = ContainerStatus(id, sandbox, config, "created", created_at=self._host.now())
        container = Container(status, program, folder, LogFile(folder / "log", self._host.now))
        empty_dirs = self._empty_dirs.setdefault(pod.status.config.uid, [])
        _lay_out(container.root, pod, config, empty_dirs)
        self._containers[id] = container
        self._changed.set()
        return id

    async def start_container(self, container: str) -> None:
        found = self._containers[container]
        behaviour = self._built_in.get(stand_in(found.status.config.image))
        try:
            running = self._begin(found, behaviour) if behaviour else await self._launch(found)
        except CriError:
            self._end(found, 128, "StartError")
            raise
        found.running = running
        found.status = replace(found.status, state="running", started_at=self._host.now())
        found.watcher = asyncio.create_task(self._watch(found, running))
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
        found = self._containers.pop(container, None)
        if found is not None:
            shutil.rmtree(found.folder, ignore_errors=True)

    async def list_containers(self) -> list[ContainerStatus]:
        return [container.status for container in self._containers.values()]

    async def exec_sync(
        self, container: str, command: Sequence[str], timeout: float
    ) -> tuple[int, bytes, bytes]:
        found = self._containers[container]
        pipe = asyncio.subprocess.PIPE
        process = await self._spawn(found, list(command), stdout=pipe, stderr=pipe)
        try:
            async with asyncio.timeout(timeout or None):
                stdout, stderr = await process.communicate()
        except TimeoutError:
            text = f"command {list(command)} timed out after {timeout:g}s"
            raise CriError("DeadlineExceeded", text) from None
        finally:
            Child(process).kill()
        return exit_code(process.returncode), stdout, stderr

    async def container_logs(
        self, container: str, *, follow: bool
    ) -> AsyncIterator[tuple[float, bytes]]:
        found = self._containers[container]
        async for line in found.log.lines(follow=follow):
            yield line

    async def changes(self) -> None:
        await self._changed.wait()
        self._changed.clear()

    async def dial(self, address: str, port: int) -> tuple[str, int]:
        return self._dial_map.dial(address, port)

    # --- processes

    async def _launch(self, container: Container) -> Child:
        config, program = container.status.config, container.program
        argv = [*(config.command or program.entrypoint), *config.args]
        if not config.command and not config.args:
            argv += program.arguments
        stdout, stderr = container.log.pipe("stdout"), container.log.pipe("stderr")
        try:
            return Child(await self._spawn(container, argv, stdout=stdout, stderr=stderr))
        finally:
            os.close(stdout)
            os.close(stderr)

    def _begin(self, container: Container, behaviour: Behaviour) -> BuiltIn:
        pod = self._sandboxes[container.status.sandbox].status
        context = ContainerContext(
            container.status.config,
            pod.config,
            pod.address,
            self._network,
            self._host.random,
            container.log.write,
            self._host.now,
        )
        return BuiltIn(behaviour, context)

    async def _spawn(
        self, container: Container, argv: list[str], *, stdout: int, stderr: int
    ) -> asyncio.subprocess.Process:
        config = container.status.config
        environment = self._environment(container)
        words = [_localised(word, container) for word in argv]
        program = _find(words[0], self._bin, environment["PATH"])
        if program is None:
            raise CriError(
                "RunContainerError",
                "failed to create containerd task: failed to create shim task: OCI runtime create "
                "failed: runc create failed: unable to start container process: "
                f'exec: "{words[0]}": executable file not found in $PATH: unknown',
            )
        folder = container.root / config.working_dir.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        return await asyncio.create_subprocess_exec(
            *self._prefix,
            program,
            *words[1:],
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    def _environment(self, container: Container) -> dict[str, str]:
        pod = self._sandboxes[container.status.sandbox].status
        config = container.status.config
        environment = {
            "PATH": f"{self._bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(container.root),
            "HOSTNAME": pod.config.hostname or pod.config.name,
        }
        for name, value in config.env.items():
            environment[name] = _localised(value, container)
        return {
            **environment,
            "KUBE_EDU_ROOT": str(container.root),
            "KUBE_EDU_MOUNTS": ":".join(config.mounts),
            "KUBE_EDU_POD_IP": pod.address,
            "KUBE_EDU_DIAL_MAP": str(self._dial_map.file),
        }

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

    def _claim(self, address: str, port: int) -> None:
        with suppress(OSError):  # in use: the container hears of it when it binds
            self._dial_map.claim(address, port)


def _lay_out(
    root: Path, pod: Sandbox, config: ContainerConfig, empty_dirs: list[Mapping[str, bytes]]
) -> None:
    """A fresh root folder: volumes, and the files of /etc that a runtime writes."""
    for mount, files in config.mounts.items():
        place = root / mount.strip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if files:
            place.mkdir(exist_ok=True)
            for name, content in files.items():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (place / name).write_bytes(content)
                (place / name).chmod(0o755)  # a script may be run
        else:  # an emptyDir, the same for all containers that are given the same dict
            number = next((n for n, known in enumerate(empty_dirs) if known is files), None)
            if number is None:
                number = len(empty_dirs)
                empty_dirs.append(files)
            volume = pod.folder / "volumes" / str(number)
            volume.mkdir(parents=True, exist_ok=True)
            place.symlink_to(volume)
    dns = pod.status.config.dns
    lines = [f"nameserver {server}" for server in dns.get("servers", ())]
    for keyword, words in (("search", dns.get("searches")), ("options", dns.get("options"))):
        lines += [f"{keyword} {' '.join(words)}"] if words else []
    etc = root / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    (etc / "resolv.conf").write_text("".join(f"{line}\n" for line in lines))


def _localised(text: str, container: Container) -> str:
    """A text with the mount paths in it turned into where they really are."""
    mounts = sorted(container.status.config.mounts, key=len, reverse=True)
    if not mounts:
        return text
    paths = "|".join(re.escape(mount.rstrip("/")) for mount in mounts)
    return re.sub(rf"(?<![\w./-])({paths})(?![\w-])", lambda m: f"{container.root}{m[0]}", text)


def _find(command: str, bin: Path, path: str) -> str | None:
    """The program for a command: one of ours by its name, wherever the image has it, or else
    what the system has."""
    ours = bin / Path(command).name
    return str(ours) if ours.exists() else shutil.which(command, path=path)

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
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import dns
import psutil

from kube_edu.host import Host
from kube_edu.kubelet.cni import PodNetwork
from kube_edu.kubelet.cni.loopback import DialMap
from kube_edu.kubelet.cri import (
    ContainerConfig,
    ContainerStatus,
    CriError,
    Files,
    PodSandboxConfig,
    SandboxStatus,
)
from kube_edu.kubelet.cri.images import command_line, find_image, name_of
from kube_edu.kubelet.cri.log import LogFile
from kube_edu.kubelet.cri.programs import COMMANDS, PROGRAMS
from kube_edu.kubelet.cri.running import Child, exit_code
from kube_edu.kubelet.cri.runtime import Container, ContainerRuntime, Program

WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
"""Where util-linux is at hand, a container is killed when this process dies, however it dies
(prctl(2), PR_SET_PDEATHSIG)."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

HERE = Path(__file__).parent
CHILD = "kube_edu.kubelet.cri.programs.child"


class ProcessRuntime(ContainerRuntime):
    """The containers of one node."""

    def __init__(
        self,
        host: Host,
        folder: Path,
        network: PodNetwork,
        dial_map: DialMap,
        built_in: Mapping[str, Program],
    ) -> None:
        super().__init__(host, network, built_in)
        self._pods = folder / "pods"
        self._bin = folder / "bin"
        self._dial_map = dial_map
        self._empty_dirs: dict[str, list[Files]] = {}  # of each pod, by uid
        self._prefix = WITH_PARENT if shutil.which("setpriv") else ()
        _end_leftovers(self._pods)
        shutil.rmtree(self._pods, ignore_errors=True)
        _install(self._bin)

    async def close(self) -> None:
        """End every container, and wait until all have."""
        async with asyncio.TaskGroup() as group:
            for container in list(self._containers):
                group.create_task(self.stop_container(container, 2.0))

    async def run_pod_sandbox(self, config: PodSandboxConfig) -> str:
        sandbox = await super().run_pod_sandbox(config)
        if not config.host_network:
            for port in config.ports:
                self._claim(self._sandboxes[sandbox].address, port["containerPort"])
        return sandbox

    async def remove_pod_sandbox(self, sandbox: str) -> None:
        uid = self._sandboxes[sandbox].config.uid if sandbox in self._sandboxes else ""
        await super().remove_pod_sandbox(sandbox)
        if uid and all(other.config.uid != uid for other in self._sandboxes.values()):
            shutil.rmtree(self._pods / uid, ignore_errors=True)
            self._empty_dirs.pop(uid, None)

    async def remove_container(self, container: str) -> None:
        found = self._containers.get(container)
        await super().remove_container(container)
        if found is not None:
            shutil.rmtree(self._folder(found.status, found.pod), ignore_errors=True)

    # --- a container's folder

    def prepare(self, status: ContainerStatus, pod: SandboxStatus) -> LogFile:
        config = status.config
        if name_of(config.image) not in self._built_in:
            for port in find_image(config.image).ports:
                self._claim(pod.address, port)
        folder = self._folder(status, pod)
        empty_dirs = self._empty_dirs.setdefault(pod.config.uid, [])
        _lay_out(folder / "rootfs", pod, config, empty_dirs)
        return LogFile(folder / "log", self._host.now)

    def _folder(self, status: ContainerStatus, pod: SandboxStatus) -> Path:
        return self._pods / pod.config.uid / f"{status.config.name}-{status.id[:12]}"

    def _root(self, container: Container) -> Path:
        return self._folder(container.status, container.pod) / "rootfs"

    def _claim(self, address: str, port: int) -> None:
        with suppress(OSError):  # in use: the container hears of it when it binds
            self._dial_map.claim(address, port)

    # --- processes

    async def launch(self, container: Container) -> Child:
        assert isinstance(container.log, LogFile)
        argv = command_line(container.status.config)
        stdout, stderr = container.log.pipe("stdout"), container.log.pipe("stderr")
        try:
            return Child(await self._run(container, argv, stdout=stdout, stderr=stderr))
        finally:
            os.close(stdout)
            os.close(stderr)

    async def exec_sync(
        self, container: str, command: Sequence[str], timeout: float
    ) -> tuple[int, bytes, bytes]:
        pipe = asyncio.subprocess.PIPE
        process = await self._run(self._get(container), command, stdout=pipe, stderr=pipe)
        try:
            async with asyncio.timeout(timeout or None):
                stdout, stderr = await process.communicate()
        except TimeoutError:
            text = f"command {list(command)} timed out after {timeout:g}s"
            raise CriError("DeadlineExceeded", text) from None
        finally:
            Child(process).kill()
        return exit_code(process.returncode), stdout, stderr

    async def _run(
        self, container: Container, argv: Sequence[str], *, stdout: int, stderr: int
    ) -> asyncio.subprocess.Process:
        environment = self._environment(container)
        words = [self._localised(word, container) for word in argv]
        program = self._find(words[0], environment["PATH"])
        if program is None:
            raise CriError(
                "RunContainerError",
                "failed to create containerd task: failed to create shim task: OCI runtime create "
                "failed: runc create failed: unable to start container process: "
                f'exec: "{words[0]}": executable file not found in $PATH: unknown',
            )
        folder = self._root(container) / container.status.config.working_dir.lstrip("/")
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
        root, pod, config = self._root(container), container.pod, container.status.config
        return {
            "PATH": f"{self._bin}:{PATH}",
            "HOME": str(root),
            "HOSTNAME": pod.config.hostname or pod.config.name,
            **{name: self._localised(value, container) for name, value in config.env.items()},
            "KUBE_EDU_ROOT": str(root),
            "KUBE_EDU_MOUNTS": ":".join(config.mounts),
            "KUBE_EDU_POD_IP": pod.address,
            "KUBE_EDU_DIAL_MAP": str(self._dial_map.file),
            "KUBE_EDU_DNSPYTHON": str(Path(dns.__path__[0]).parent),
        }

    def _localised(self, text: str, container: Container) -> str:
        """A text with the mount paths in it turned into where they really are."""
        mounts = sorted(container.status.config.mounts, key=len, reverse=True)
        if not mounts:
            return text
        paths = "|".join(re.escape(mount.rstrip("/")) for mount in mounts)
        root = self._root(container)
        return re.sub(rf"(?<![\w./-])({paths})(?![\w-])", lambda match: f"{root}{match[0]}", text)

    def _find(self, command: str, path: str) -> str | None:
        """The program for a command: one of ours by its name, wherever the image has it, or else
        what the system has."""
        ours = self._bin / Path(command).name
        return str(ours) if ours.exists() else shutil.which(command, path=path)


def _lay_out(
    root: Path, pod: SandboxStatus, config: ContainerConfig, empty_dirs: list[Files]
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
            volume = root.parents[1] / "volumes" / str(number)
            volume.mkdir(parents=True, exist_ok=True)
            place.symlink_to(volume)
    resolv = pod.config.dns
    lines = [f"nameserver {server}" for server in resolv.get("servers", ())]
    for keyword, words in (("search", resolv.get("searches")), ("options", resolv.get("options"))):
        lines += [f"{keyword} {' '.join(words)}"] if words else []
    etc = root / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    (etc / "resolv.conf").write_text("".join(f"{line}\n" for line in lines))


def _end_leftovers(folder: Path) -> None:
    """Kill what a killed `up` has left running. A process is ours if its environment says so: its
    root folder lies inside the cluster's, whose lock sees to it that no other `up` uses it. Nothing
    else, a pid on record least of all, proves anything."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended, or is somebody else's
            if process.environ().get("KUBE_EDU_ROOT", "").startswith(f"{folder}/"):
                process.kill()


def _install(folder: Path) -> None:
    """Write the commands of the built-in images: Python, and what is written in it. They run the
    interpreter that runs us, without its site-packages."""
    folder.mkdir(parents=True, exist_ok=True)
    python = shlex.quote(getattr(sys, "_base_executable", sys.executable))
    hook, package = HERE / "programs" / "hook", HERE.parents[2]
    of_others = f'PYTHONPATH={shlex.quote(str(hook))}"${{PYTHONPATH:+:$PYTHONPATH}}" exec {python}'
    of_ours = f"PYTHONPATH={shlex.quote(f'{hook}:{package}')} exec {python} -P -m {CHILD}"
    for name in ("python", "python3"):
        _write(folder / name, f'{of_others} "$@"\n')
    for name in (*PROGRAMS, *COMMANDS):
        _write(folder / name, f'{of_ours} {name} "$@"\n')


def _write(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}")
    file.chmod(0o755)

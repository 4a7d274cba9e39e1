"""What the runtime has of one pod, and what to do about it.

Source: kubernetes, pkg/kubelet/kuberuntime/kuberuntime_manager.go, computePodActions. A pure
function from what is wanted and what is to what must be done: that is why a kubelet that was
restarted finds its way without any memory of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kube_edu.api.meta import Object
from kube_edu.api.podutil import is_sidecar
from kube_edu.kubelet.cri import ContainerStatus, Runtime, SandboxStatus


@dataclass(frozen=True, slots=True)
class PodState:
    """Sandboxes and containers of one pod, the newest first (upstream's PodStatus)."""

    sandboxes: Sequence[SandboxStatus] = ()
    containers: Mapping[str, Sequence[ContainerStatus]] = field(default_factory=dict)

    @property
    def sandbox(self) -> SandboxStatus | None:
        """The sandbox that the pod lives in now."""
        return next((s for s in self.sandboxes if s.ready), None)

    @property
    def address(self) -> str:
        return self.sandbox.address if self.sandbox else ""

    def latest(self, name: str) -> ContainerStatus | None:
        """The newest container of a name, in whatever sandbox."""
        return next(iter(self.containers.get(name, ())), None)

    def current(self, name: str) -> ContainerStatus | None:
        """The newest container of a name, if it is in the present sandbox."""
        latest = self.latest(name)
        here = latest and self.sandbox and latest.sandbox == self.sandbox.id
        return latest if here else None

    def running(self) -> list[ContainerStatus]:
        return [c for many in self.containers.values() for c in many if c.state == "running"]


async def observe(runtime: Runtime, uid: str) -> PodState:
    """Ask the runtime what it has of a pod."""
    sandboxes = [s for s in await runtime.list_pod_sandbox() if s.config.uid == uid]
    sandboxes.sort(key=lambda s: s.config.attempt, reverse=True)
    ids = [sandbox.id for sandbox in sandboxes]
    containers: dict[str, list[ContainerStatus]] = {}
    for container in await runtime.list_containers():
        if container.sandbox in ids:
            containers.setdefault(container.config.name, []).append(container)
    for many in containers.values():
        many.sort(key=lambda c: c.config.attempt, reverse=True)
    return PodState(sandboxes, containers)


@dataclass(slots=True)
class PodActions:
    """What brings the pod nearer to its spec."""

    create_sandbox: bool = False
    kill: list[tuple[ContainerStatus, str]] = field(default_factory=list)
    """Containers to stop, each with the message of the event."""
    start: list[Object] = field(default_factory=list)
    """Container specs to start, in order."""


def compute_actions(pod: Object, state: PodState, failed_probes: Mapping[str, str]) -> PodActions:
    """`failed_probes` has, by container id, the probe ("Liveness", "Startup") that wants it
    restarted."""
    actions = PodActions(create_sandbox=state.sandbox is None)
    containers = pod["spec"]["containers"]
    initialized = any(state.current(container["name"]) for container in containers)
    if not _initialize(pod, state, actions, initialized):
        return actions
    for container in containers:
        status = state.current(container["name"])
        if status is not None and status.state == "running":
            why = _kill_reason(container, status, failed_probes)
            if not why:
                continue
            actions.kill.append((status, why))
            if not restarts(pod, 1):
                continue
        elif not should_start(pod, state.latest(container["name"])):
            continue
        actions.start.append(container)
    return actions


def _initialize(pod: Object, state: PodState, actions: PodActions, initialized: bool) -> bool:
    """Find the init container whose turn it is; returns whether the pod's containers may run.

    One that stays (restartPolicy Always: a sidecar) has done its part once it runs.
    """
    for container in pod["spec"].get("initContainers") or ():
        status = state.current(container["name"])
        stays = is_sidecar(container)
        if status is not None and status.state == "running":
            if stays:
                continue
            return False
        if not stays and (initialized or (status is not None and _succeeded(status))):
            continue
        failed = status is not None and status.state == "exited"
        if stays or not failed or restarts(pod, 1):
            actions.start.append(container)
        if not (stays and initialized):
            return False
    return True


def should_start(pod: Object, status: ContainerStatus | None) -> bool:
    """Whether a container that does not run shall (kubecontainer.ShouldContainerBeRestarted)."""
    return status is None or status.state == "created" or restarts(pod, status.exit_code)


def restarts(pod: Object, exit_code: int) -> bool:
    """Whether the pod's restartPolicy starts a container again after this exit code."""
    policy = pod["spec"].get("restartPolicy", "Always")
    return bool(policy == "Always" or (policy == "OnFailure" and exit_code != 0))


def _kill_reason(
    container: Object, status: ContainerStatus, failed_probes: Mapping[str, str]
) -> str:
    name = container["name"]
    if status.config.image != container["image"]:
        return f"Container {name} definition changed, will be restarted"
    if status.id in failed_probes:
        return (
            f"Container {name} failed {failed_probes[status.id].lower()} probe, will be restarted"
        )
    return ""


def _succeeded(status: ContainerStatus) -> bool:
    return status.state == "exited" and status.exit_code == 0

"""Starting one container: back-off, image, configuration, and then the runtime's part.

Source: kubernetes, pkg/kubelet/kuberuntime/kuberuntime_container.go (startContainer),
kuberuntime_manager.go (doBackOff), pkg/kubelet/images/image_manager.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.podutil import container_statuses
from kube_edu.client import EventRecorder
from kube_edu.host import Host
from kube_edu.kubelet.backoff import Backoff
from kube_edu.kubelet.cni import PodNetwork
from kube_edu.kubelet.config import ConfigResolver, Volumes
from kube_edu.kubelet.cri import ContainerStatus, CriError, Runtime
from kube_edu.kubelet.pod_state import PodState
from kube_edu.kubelet.status_manager import StatusManager

RETRY_SECONDS = 10.0
"""How long to rest after an error that no event will end (kubelet.go, backOffPeriod)."""

SHOW_SECONDS = 2.0
"""How long a pod shows ErrImagePull, before it shows that it waits (ImagePullBackOff)."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What all workers of a kubelet share."""

    host: Host
    runtime: Runtime
    config: ConfigResolver
    statuses: StatusManager
    events: EventRecorder
    network: PodNetwork
    images: dict[str, None] = field(default_factory=dict)
    """The images that were pulled for this kubelet."""


class ContainerStarter:
    """Starts the containers of one pod, and knows why they wait when they do."""

    def __init__(self, tools: Tools) -> None:
        self.waiting: dict[str, tuple[str, str]] = {}
        self._t = tools
        self._backoff = Backoff()
        self._pull_failures: dict[str, tuple[float, str]] = {}
        """By image, when the last pull failed, and why."""

    async def start(
        self, pod: Object, spec: Object, state: PodState, volumes: Volumes
    ) -> float | None:
        """Start a container. If it cannot be, `waiting` says why, and the answer is after how
        many seconds to try again."""
        name = spec["name"]
        latest = state.latest(name)
        try:
            left = self._crash_backoff(pod, name, latest) or await self._pull(pod, spec)
            if left:
                return left
            await self._create_and_start(pod, spec, state, volumes)
        except CriError as error:
            self.waiting[name] = (error.reason, str(error))
            self._warn(pod, "Failed", f"Error: {error}")
            return RETRY_SECONDS
        except ConnectionError:  # the API server is away, which has the ConfigMap
            return RETRY_SECONDS
        self.waiting.pop(name, None)
        return None

    def _crash_backoff(self, pod: Object, name: str, latest: ContainerStatus | None) -> float:
        """Seconds that a container that has ended must still wait; 0 if it may start."""
        if latest is None or latest.state != "exited":
            return 0.0
        now = self._t.host.now()
        left = self._backoff.remaining(name, now, latest.finished_at)
        if not left:
            self._backoff.next(name, now, latest.finished_at)
            return 0.0
        full_name = f"{meta.name(pod)}_{meta.namespace(pod)}({meta.uid(pod)})"
        self._warn(
            pod, "BackOff", f"Back-off restarting failed container {name} in pod {full_name}"
        )
        wait = _duration(self._backoff.wait(name))
        text = f"back-off {wait} restarting failed container={name} pod={full_name}"
        self.waiting[name] = ("CrashLoopBackOff", text)
        return left

    async def _pull(self, pod: Object, spec: Object) -> float:
        """See that the image is there; otherwise the seconds until the next try."""
        image, policy = spec["image"], spec.get("imagePullPolicy", "IfNotPresent")
        if policy != "Always" and image in self._t.images:
            self._tell(pod, "Pulled", f'Container image "{image}" already present on machine')
            return 0.0
        if policy == "Never":
            text = f'Container image "{image}" is not present with pull policy of Never'
            raise CriError("ErrImageNeverPull", text)
        key, started = f"image/{image}", self._t.host.now()
        failed_at, why = self._pull_failures.get(image, (0.0, ""))
        left = self._backoff.remaining(key, started, failed_at)
        if left:
            text = f'Back-off pulling image "{image}"'
            self._tell(pod, "BackOff", text)
            text = f"{text}: ErrImagePull: {why}"
            self.waiting[spec["name"]] = ("ImagePullBackOff", text)
            return left
        self._tell(pod, "Pulling", f'Pulling image "{image}"')
        try:
            await self._t.runtime.pull_image(image)
        except CriError as error:
            now = self._t.host.now()
            self._pull_failures[image] = (now, str(error))
            self._backoff.next(key, now, now)
            self._warn(pod, "Failed", f'Failed to pull image "{image}": {error}')
            self._warn(pod, "Failed", f"Error: {error.reason}")
            self.waiting[spec["name"]] = (error.reason, str(error))
            return SHOW_SECONDS
        took = _duration(round(self._t.host.now() - started, 3))
        self._tell(
            pod,
            "Pulled",
            f'Successfully pulled image "{image}" in {took} ({took} including waiting).',
        )
        self._t.images[image] = None
        return 0.0

    async def _create_and_start(
        self, pod: Object, spec: Object, state: PodState, volumes: Volumes
    ) -> None:
        assert state.sandbox is not None
        name, runtime = spec["name"], self._t.runtime
        attempt = self._attempt(pod, name, state)
        config = await self._t.config.container(pod, spec, attempt, state.address, volumes)
        container = await runtime.create_container(state.sandbox.id, config)
        self._tell(pod, "Created", f"Created container: {name}")
        await runtime.start_container(container)
        self._tell(pod, "Started", f"Started container {name}")
        for old in state.containers.get(name, ())[1:]:  # one dead container is kept, for its logs
            await runtime.remove_container(old.id)

    def _attempt(self, pod: Object, name: str, state: PodState) -> int:
        """One more than the last; for the first in this runtime, what the status says: before
        the node crashed there may have been others."""
        latest = state.latest(name)
        if latest is not None:
            return latest.config.attempt + 1
        known = container_statuses(self._t.statuses.get(pod))
        return next((int(c["restartCount"]) for c in known if c["name"] == name), 0)

    def _tell(self, pod: Object, reason: str, message: str) -> None:
        self._t.events.event(pod, "Normal", reason, message)

    def _warn(self, pod: Object, reason: str, message: str) -> None:
        self._t.events.event(pod, "Warning", reason, message)


def _duration(seconds: float) -> str:
    """As Go prints a time.Duration: "397ms", "1.2s", "2m40s"."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f}m{rest:.3g}s" if minutes else f"{rest:.4g}s"

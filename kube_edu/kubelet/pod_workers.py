"""One worker a pod: brings what the runtime has nearer to what the spec says, step by step.

Source: kubernetes, pkg/kubelet/pod_workers.go, kubelet.go (SyncPod, SyncTerminatingPod,
SyncTerminatedPod), kuberuntime/kuberuntime_manager.go.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.kubelet.container_starter import RETRY_SECONDS, ContainerStarter, Tools
from kube_edu.kubelet.cri import CriError, Files
from kube_edu.kubelet.pod_state import PodState, compute_actions, observe
from kube_edu.kubelet.probes import PodProbes
from kube_edu.kubelet.status import pod_status

ENDED = ("Succeeded", "Failed")
"""The phases that a pod never leaves."""


class PodWorker:
    """Lives from the moment that the kubelet hears of a pod until nothing is left of it.

    Each `_sync` looks at the runtime afresh and does what is needed now; in between the worker
    sleeps until the pod changes, a container or a probe does, or a back-off ends.
    """

    def __init__(self, pod: Object, tools: Tools) -> None:
        self.pod = pod
        self.finished = asyncio.Event()
        """Nothing is left of the pod on this node."""
        self._t = tools
        self._probes = PodProbes(tools, self.wake)
        self._starter = ContainerStarter(tools)
        self._volumes: dict[str, Files] | None = None
        self._next_look: float | None = None
        self._gone = False
        self._wake = asyncio.Event()

    # --- what the kubelet tells it

    def update(self, pod: Object) -> None:
        """The pod has changed; only what others wrote matters, its status is our own."""
        if _orders(pod) != _orders(self.pod):
            self.wake()
        self.pod = pod

    def wake(self) -> None:
        """Something about the pod has changed: look at it."""
        self._wake.set()

    def removed(self) -> None:
        """The pod is no longer wanted by anybody."""
        self._gone = True
        self.wake()

    # --- its life

    async def run(self) -> None:
        try:
            while not self._ending():
                self._next_look = None
                try:
                    await self._sync()
                except CriError as error:
                    self._t.events.event(self.pod, "Warning", error.reason, str(error))
                    self._look_in(RETRY_SECONDS)
                except ConnectionError:  # the API server is away, which has the volumes' data
                    self._look_in(RETRY_SECONDS)
                if not self._ending():
                    await self._changed()
            await self._terminate()
            while not self._gone:
                await self._changed()
            await self._clean_up()
        finally:
            self._probes.stop()
            self.finished.set()

    def _ending(self) -> bool:
        return (
            self._gone
            or "deletionTimestamp" in self.pod["metadata"]
            or self._t.statuses.get(self.pod).get("phase") in ENDED
        )

    def _look_in(self, seconds: float | None) -> None:
        """Look again after this time, if nothing happens sooner."""
        if seconds is not None:
            self._next_look = min(seconds, self._next_look or seconds)

    async def _changed(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._next_look):
                await self._wake.wait()
        self._wake.clear()

    async def _sync(self) -> None:
        """One look, and what it asks for."""
        self._t.host.record("kubelet.sync", object=f"pods/{meta.key(self.pod)}")
        state = await self._observe()
        self._publish(state)
        if self._ending():
            return
        actions = compute_actions(self.pod, state, self._probes.failed())
        for container, message in actions.kill:
            self._t.events.event(self.pod, "Normal", "Killing", message)
            await self._t.runtime.stop_container(container.id, self._grace())
        if actions.start and self._volumes is None:
            self._volumes = await self._t.config.volumes(self.pod)
        if actions.create_sandbox:
            await self._create_sandbox(state)
        if actions.create_sandbox or actions.kill:
            state = await self._observe()
            self._publish(state)
            actions = compute_actions(self.pod, state, {})
        for spec in actions.start:
            self._look_in(await self._starter.start(self.pod, spec, state, self._volumes or {}))
        if actions.start:
            self._publish(await self._observe())

    async def _terminate(self) -> None:
        """Stop everything within the grace period, then say so."""
        state = await self._observe()
        for container in state.running():
            text = f"Stopping container {container.config.name}"
            self._t.events.event(self.pod, "Normal", "Killing", text)
        await asyncio.gather(
            *(self._t.runtime.stop_container(c.id, self._grace()) for c in state.running())
        )
        self._probes.stop()
        self._starter.waiting.clear()
        state = await self._observe()
        for sandbox in state.sandboxes:
            await self._t.runtime.stop_pod_sandbox(sandbox.id)
        self._publish(await self._observe(), stopped=True)

    async def _clean_up(self) -> None:
        """Leave nothing behind."""
        self._t.statuses.forget(self.pod)
        for sandbox in (await observe(self._t.runtime, meta.uid(self.pod))).sandboxes:
            await self._t.runtime.remove_pod_sandbox(sandbox.id)

    def _grace(self) -> float:
        """Seconds to stop in: as the deletion says, otherwise the spec; never less than one."""
        spec = self.pod["spec"].get("terminationGracePeriodSeconds", 30)
        return float(max(self.pod["metadata"].get("deletionGracePeriodSeconds", spec), 1))

    # --- looking and telling

    async def _observe(self) -> PodState:
        state = await observe(self._t.runtime, meta.uid(self.pod))
        self._probes.watch(self.pod, state.address, state.running())
        return state

    def _publish(self, state: PodState, *, stopped: bool = False) -> None:
        """Say how the pod is; one that has ended stays as it was."""
        status = self._t.statuses.get(self.pod)
        if status.get("phase") not in ENDED:
            status = pod_status(
                self.pod,
                state,
                status,
                waiting=self._starter.waiting,
                verdicts=self._probes,
                host_address=self._t.host.address,
                stopped=stopped,
            )
        self._t.statuses.set(self.pod, status, ended=stopped)

    async def _create_sandbox(self, state: PodState) -> None:
        attempt = 0
        if state.sandboxes:
            attempt = state.sandboxes[0].config.attempt + 1
            text = "Pod sandbox changed, it will be killed and re-created."
            self._t.events.event(self.pod, "Normal", "SandboxChanged", text)
        try:
            await self._t.runtime.run_pod_sandbox(self._t.config.sandbox(self.pod, attempt))
        except CriError as error:
            raise CriError(
                "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}"
            ) from None
        for old in state.sandboxes:  # the newest dead one is kept, for the logs of its containers
            if old is not state.sandboxes[0]:
                await self._t.runtime.remove_pod_sandbox(old.id)


def _orders(pod: Object) -> Object:
    """What of a pod tells a kubelet what to do."""
    passing = ("resourceVersion", "managedFields")
    metadata = {key: value for key, value in pod["metadata"].items() if key not in passing}
    return {"metadata": metadata, "spec": pod["spec"]}

"""One word for how a pod is doing, as `kubectl get pods` shows it in its STATUS column.

Source: kubernetes, pkg/printers/internalversion/printers.go, printPod.
"""

from __future__ import annotations

from typing import NamedTuple

from kube_edu.api.meta import Object, condition_is, find_condition, seconds


class Summary(NamedTuple):
    """How a pod is doing: "Running", "CrashLoopBackOff", "Init:0/1", "Terminating" ..."""

    status: str
    ready: int
    containers: int
    restarts: int
    last_restart: float | None
    """When the latest of the restarts was, in seconds since the epoch."""


def summarize(pod: Object) -> Summary:
    spec, status = pod.get("spec", {}), pod.get("status", {})
    reason = status.get("reason") or status.get("phase", "")
    scheduled = find_condition(pod, "PodScheduled") or {}
    if scheduled.get("reason") == "SchedulingGated":
        reason = "SchedulingGated"

    init = status.get("initContainerStatuses") or []
    sidecars = [
        container["name"]
        for container in spec.get("initContainers") or ()
        if container.get("restartPolicy") == "Always"
    ]
    ready, waiting_for = _initialization(init, sidecars, len(spec.get("initContainers") or ()))
    counted = init
    if waiting_for:
        reason = waiting_for
    if not waiting_for or condition_is(pod, "Initialized"):
        main = status.get("containerStatuses") or []
        counted = [c for c in init if c["name"] in sidecars] + main
        running = sum(1 for c in main if c.get("ready") and "running" in c.get("state", {}))
        ready += running
        # The first container that has something to say is heard.
        reason = next(filter(None, map(_complaint, main)), reason)
        if reason == "Completed" and running:
            reason = "Running" if condition_is(pod, "Ready") else "NotReady"

    if pod.get("metadata", {}).get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            reason = "Unknown"
        elif status.get("phase") not in ("Succeeded", "Failed"):
            reason = "Terminating"
    return Summary(
        status=reason,
        ready=ready,
        containers=len(spec.get("containers") or ()) + len(sidecars),
        restarts=sum(c.get("restartCount", 0) for c in counted),
        last_restart=max(filter(None, map(_last_end, counted)), default=None),
    )


def _initialization(statuses: list[Object], sidecars: list[str], total: int) -> tuple[int, str]:
    """How many sidecars are ready, and the init container that is being waited for."""
    ready = 0
    for i, container in enumerate(statuses):
        state = container.get("state", {})
        terminated, waiting = state.get("terminated"), state.get("waiting", {}).get("reason", "")
        if terminated is not None and terminated.get("exitCode", 0) == 0:
            continue
        if container["name"] in sidecars and container.get("started"):
            ready += bool(container.get("ready"))
            continue
        if terminated is not None:
            return ready, f"Init:{_ending(terminated)}"
        if waiting not in ("", "PodInitializing"):
            return ready, f"Init:{waiting}"
        return ready, f"Init:{i}/{total}"
    return ready, ""


def _complaint(container: Object) -> str:
    """Why a container does not run."""
    state = container.get("state", {})
    waiting = str(state.get("waiting", {}).get("reason", ""))
    return waiting or ("terminated" in state and _ending(state["terminated"])) or ""


def _ending(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _last_end(container: Object) -> float | None:
    """When the container's previous run ended."""
    end = container.get("lastState", {}).get("terminated", {}).get("finishedAt")
    return seconds(end) if end else None

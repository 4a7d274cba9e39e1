"""A pod's status, worked out from what the runtime has of it.

Source: kubernetes, pkg/kubelet/kubelet_pods.go (generateAPIPodStatus, getPhase,
convertToAPIContainerStatuses) and pkg/kubelet/status/generate.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Protocol

from kube_edu.api.meta import Object, timestamp
from kube_edu.api.podutil import container_statuses, is_sidecar
from kube_edu.kubelet.cri import ContainerStatus
from kube_edu.kubelet.pod_state import PodState, restarts

Waiting = Mapping[str, tuple[str, str]]
"""Why a container does not run, by its name: a reason and a message."""


class Verdicts(Protocol):
    """What the probes say of a running container."""

    def started(self, container: ContainerStatus) -> bool: ...

    def ready(self, container: ContainerStatus) -> bool: ...


def pod_status(
    pod: Object,
    state: PodState,
    old: Object,
    *,
    waiting: Waiting,
    verdicts: Verdicts,
    host_address: str,
    stopped: bool = False,
) -> Object:
    """The status of a pod that is as `state` says and had the status `old`; `merged` adds the
    times. `stopped` means that nothing of it will ever run again."""
    spec = pod["spec"]
    init_specs = spec.get("initContainers") or []
    before = {status["name"]: status for status in container_statuses(old)}

    def statuses(containers: Sequence[Object], reason: str) -> list[Object]:
        return [
            _container_status(c, state, before.get(c["name"], {}), waiting, verdicts, reason)
            for c in containers
        ]

    init = statuses(init_specs, "PodInitializing")
    for container, one in zip(init_specs, init, strict=True):
        if not is_sidecar(container):
            one["ready"] = _exit_code(one) == 0
    incomplete = [
        one["name"]
        for container, one in zip(init_specs, init, strict=True)
        if not one["started" if is_sidecar(container) else "ready"]
    ]
    main = statuses(spec["containers"], "PodInitializing" if incomplete else "ContainerCreating")
    phase = _phase(pod, init, bool(incomplete), main, stopped)
    status: Object = {
        "phase": phase,
        "conditions": _conditions(state, phase, incomplete, init_specs, [*init, *main]),
        "hostIP": host_address,
        "hostIPs": [{"ip": host_address}],
        "containerStatuses": main,
    }
    address = state.address or old.get("podIP", "")
    if address:
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    if init:
        status["initContainerStatuses"] = init
    return status


def merged(old: Object, new: Object, now: float) -> Object:
    """`new` with the times that it shares with `old`, and with the conditions that others wrote.
    A condition's lastTransitionTime changes with its status alone."""
    before = {condition["type"]: condition for condition in old.get("conditions") or ()}
    conditions = []
    for condition in new.get("conditions") or ():
        known = before.pop(condition["type"], None)
        same = known is not None and known["status"] == condition["status"]
        since = (known or {}).get("lastTransitionTime") if same else timestamp(now)
        conditions.append({**condition, "lastProbeTime": None, "lastTransitionTime": since})
    return {
        **new,
        "conditions": [*conditions, *before.values()],
        "startTime": old.get("startTime") or timestamp(now),
    }


def _container_status(
    container: Object,
    state: PodState,
    old: Object,
    waiting: Waiting,
    verdicts: Verdicts,
    default_reason: str,
) -> Object:
    name = container["name"]
    known = state.containers.get(name, ())
    latest = known[0] if known else None
    started = latest is not None and latest.state == "running" and verdicts.started(latest)
    result: Object = {
        "name": name,
        "state": {},
        "lastState": _terminated(known[1]) if len(known) > 1 else old.get("lastState") or {},
        "ready": latest is not None and started and verdicts.ready(latest),
        "restartCount": latest.config.attempt if latest else old.get("restartCount", 0),
        "image": container["image"],
        "imageID": "",
        "started": started,
    }
    reason, message = waiting.get(name, (default_reason, ""))
    result["state"] = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    if latest is None:
        if {"running", "terminated"} & set(old.get("state") or ()):
            _was_lost(result)
        return result
    digest = sha256(container["image"].encode()).hexdigest()
    result |= {"imageID": f"sha256:{digest}", "containerID": f"containerd://{latest.id}"}
    if latest.state == "running":
        result["state"] = {"running": {"startedAt": timestamp(latest.started_at)}}
    elif latest.state == "exited" and name in waiting:
        result["lastState"] = _terminated(latest)
    elif latest.state == "exited":
        result["state"] = _terminated(latest)
    return result


def _was_lost(result: Object) -> None:
    """It ran, and the runtime knows nothing of it any more: the node has crashed."""
    result["restartCount"] += 1
    result["lastState"] = {
        "terminated": {
            "exitCode": 137,
            "reason": "ContainerStatusUnknown",
            "message": "The container could not be located when the pod was deleted.  "
            "The container used to be Running",
            "startedAt": None,
            "finishedAt": None,
        }
    }


def _terminated(container: ContainerStatus) -> Object:
    return {
        "terminated": {
            "exitCode": container.exit_code,
            "reason": container.reason,
            "startedAt": timestamp(container.started_at),
            "finishedAt": timestamp(container.finished_at),
            "containerID": f"containerd://{container.id}",
        }
    }


def _exit_code(status: Object) -> int | None:
    """The exit code of a container that has ended, also when it waits to be started again."""
    ended = status["state"].get("terminated") or (status.get("lastState") or {}).get("terminated")
    return ended["exitCode"] if ended and "running" not in status["state"] else None


def _phase(
    pod: Object, init: Sequence[Object], initializing: bool, main: Sequence[Object], stopped: bool
) -> str:
    """kubelet_pods.go, getPhase."""
    codes = [_exit_code(status) for status in main]
    ended = [code for code in codes if code is not None]
    running = sum("running" in status["state"] for status in main)
    if stopped:
        return "Succeeded" if codes and all(code == 0 for code in codes) else "Failed"
    failed_init = any(_exit_code(status) not in (None, 0) for status in init)
    if initializing and not running and not ended:
        return "Failed" if failed_init and not restarts(pod, 1) else "Pending"
    if running + len(ended) < len(main):
        return "Pending"
    if running or any(restarts(pod, code) for code in ended):
        return "Running"
    return "Failed" if any(ended) else "Succeeded"


def _conditions(
    state: PodState,
    phase: str,
    incomplete: Sequence[str],
    init_specs: Sequence[Object],
    statuses: Sequence[Object],
) -> list[Object]:
    def condition(type: str, problem: tuple[str, str] | None) -> Object:
        result = {"type": type, "status": "True"}
        if problem is not None:
            reason, message = problem
            result["status"] = "False"
            result |= {k: v for k, v in (("reason", reason), ("message", message)) if v}
        return result

    passing = {c["name"] for c in init_specs if not is_sidecar(c)}
    unready = [s["name"] for s in statuses if not s["ready"] and s["name"] not in passing]
    not_initialized = not_ready = None
    if incomplete:
        text = f"containers with incomplete status: [{' '.join(incomplete)}]"
        not_initialized = ("ContainersNotInitialized", text)
    if phase in ("Succeeded", "Failed"):
        not_ready = ("PodCompleted" if phase == "Succeeded" else "PodFailed", "")
    elif unready:
        text = f"containers with unready status: [{' '.join(unready)}]"
        not_ready = ("ContainersNotReady", text)
    initialized = condition("Initialized", not_initialized)
    if phase == "Succeeded":
        initialized["reason"] = "PodCompleted"
    return [
        condition("PodReadyToStartContainers", None if state.address else ("", "")),
        initialized,
        condition("Ready", not_ready),
        condition("ContainersReady", not_ready),
        condition("PodScheduled", None),
    ]

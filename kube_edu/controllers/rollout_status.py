"""What a Deployment reports of its rollout (upstream progress.go and calculateStatus in sync.go).

`kubectl rollout status` reads the counts, `kubectl wait` and `kubectl describe` the conditions.
"""

from __future__ import annotations

from collections.abc import Sequence

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.controllers import rollout

NO_DEADLINE = 2**31 - 1
SETTLED = ("NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused")


def status(deployment: Object, new: Object | None, old: Sequence[Object], now: float) -> Object:
    """The status that a Deployment with these ReplicaSets has; zero counts are left out, as on
    the real wire."""
    sets = [*old, new] if new is not None else [*old]
    before = deployment.get("status", {})
    available = sum(rollout.available(replicaset) for replicaset in sets)
    counts: Object = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": _sum(sets, "replicas"),
        "updatedReplicas": _sum([new] if new is not None else [], "replicas"),
        "readyReplicas": _sum(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, rollout.total(sets) - available),
        "collisionCount": before.get("collisionCount", 0),
    }
    conditions = [_availability(deployment, available), *_failures(sets)]
    kept = [c for c in before.get("conditions") or () if c["type"] != "ReplicaFailure"]
    for condition in conditions:
        kept = _with_condition(kept, condition, now)
    counts["conditions"] = _with_progress(deployment, new, counts, kept, now)
    return {field: value for field, value in counts.items() if value}


def is_complete(deployment: Object, status: Object) -> bool:
    """Whether all pods, and no others, are of the new template, and available."""
    replicas = deployment["spec"]["replicas"]
    return bool(
        status.get("updatedReplicas", 0) == replicas
        and status.get("replicas", 0) == replicas
        and status.get("availableReplicas", 0) == replicas
        and status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    )


def seconds_to_deadline(deployment: Object, status: Object, now: float) -> float | None:
    """When to look again whether the rollout has stalled, if it is under way."""
    progressing = _find(status.get("conditions") or (), "Progressing")
    if progressing is None or progressing["reason"] in SETTLED:
        return None
    due = meta.seconds(progressing["lastUpdateTime"]) + _deadline(deployment)
    return max(0.0, due - now) + 1


def _availability(deployment: Object, available: int) -> Object:
    least = deployment["spec"]["replicas"] - rollout.max_unavailable(deployment)
    if available >= least:
        return {
            "type": "Available",
            "status": "True",
            "reason": "MinimumReplicasAvailable",
            "message": "Deployment has minimum availability.",
        }
    return {
        "type": "Available",
        "status": "False",
        "reason": "MinimumReplicasUnavailable",
        "message": "Deployment does not have minimum availability.",
    }


def _failures(sets: Sequence[Object]) -> list[Object]:
    """A ReplicaSet that cannot create its pods is the Deployment's trouble as well."""
    found = (meta.find_condition(replicaset, "ReplicaFailure") for replicaset in sets)
    return [
        {field: c[field] for field in ("type", "status", "reason", "message")} for c in found if c
    ][:1]


def _with_progress(
    deployment: Object,
    new: Object | None,
    status: Object,
    conditions: list[Object],
    now: float,
) -> list[Object]:
    if _deadline(deployment) == NO_DEADLINE:
        return [c for c in conditions if c["type"] != "Progressing"]
    current = _find(conditions, "Progressing")
    progress = _progress(deployment, new, status, current, now)
    if progress is None:
        return conditions
    truth, reason, message = progress
    condition = {"type": "Progressing", "status": truth, "reason": reason, "message": message}
    # Each step of progress starts the deadline anew, though the condition is the same.
    again = reason == "ReplicaSetUpdated"
    return _with_condition(conditions, condition, now, even_if_same=again)


def _progress(
    deployment: Object, new: Object | None, status: Object, current: Object | None, now: float
) -> tuple[str, str, str] | None:
    """Status, reason and message of the condition Progressing, or None to leave it alone."""
    reason = current["reason"] if current is not None else ""
    if deployment["spec"].get("paused"):
        if reason == "ProgressDeadlineExceeded":
            return None
        return "Unknown", "DeploymentPaused", "Deployment is paused"
    if reason == "DeploymentPaused":
        return "Unknown", "DeploymentResumed", "Deployment is resumed"
    if new is None:
        return None
    name = f'"{meta.name(new)}"'
    if is_complete(deployment, status):
        done = f"ReplicaSet {name} has successfully progressed."
        return "True", "NewReplicaSetAvailable", done
    of_another_rollout = current is not None and name not in current["message"]
    if current is None or (of_another_rollout and reason != "DeploymentResumed"):
        if rollout.REVISION_HISTORY in meta.annotations(new):
            return "True", "FoundNewReplicaSet", f"Found new replica set {name}"
        return "True", "NewReplicaSetCreated", f"Created new replica set {name}"
    if reason == "NewReplicaSetAvailable":
        return None  # it is done, whatever became of its pods since
    if _has_progressed(deployment.get("status", {}), status):
        return "True", "ReplicaSetUpdated", f"ReplicaSet {name} is progressing."
    timed_out = now > meta.seconds(current["lastUpdateTime"]) + _deadline(deployment)
    if timed_out:
        late = f"ReplicaSet {name} has timed out progressing."
        return "False", "ProgressDeadlineExceeded", late
    return None


def _has_progressed(before: Object, after: Object) -> bool:
    def old_pods(status: Object) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    grew = any(
        after.get(count, 0) > before.get(count, 0)
        for count in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return grew or old_pods(after) < old_pods(before)


def _with_condition(
    conditions: Sequence[Object], condition: Object, now: float, *, even_if_same: bool = False
) -> list[Object]:
    """A copy of the conditions with this one; its lastUpdateTime is now if it says anything new
    (or `even_if_same`)."""
    current = _find(conditions, condition["type"])
    if current is not None and condition.items() <= current.items() and not even_if_same:
        return list(conditions)
    condition = {**condition, "lastUpdateTime": meta.timestamp(now)}
    return meta.set_condition(conditions, condition, now)


def _find(conditions: Sequence[Object], type: str) -> Object | None:
    return next((c for c in conditions if c["type"] == type), None)


def _sum(sets: Sequence[Object], field: str) -> int:
    return sum(replicaset.get("status", {}).get(field, 0) for replicaset in sets)


def _deadline(deployment: Object) -> int:
    return int(deployment["spec"].get("progressDeadlineSeconds", NO_DEADLINE))

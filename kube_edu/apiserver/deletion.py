"""What deleting an object does to it: nothing is gone before its finalizers and its grace are.

Source: apiserver, pkg/registry/rest/delete.go (BeforeDelete) and
pkg/registry/generic/registry/store.go (deletionFinalizersForGarbageCollection).
"""

from __future__ import annotations

from kube_edu.api.meta import Object, name, seconds, timestamp, uid
from kube_edu.api.resources import Resource
from kube_edu.api.status import conflict
from kube_edu.apiserver.strategies import Strategy

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"

_OWN_FINALIZER = {"Orphan": [ORPHAN], "Foreground": [FOREGROUND], "Background": []}


def begin_deletion(obj: Object, options: Object, strategy: Strategy, now: float) -> Object | None:
    """The object as it stands after a delete: None when it goes at once, the very same when it
    is on its way already, else a copy with deletionTimestamp and finalizers."""
    meta = obj["metadata"]
    if obj["kind"] == "Namespace" and obj["spec"].get("finalizers"):
        return _terminating(obj, now)
    if "deletionTimestamp" in meta and "deletionGracePeriodSeconds" in meta:
        return _hurry(obj, options)
    finalizers = _finalizers(meta.get("finalizers") or [], options)
    grace = _grace(obj, options) if strategy.graceful else 0
    if not finalizers and not grace:
        return None
    marked = {
        **{key: value for key, value in meta.items() if key != "finalizers"},
        "deletionTimestamp": timestamp(now + grace),
        "deletionGracePeriodSeconds": grace,
    }
    if finalizers:
        marked["finalizers"] = finalizers
    if "generation" in meta:
        marked["generation"] = meta["generation"] + 1
    return {**obj, "metadata": marked}


def is_finished(obj: Object) -> bool:
    """Whether an object that is being deleted has nothing left to wait for."""
    meta = obj["metadata"]
    if "deletionTimestamp" not in meta or meta.get("finalizers"):
        return False
    if obj["kind"] == "Namespace":
        return not obj["spec"].get("finalizers")
    return bool(meta.get("deletionGracePeriodSeconds") == 0)


def check_preconditions(resource: Resource, obj: Object, options: Object) -> None:
    """Raises ApiError 409 when it is another object, or another state of it, than meant."""
    wanted = options.get("preconditions") or {}
    for field, label, got in (
        ("uid", "UID", uid(obj)),
        ("resourceVersion", "ResourceVersion", obj["metadata"]["resourceVersion"]),
    ):
        if (want := wanted.get(field)) and want != got:
            why = f"{label} in precondition: {want}, {label} in object meta: {got}"
            raise conflict(resource, name(obj), f"Precondition failed: {why}")


def _terminating(namespace: Object, now: float) -> Object:
    """A namespace waits for its controller to empty it."""
    if "deletionTimestamp" in namespace["metadata"]:
        return namespace
    return {
        **namespace,
        "metadata": {**namespace["metadata"], "deletionTimestamp": timestamp(now)},
        "status": {**namespace["status"], "phase": "Terminating"},
    }


def _hurry(obj: Object, options: Object) -> Object | None:
    """A deletion under way can only be made shorter."""
    meta = obj["metadata"]
    old, new = meta["deletionGracePeriodSeconds"], options.get("gracePeriodSeconds")
    if new is None or new >= old:
        return obj
    new = max(new, 0)
    if new == 0 and not meta.get("finalizers"):
        return None
    at = seconds(meta["deletionTimestamp"]) - old + new
    sooner = {"deletionTimestamp": timestamp(at), "deletionGracePeriodSeconds": new}
    return {**obj, "metadata": {**meta, **sooner}}


def _grace(pod: Object, options: Object) -> int:
    """Seconds a pod has to stop; none when no kubelet has it or it has ended
    (kubernetes, pkg/registry/core/pod/strategy.go, CheckGracefulDelete)."""
    spec, phase = pod["spec"], pod.get("status", {}).get("phase")
    if not spec.get("nodeName") or phase in ("Succeeded", "Failed"):
        return 0
    default = spec.get("terminationGracePeriodSeconds", 0)
    period = int(options.get("gracePeriodSeconds", default))
    return period if period >= 0 else 1


def _finalizers(existing: list[str], options: Object) -> list[str]:
    """The garbage collector's finalizers as the propagation policy asks; others stay."""
    policy = options.get("propagationPolicy")
    if policy is None and "orphanDependents" in options:
        policy = "Orphan" if options["orphanDependents"] else "Background"
    if policy is None:
        return existing
    others = [finalizer for finalizer in existing if finalizer not in (ORPHAN, FOREGROUND)]
    return others + _OWN_FINALIZER[policy]

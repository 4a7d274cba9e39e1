"""Which part of an object a write may change: that of the door through which it comes.

Source: kubernetes, pkg/registry/core/pod/strategy.go (status, ephemeralcontainers, resize) and
pkg/registry/certificates/certificates/strategy.go (approval).
"""

from __future__ import annotations

from collections.abc import Callable

from kube_edu.api.meta import Object, timestamp

Narrow = Callable[[Object, Object, float], Object]
"""(draft, object as it stands, now) → the object with that part of the draft."""


def narrowed(subresource: str, draft: Object, old: Object, now: float) -> Object:
    """What a writer at this door may leave behind of a draft."""
    return _DOORS[subresource](draft, old, now)


def _main(draft: Object, old: Object, now: float) -> Object:
    """Everything but the status."""
    kept = {key: value for key, value in draft.items() if key != "status"}
    return {**kept, "status": old["status"]} if "status" in old else kept


def _status(draft: Object, old: Object, now: float) -> Object:
    """Status and metadata, though not the labels and owners."""
    kept = {key: old["metadata"].get(key) for key in ("labels", "ownerReferences")}
    meta = {**draft["metadata"], **kept}
    changed = {key: value for key, value in meta.items() if value is not None}
    return {**old, "metadata": changed, "status": draft.get("status") or {}}


def _approval(draft: Object, old: Object, now: float) -> Object:
    """Somebody's word on a signing request; each is dated."""
    conditions = draft.get("status", {}).get("conditions") or []
    times = {"lastUpdateTime": timestamp(now), "lastTransitionTime": timestamp(now)}
    dated = [{**times, **_given(condition)} for condition in conditions]
    return {**old, "status": {**old["status"], "conditions": dated}}


def _given(condition: Object) -> Object:
    return {key: value for key, value in condition.items() if value is not None}


def _ephemeral_containers(draft: Object, old: Object, now: float) -> Object:
    containers = draft["spec"].get("ephemeralContainers") or []
    return {**old, "spec": {**old["spec"], "ephemeralContainers": containers}}


def _resize(draft: Object, old: Object, now: float) -> Object:
    spec = dict(old["spec"])
    for group in ("containers", "initContainers"):
        sizes = {c.get("name"): c.get("resources") for c in draft["spec"].get(group) or ()}
        if group in spec:
            spec[group] = [
                {**c, "resources": sizes.get(c["name"]) or c.get("resources", {})}
                for c in spec[group]
            ]
    return {**old, "spec": spec}


_DOORS: dict[str, Narrow] = {
    "": _main,
    "approval": _approval,
    "ephemeralcontainers": _ephemeral_containers,
    "resize": _resize,
    "status": _status,
}

DOORS = tuple(_DOORS)
"""The subresources that are objects seen through a narrower door."""

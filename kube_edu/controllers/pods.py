"""What controllers ask about pods (kubernetes, pkg/api/v1/pod/util.go and controller_utils.go)."""

from __future__ import annotations

from kube_edu.api import meta
from kube_edu.api.meta import Object

ORPHANS = "_Orphans"


def phase(pod: Object) -> str:
    return str(pod.get("status", {}).get("phase", "Pending"))


def node_name(pod: Object) -> str:
    return str(pod["spec"].get("nodeName", ""))


def is_deleting(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def is_finished(pod: Object) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    return not is_finished(pod) and not is_deleting(pod)


def is_ready(pod: Object) -> bool:
    return meta.condition_is(pod, "Ready")


def is_available(pod: Object, min_ready_seconds: int, now: float) -> bool:
    """Ready, and so without a break for `minReadySeconds`."""
    ready = meta.find_condition(pod, "Ready")
    if ready is None or ready["status"] != "True":
        return False
    since = meta.seconds(ready["lastTransitionTime"]) if min_ready_seconds else now
    return since + min_ready_seconds <= now


def by_node(pod: Object) -> list[str]:
    """An index function: pods by the node they are bound to."""
    return [node_name(pod)] if node_name(pod) else []


def by_controller(obj: Object) -> list[str]:
    """An index function: objects by the uid of their controller, those without one by
    namespace."""
    controller = meta.controller_of(obj)
    return [controller["uid"] if controller else f"{meta.namespace(obj)}/{ORPHANS}"]

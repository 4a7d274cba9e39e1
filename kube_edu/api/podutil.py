"""What everyone asks about pods: how they are, where they are, what they put up with.

Source: kubernetes, pkg/api/v1/pod/util.go, and k8s.io/api/core/v1/toleration.go.
"""

from __future__ import annotations

from kube_edu.api import meta, quantity
from kube_edu.api.meta import Object


def phase(pod: Object) -> str:
    return str(pod.get("status", {}).get("phase", "Pending"))


def container_statuses(status: Object) -> list[Object]:
    """The statuses of a pod's init containers and containers."""
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def is_sidecar(container: Object) -> bool:
    """Whether an init container is one that stays (KEP-753)."""
    return bool(container.get("restartPolicy") == "Always")


def node_name(pod: Object) -> str:
    return str(pod["spec"].get("nodeName", ""))


def containers(spec: Object) -> list[Object]:
    """All containers of a pod spec, in the order in which they are started."""
    groups = ("initContainers", "containers", "ephemeralContainers")
    return [container for group in groups for container in spec.get(group) or ()]


def is_finished(pod: Object) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    return not is_finished(pod) and not meta.is_deleting(pod)


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


def tolerates(toleration: Object, taint: Object) -> bool:
    """Whether a toleration matches a taint; what it leaves out matches everything."""
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    exists = toleration.get("operator") == "Exists"
    return exists or bool(toleration.get("value", "") == taint.get("value", ""))


def qos_class(pod: Object) -> str:
    """Guaranteed, Burstable or BestEffort
    (kubernetes, pkg/apis/core/v1/helper/qos/qos.go)."""
    spec = pod.get("spec", {})
    all_resources = [
        container.get("resources") or {}
        for container in [*spec.get("containers", ()), *spec.get("initContainers", ())]
    ]
    named = [
        _compute(resources.get(part)) for resources in all_resources for part in _RESOURCE_PARTS
    ]
    if not any(named):
        return "BestEffort"
    for resources in all_resources:
        limits, requests = (_compute(resources.get(part)) for part in _RESOURCE_PARTS)
        if set(limits) != {"cpu", "memory"} or limits != {**limits, **requests}:
            return "Burstable"
    return "Guaranteed"


_RESOURCE_PARTS = ("limits", "requests")


def _compute(resources: Object | None) -> Object:
    """Amounts of cpu and memory, the zeros left out."""
    found = {name: quantity.parse((resources or {}).get(name, "0")) for name in ("cpu", "memory")}
    return {name: amount for name, amount in found.items() if amount}

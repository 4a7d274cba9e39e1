"""What differs between resources: a row each, for the one generic registry.

Source: kubernetes, pkg/registry/*/*/strategy.go. A resource without a row is a plain one:
no status, no generation. The functions change a draft in place; nobody else has seen it yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kube_edu.api import quantity
from kube_edu.api.meta import Object
from kube_edu.api.resources import Resource


@dataclass(frozen=True, slots=True)
class Strategy:
    """How the registry treats one resource."""

    prepare_create: Callable[[Object], None] = lambda new: None
    prepare_update: Callable[[Object, Object], None] = lambda new, old: None
    """(new, old): carry over what a client may leave out."""
    generation: bool = False
    """Counts the changes of everything but metadata and status."""
    keeps_status: bool = False
    """Status may be given at creation."""
    graceful: bool = False
    """Deletion waits for someone to stop the object (the kubelet)."""
    create_on_update: bool = False
    """A PUT to a name that does not exist creates it."""
    unconditional_update: bool = True
    """A PUT without resourceVersion overwrites whatever is there."""
    ttl: int = 0
    """The store forgets an object so many seconds after it was last written."""
    returns_deleted: bool = False
    """A delete is answered with the object instead of a Status."""


def strategy_of(resource: Resource) -> Strategy:
    return STRATEGIES.get(resource.plural, _PLAIN)


def _pod(pod: Object) -> None:
    pod["status"] = {"phase": "Pending", "qosClass": qos_class(pod)}


def _pod_update(new: Object, old: Object) -> None:
    """The class is decided at creation; a status writer may leave it out."""
    if "qosClass" in old["status"]:
        new["status"].setdefault("qosClass", old["status"]["qosClass"])


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


def _namespace(namespace: Object) -> None:
    namespace["spec"] = {"finalizers": ["kubernetes"]}
    namespace["status"] = {"phase": "Active"}


def _namespace_update(new: Object, old: Object) -> None:
    """Only /finalize may take spec.finalizers away."""
    new["spec"] = old["spec"]


_PLAIN = Strategy()
_WORKLOAD = Strategy(generation=True)

STRATEGIES: dict[str, Strategy] = {
    "deployments": _WORKLOAD,
    "endpoints": Strategy(create_on_update=True),
    "endpointslices": _WORKLOAD,
    "events": Strategy(create_on_update=True, ttl=3600),
    "leases": Strategy(create_on_update=True, unconditional_update=False),
    "namespaces": Strategy(_namespace, _namespace_update),
    "nodes": Strategy(keeps_status=True),
    "pods": Strategy(_pod, _pod_update, graceful=True, returns_deleted=True),
    "replicasets": _WORKLOAD,
    "serviceaccounts": Strategy(returns_deleted=True),
    "services": Strategy(create_on_update=True, returns_deleted=True),
}

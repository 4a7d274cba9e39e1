"""What an object uses of a ResourceQuota: counted when it is created, and again by a controller.

Source: kubernetes, pkg/quota/v1/evaluator/core (pods.go, services.go,
persistent_volume_claims.go) and apiserver's object count evaluator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from kube_edu.api import quantity
from kube_edu.api.meta import Object
from kube_edu.api.podresources import add, pod_total
from kube_edu.api.resources import resource_of

Usage = dict[str, Decimal]

COUNTED = ("configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers",
           "resourcequotas", "secrets", "services")  # fmt: skip
"""What a quota counts by its plain name; anything else by "count/deployments.apps"."""

WHOLE = (*COUNTED, "count/")
"""How the names of that begin which comes in whole numbers only."""

ONE = Decimal(1)


def usage(obj: Object) -> Usage:
    """What an object takes."""
    resource = resource_of(obj)
    used = {f"count/{resource.qualified}": ONE}
    if obj["kind"] == "Pod":
        return used | (_pod(obj) if not _is_terminal(obj) else {})
    if resource.plural in COUNTED and not resource.group:
        used[resource.plural] = ONE
    if obj["kind"] == "Service":
        used |= _service(obj["spec"])
    if obj["kind"] == "PersistentVolumeClaim":
        used |= _claim(obj["spec"])
    return used


def matches(quota: Object, obj: Object) -> bool:
    """Whether a quota's scopes include an object; only pods are in scopes."""
    spec = quota["spec"]
    wanted = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    wanted += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    return not wanted or (obj["kind"] == "Pod" and all(_in_scope(obj, w) for w in wanted))


def total(objects: Sequence[Object]) -> Usage:
    """What they take together."""
    together: Usage = {}
    for obj in objects:
        together = add(together, usage(obj))
    return together


def missing(quota: Object, pod: Object) -> dict[str, list[str]]:
    """Which containers say nothing of a resource that a quota limits: by resource, their names."""
    found: dict[str, list[str]] = {}
    for name in quota["spec"].get("hard") or ():
        part, _, resource = name.rpartition(".")
        if name not in _COMPUTE:
            continue
        for container in [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]:
            stated = (container.get("resources") or {}).get(part or "requests") or {}
            if resource not in stated:
                found.setdefault(name, []).append(container["name"])
    return found


_COMPUTE = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")


def _is_terminal(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _pod(pod: Object) -> Usage:
    used = {"pods": ONE}
    for part in ("requests", "limits"):
        for name, amount in pod_resources(pod["spec"], part).items():
            used[f"{part}.{name}"] = amount
            if part == "requests" and name in ("cpu", "memory", "ephemeral-storage"):
                used[name] = amount
    return used


def pod_resources(spec: Object, part: str) -> Usage:
    """What the containers of a pod state together as "requests" or "limits", and its overhead."""
    together = pod_total(spec, lambda container: _amounts(container, part))
    overhead = {n: quantity.parse(v) for n, v in (spec.get("overhead") or {}).items()}
    if part == "limits":
        overhead = {n: v for n, v in overhead.items() if n in together}
    return add(together, overhead)


def _amounts(container: Object, part: str) -> Usage:
    stated = (container.get("resources") or {}).get(part) or {}
    return {name: quantity.parse(amount) for name, amount in stated.items()}


def _service(spec: Object) -> Usage:
    kind = spec.get("type", "ClusterIP")
    ports = Decimal(len(spec.get("ports") or ()))
    used: Usage = {}
    if kind == "LoadBalancer":
        used["services.loadbalancers"] = ONE
        if spec.get("allocateLoadBalancerNodePorts", True):
            used["services.nodeports"] = ports
    if kind == "NodePort":
        used["services.nodeports"] = ports
    return used


def _claim(spec: Object) -> Usage:
    requests: Mapping[str, str] = (spec.get("resources") or {}).get("requests") or {}
    storage = quantity.parse(requests.get("storage", "0"))
    used = {"requests.storage": storage}
    if class_name := spec.get("storageClassName"):
        suffix = f"{class_name}.storageclass.storage.k8s.io"
        used[f"{suffix}/requests.storage"] = storage
        used[f"{suffix}/persistentvolumeclaims"] = ONE
    return used


def _in_scope(pod: Object, wanted: Object) -> bool:
    """pods.go, podMatchesScopeFunc."""
    spec = pod["spec"]
    match wanted["scopeName"]:
        case "Terminating":
            return "activeDeadlineSeconds" in spec
        case "NotTerminating":
            return "activeDeadlineSeconds" not in spec
        case "BestEffort":
            return not _stated(spec)
        case "NotBestEffort":
            return _stated(spec)
        case "PriorityClass":
            return _selected(spec.get("priorityClassName", ""), wanted)
        case "CrossNamespacePodAffinity":
            return any("namespaceSelector" in t or t.get("namespaces") for t in _affinities(spec))
    return False


def _affinities(spec: Object) -> Iterator[Object]:
    """The terms that say which pods a pod wants to be near, or away from."""
    for kind in ("podAffinity", "podAntiAffinity"):
        affinity = (spec.get("affinity") or {}).get(kind) or {}
        yield from affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        for preferred in affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            yield preferred["podAffinityTerm"]


def _stated(spec: Object) -> bool:
    parts = [pod_resources(spec, part) for part in ("requests", "limits")]
    return any(name in amounts for amounts in parts for name in ("cpu", "memory"))


def _selected(class_name: str, wanted: Object) -> bool:
    values = wanted.get("values") or ()
    match wanted["operator"]:
        case "In":
            return class_name in values
        case "NotIn":
            return class_name not in values
        case "Exists":
            return bool(class_name)
    return not class_name


def shown(amounts: Usage) -> dict[str, str]:
    """As status.used has them. Sizes in bytes are told in powers of two."""
    return {
        name: quantity.format(amount, "BinarySI" if _is_size(name) else "DecimalSI")
        for name, amount in amounts.items()
    }


def _is_size(name: str) -> bool:
    return name.endswith(("memory", "storage"))

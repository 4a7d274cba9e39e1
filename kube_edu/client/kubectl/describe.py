"""`kubectl describe`, in its main lines: what an object is, and what happened to it.

Source: kubectl, pkg/describe/describe.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.client.apply import LAST_APPLIED
from kube_edu.client.kubectl.printing import aligned

Row = tuple[str, object]


def describe(obj: Object, events: Sequence[Object]) -> list[str]:
    """The lines that describe an object, with the events about it at the end."""
    rows: list[Row] = [("Name", meta.name(obj))]
    if meta.namespace(obj):
        rows.append(("Namespace", meta.namespace(obj)))
    notes = {name: text for name, text in meta.annotations(obj).items() if name != LAST_APPLIED}
    rows += [("Labels", _pairs(meta.labels(obj))), ("Annotations", _pairs(notes))]
    owner = meta.controller_of(obj)
    if owner is not None:
        rows.append(("Controlled By", f"{owner['kind']}/{owner['name']}"))
    rows += _OF_KIND.get(obj["kind"], _other)(obj)
    lines = _aligned(rows)
    conditions = obj.get("status", {}).get("conditions") or []
    if conditions:
        lines += ["Conditions:", *_indented([("Type", "Status", "Reason"), *(
            (c["type"], c["status"], c.get("reason", "")) for c in conditions)])]  # fmt: skip
    if not events:
        return [*lines, "Events:  <none>"]
    table = [("Type", "Reason", "From", "Message")]
    for event in events:
        count = event.get("count", 1)
        times = f" (x{count})" if count > 1 else ""
        source = event.get("source", {}).get("component") or event.get("reportingComponent", "")
        table.append((event["type"], event["reason"] + times, source, event["message"]))
    return [*lines, "Events:", *_indented(table)]


def _pod(pod: Object) -> Iterable[Row]:
    spec, status = pod["spec"], pod.get("status", {})
    yield "Node", spec.get("nodeName", "<none>")
    deleted = pod["metadata"].get("deletionTimestamp")
    yield "Status", "Terminating" if deleted else status.get("phase", "")
    yield "IP", status.get("podIP", "")
    states = {s["name"]: s for s in status.get("containerStatuses") or []}
    for container in spec["containers"]:
        found = states.get(container["name"], {})
        yield f"Container {container['name']}", container["image"]
        for state, details in found.get("state", {}).items():
            reason = details.get("reason") or details.get("startedAt", "")
            yield "  State", f"{state.capitalize()} ({reason})"
        for details in found.get("lastState", {}).values():
            yield "  Last State", f"{details['reason']} (exit code {details['exitCode']})"
        yield "  Ready", found.get("ready", False)
        yield "  Restart Count", found.get("restartCount", 0)


def _deployment(deployment: Object) -> Iterable[Row]:
    spec, status = deployment["spec"], deployment.get("status", {})
    yield "Selector", _pairs(spec["selector"].get("matchLabels", {}))
    yield (
        "Replicas",
        (
            f"{spec.get('replicas', 1)} desired | {status.get('updatedReplicas', 0)} updated | "
            f"{status.get('replicas', 0)} total | {status.get('availableReplicas', 0)} available | "
            f"{status.get('unavailableReplicas', 0)} unavailable"
        ),
    )
    yield "StrategyType", spec.get("strategy", {}).get("type", "")
    for container in spec["template"]["spec"]["containers"]:
        yield f"Container {container['name']}", container["image"]


def _replicaset(replicaset: Object) -> Iterable[Row]:
    spec, status = replicaset["spec"], replicaset.get("status", {})
    yield "Selector", _pairs(spec["selector"].get("matchLabels", {}))
    yield "Replicas", f"{status.get('replicas', 0)} current / {spec.get('replicas', 1)} desired"


def _service(service: Object) -> Iterable[Row]:
    spec = service["spec"]
    yield "Selector", _pairs(spec.get("selector") or {})
    yield "Type", spec.get("type", "")
    yield "IP", spec.get("clusterIP", "")
    for port in spec.get("ports") or []:
        yield "Port", f"{port.get('name', '<unset>')}  {port['port']}/{port['protocol']}"
        yield "TargetPort", f"{port['targetPort']}/{port['protocol']}"
        if port.get("nodePort"):
            yield "NodePort", f"{port['nodePort']}/{port['protocol']}"


def _node(node: Object) -> Iterable[Row]:
    taints = node["spec"].get("taints") or []
    yield "Taints", ", ".join(f"{t['key']}:{t['effect']}" for t in taints) or "<none>"
    yield "Unschedulable", node["spec"].get("unschedulable", False)
    for address in node.get("status", {}).get("addresses") or []:
        yield address["type"], address["address"]
    yield "PodCIDR", node["spec"].get("podCIDR", "")
    for name, quantity in (node.get("status", {}).get("allocatable") or {}).items():
        yield f"Allocatable {name}", quantity


def _other(obj: Object) -> Iterable[Row]:
    for name in ("data", "type", "subsets", "endpoints", "ports"):
        if name in obj:
            yield name.capitalize(), obj[name]


_OF_KIND: dict[str, Callable[[Object], Iterable[Row]]] = {
    "Deployment": _deployment,
    "Node": _node,
    "Pod": _pod,
    "ReplicaSet": _replicaset,
    "Service": _service,
}


def _pairs(values: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in values.items()) or "<none>"


def _aligned(rows: Sequence[Row]) -> list[str]:
    width = max(len(name) for name, _ in rows) + 3
    return [f"{name + ':':<{width}}{value}" for name, value in rows]


def _indented(rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"  {line}" for line in aligned(rows, gap=2)]

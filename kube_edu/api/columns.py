"""The columns of `kubectl get`, one row each: name, what goes into the cell, and how it is shown.
Priority 1 is shown with `-o wide` only.

Source: kubernetes, pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.podstatus import summarize
from kube_edu.api.selectors import LabelSelector, SelectorError

NONE, UNKNOWN, UNSET = "<none>", "<unknown>", "<unset>"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `cell` makes its text or number from an object and the time now."""

    name: str
    cell: Callable[[Object, float], Any]
    description: str = ""
    type: str = "string"
    priority: int = 0
    format: str = ""


_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
_DURATIONS = (
    (2 * _MINUTE, 1, "s", 1, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 1, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 1, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 1, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
    (float("inf"), _YEAR, "y", 1, ""),
)
"""Below how many seconds which unit is shown, and which smaller one beside it."""


def human_duration(seconds: float) -> str:
    """How long, to two digits or so: "45s", "2m30s", "5h", "3d" (apimachinery,
    pkg/util/duration)."""
    if seconds <= -2:
        return "<invalid>"
    whole = max(int(seconds), 0)
    size, unit, small, small_unit = next(row[1:] for row in _DURATIONS if whole < row[0])
    rest = whole % size // small if small_unit else 0
    return f"{whole // size}{unit}" + (f"{rest}{small_unit}" if rest else "")


# Cells


def _at(path: str, absent: Any = "") -> Callable[[Object, float], Any]:
    """The field at a path, or `absent` where there is nothing."""
    steps = path.split(".")

    def cell(obj: Object, now: float) -> Any:
        value: Any = obj
        for step in steps:
            value = value.get(step) if isinstance(value, dict) else None
        return absent if value in (None, "") else value

    return cell


def _since(path: str) -> Callable[[Object, float], str]:
    """How long ago the time at a path was."""
    field = _at(path)
    return lambda obj, now: _ago(field(obj, now), now)


def _ago(time: str, now: float) -> str:
    return human_duration(now - meta.seconds(time)) if time else UNKNOWN


def _count(*paths: str) -> Callable[[Object, float], int]:
    """How many entries the maps or lists at these paths have together."""
    fields = [_at(path, ()) for path in paths]
    return lambda obj, now: sum(len(field(obj, now)) for field in fields)


def _of(function: Callable[[Object], Any]) -> Callable[[Object, float], Any]:
    """A cell that does not depend on the time."""
    return lambda obj, now: function(obj)


def _containers(field: str) -> Callable[[Object, float], str]:
    containers = _at("spec.template.spec.containers", ())
    return lambda obj, now: ",".join(c.get(field, "") for c in containers(obj, now))


def _selector(obj: Object) -> str:
    selector = obj.get("spec", {}).get("selector") or {}
    if "matchLabels" in selector or "matchExpressions" in selector:
        try:
            return str(LabelSelector.from_dict(selector)) or NONE
        except SelectorError as error:
            return f"<error: {error}>"
    return ",".join(f"{key}={selector[key]}" for key in sorted(selector)) or NONE


def _listed(entries: Iterable[str], empty: str) -> str:
    """The first three, and how many more there are."""
    entries = list(entries)
    text = ",".join(entries[:3]) or empty
    return f"{text} + {len(entries) - 3} more..." if len(entries) > 3 else text


# Pods


def _pod_restarts(pod: Object, now: float) -> str:
    summary = summarize(pod)
    if summary.restarts and summary.last_restart is not None:
        return f"{summary.restarts} ({human_duration(now - summary.last_restart)} ago)"
    return str(summary.restarts)


def _pod_ready(pod: Object) -> str:
    summary = summarize(pod)
    return f"{summary.ready}/{summary.containers}"


def _pod_gates(pod: Object) -> str:
    gates = [gate["conditionType"] for gate in pod.get("spec", {}).get("readinessGates") or ()]
    open_gates = sum(meta.condition_is(pod, gate) for gate in gates)
    return f"{open_gates}/{len(gates)}" if gates else NONE


# Nodes


def _node_status(node: Object) -> str:
    ready = meta.find_condition(node, "Ready")
    status = "Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"
    cordoned = node.get("spec", {}).get("unschedulable")
    return f"{status},SchedulingDisabled" if cordoned else status


def _node_roles(node: Object) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = meta.labels(node)
    roles = [key.removeprefix(prefix) for key in labels if key.startswith(prefix)]
    if "kubernetes.io/role" in labels:
        roles.append(labels["kubernetes.io/role"])
    return ",".join(sorted(filter(None, roles))) or NONE


def _node_address(type: str) -> Callable[[Object, float], str]:
    addresses = _at("status.addresses", ())
    return lambda node, now: next(
        (a["address"] for a in addresses(node, now) if a.get("type") == type), NONE
    )


# Workloads, services


def _deployment_ready(deployment: Object) -> str:
    ready = deployment.get("status", {}).get("readyReplicas", 0)
    return f"{ready}/{deployment.get('spec', {}).get('replicas', 0)}"


def _external_ips(service: Object) -> str:
    spec = service.get("spec", {})
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", NONE))
    ips = list(spec.get("externalIPs") or ())
    if spec.get("type") != "LoadBalancer":
        return ",".join(ips) or NONE
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
    return ",".join([i.get("ip") or i.get("hostname", "") for i in ingress] + ips) or "<pending>"


def _service_ports(service: Object) -> str:
    def text(port: Object) -> str:
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        return f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}"

    return ",".join(map(text, service.get("spec", {}).get("ports") or ())) or NONE


def _endpoints(endpoints: Object) -> str:
    subsets = endpoints.get("subsets") or ()
    listed = [
        f"{address['ip']}:{port['port']}" if port else str(address["ip"])
        for subset in subsets
        for port in subset.get("ports") or (None,)
        for address in subset.get("addresses") or ()
    ]
    return _listed(listed, "" if subsets else NONE)


def _slice_ports(slice: Object) -> str:
    return _listed(
        (str(port.get("port") or port.get("name") or "*") for port in slice.get("ports") or ()),
        UNSET,
    )


def _slice_addresses(slice: Object) -> str:
    endpoints = slice.get("endpoints") or ()
    return _listed((a for e in endpoints for a in e.get("addresses") or ()), UNSET)


# Events


def _first_seen(event: Object, now: float) -> str:
    return _ago(event.get("firstTimestamp") or event.get("eventTime", ""), now)


def _last_seen(event: Object, now: float) -> str:
    last = event.get("series", {}).get("lastObservedTime") or event.get("lastTimestamp", "")
    return _ago(last, now) if last else _first_seen(event, now)


def _event_object(event: Object) -> str:
    about = event.get("involvedObject", {})
    kind = about.get("kind", "").lower()
    return f"{kind}/{about['name']}" if about.get("name") else kind


def _event_source(event: Object) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent", "")
    host = source.get("host") or event.get("reportingInstance", "")
    return f"{component}, {host}" if host else component


def _event_count(event: Object) -> int:
    return int(event.get("series", {}).get("count") or event.get("count") or 1)


# The tables

# fmt: off
NAME = Column("Name", _at("metadata.name"), "Name, unique within the namespace.", format="name")
AGE = Column("Age", _since("metadata.creationTimestamp"), "Time since the object was created.")
CREATED_AT = Column("Created At", _at("metadata.creationTimestamp"),
                    "When the object was created.", "date")
_CONTAINERS = Column("Containers", _containers("name"), "Names of the template's containers.",
                     priority=1)
_IMAGES = Column("Images", _containers("image"), "Images of the template's containers.",
                 priority=1)
_SELECTOR = Column("Selector", _of(_selector), "Which pods it stands for.", priority=1)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "ConfigMap": (
        NAME,
        Column("Data", _count("data", "binaryData"), "How many entries it has."),
        AGE,
    ),
    "Deployment": (
        NAME,
        Column("Ready", _of(_deployment_ready), "Ready pods of those wanted."),
        Column("Up-to-date", _at("status.updatedReplicas", 0), "Pods of the newest template."),
        Column("Available", _at("status.availableReplicas", 0), "Pods ready for long enough."),
        AGE, _CONTAINERS, _IMAGES, _SELECTOR,
    ),
    "EndpointSlice": (
        NAME,
        Column("AddressType", _at("addressType"), "IPv4, IPv6 or FQDN."),
        Column("Ports", _of(_slice_ports), "Ports on which the endpoints listen."),
        Column("Endpoints", _of(_slice_addresses), "Addresses of the endpoints."),
        AGE,
    ),
    "Endpoints": (
        NAME,
        Column("Endpoints", _of(_endpoints), "Addresses and ports of the ready endpoints."),
        AGE,
    ),
    "Event": (
        Column("Last Seen", _last_seen, "Time since it was last seen."),
        Column("Type", _at("type"), "Normal or Warning."),
        Column("Reason", _at("reason"), "Why, in one word."),
        Column("Object", _of(_event_object), "What it is about."),
        Column("Subobject", _at("involvedObject.fieldPath"), "Which part of it.", priority=1),
        Column("Source", _of(_event_source), "Who says so.", priority=1),
        Column("Message", _at("message"), "What happened."),
        Column("First Seen", _first_seen, "Time since it was first seen.", priority=1),
        Column("Count", _of(_event_count), "How often it was seen.", priority=1),
        Column("Name", _at("metadata.name"), "Name, unique within the namespace.", "string", 1,
               "name"),
    ),
    "Lease": (
        NAME,
        Column("Holder", _at("spec.holderIdentity"), "Who holds it."),
        AGE,
    ),
    "Namespace": (
        NAME,
        Column("Status", _at("status.phase"), "Active or Terminating."),
        AGE,
    ),
    "Node": (
        NAME,
        Column("Status", _of(_node_status), "Whether it is ready, and takes new pods."),
        Column("Roles", _of(_node_roles), "Its roles, from its labels."),
        AGE,
        Column("Version", _at("status.nodeInfo.kubeletVersion"), "Version of its kubelet."),
        Column("Internal-IP", _node_address("InternalIP"), "Address inside.", priority=1),
        Column("External-IP", _node_address("ExternalIP"), "Address outside.", priority=1),
        Column("OS-Image", _at("status.nodeInfo.osImage", UNKNOWN), "System.", priority=1),
        Column("Kernel-Version", _at("status.nodeInfo.kernelVersion", UNKNOWN), "Kernel.",
               priority=1),
        Column("Container-Runtime", _at("status.nodeInfo.containerRuntimeVersion", UNKNOWN),
               "Container runtime and its version.", priority=1),
    ),
    "Pod": (
        NAME,
        Column("Ready", _of(_pod_ready), "Containers that are ready, of all."),
        Column("Status", _of(lambda pod: summarize(pod).status), "How it is doing."),
        Column("Restarts", _pod_restarts, "How often containers were restarted."),
        AGE,
        Column("IP", _at("status.podIP", NONE), "Its address.", priority=1),
        Column("Node", _at("spec.nodeName", NONE), "Where it runs.", priority=1),
        Column("Nominated Node", _at("status.nominatedNodeName", NONE),
               "Where room is being made for it.", priority=1),
        Column("Readiness Gates", _of(_pod_gates), "Gates that are open, of all.", priority=1),
    ),
    "ReplicaSet": (
        NAME,
        Column("Desired", _at("spec.replicas", 0), "Pods wanted.", "integer"),
        Column("Current", _at("status.replicas", 0), "Pods there are.", "integer"),
        Column("Ready", _at("status.readyReplicas", 0), "Pods that are ready.", "integer"),
        AGE, _CONTAINERS, _IMAGES, _SELECTOR,
    ),
    "Secret": (
        NAME,
        Column("Type", _at("type"), "What its entries are for."),
        Column("Data", _count("data"), "How many entries it has."),
        AGE,
    ),
    "Service": (
        NAME,
        Column("Type", _at("spec.type"), "How it can be reached."),
        Column("Cluster-IP", _at("spec.clusterIP", NONE), "Its virtual address."),
        Column("External-IP", _of(_external_ips), "Its addresses outside."),
        Column("Port(s)", _of(_service_ports), "Its ports, with node ports."),
        AGE,
        Column("Selector", _of(_selector), "Which pods it stands for.", priority=1),
    ),
    "ServiceAccount": (
        NAME,
        Column("Secrets", _count("secrets"), "How many secrets it lists."),
        AGE,
    ),
}
# fmt: on

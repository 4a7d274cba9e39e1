"""What goes into the cells of `kubectl get`: functions from an object to a text or number. Their
further arguments are words of data/columns.txt; paths begin with a dot there.

Source: kubernetes, pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kube_edu.api import meta
from kube_edu.api.duration import human_duration
from kube_edu.api.meta import Object
from kube_edu.api.podstatus import summarize
from kube_edu.api.rules import values_at
from kube_edu.api.selectors import LabelSelector, SelectorError

NONE, UNKNOWN, UNSET = "<none>", "<unknown>", "<unset>"

TIMED = ("first_seen", "job_duration", "last_seen", "pod_restarts", "since")
"""What depends on the time: it is the second argument."""


def at(obj: Object, path: str, absent: Any = "") -> Any:
    """The field at a path, or `absent` where there is nothing."""
    value = meta.at(obj, path[1:])
    return absent if value in (None, "") else value


def since(obj: Object, now: float, path: str, absent: str = UNKNOWN) -> str:
    """How long ago the time at a path was."""
    return _ago(at(obj, path), now, absent)


def _ago(time: str, now: float, absent: str = UNKNOWN) -> str:
    return human_duration(now - meta.seconds(time)) if time else absent


def count(obj: Object, *paths: str) -> int:
    """How many entries the maps or lists at these paths have together."""
    return sum(len(at(obj, path, ())) for path in paths)


def joined(obj: Object, path: str, absent: str = "") -> str:
    """The texts at a path that goes through a list: ".spec.containers[].name"."""
    return ",".join(str(value) for _, value in values_at(obj, path[1:])) or absent


def slashed(obj: Object, absent: str, *paths: str) -> str:
    """ "kind/name", of some fields."""
    return "/".join(filter(None, (str(at(obj, path)) for path in paths))) or absent


def labels(obj: Object, path: str) -> str:
    return ",".join(f"{key}={value}" for key, value in at(obj, path, {}).items()) or NONE


def selector(obj: Object, path: str) -> str:
    """A label selector, or the plain map of labels that some kinds have in its place."""
    found = at(obj, path, {})
    if "matchLabels" not in found and "matchExpressions" not in found:
        return ",".join(f"{key}={found[key]}" for key in sorted(found)) or NONE
    try:
        return str(LabelSelector.from_dict(found)) or NONE
    except SelectorError as error:
        return f"<error: {error}>"


def _listed(entries: Iterable[str], empty: str) -> str:
    """The first three, and how many more there are."""
    entries = list(entries)
    text = ",".join(entries[:3]) or empty
    return f"{text} + {len(entries) - 3} more..." if len(entries) > 3 else text


# Pods


def pod_restarts(pod: Object, now: float) -> str:
    summary = summarize(pod)
    if summary.restarts and summary.last_restart is not None:
        return f"{summary.restarts} ({human_duration(now - summary.last_restart)} ago)"
    return str(summary.restarts)


def pod_ready(pod: Object) -> str:
    summary = summarize(pod)
    return f"{summary.ready}/{summary.containers}"


def pod_status(pod: Object) -> str:
    return summarize(pod).status


def pod_gates(pod: Object) -> str:
    gates = [gate["conditionType"] for gate in pod.get("spec", {}).get("readinessGates") or ()]
    open_gates = sum(meta.condition_is(pod, gate) for gate in gates)
    return f"{open_gates}/{len(gates)}" if gates else NONE


# Nodes


def node_status(node: Object) -> str:
    ready = meta.find_condition(node, "Ready")
    status = "Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"
    cordoned = node.get("spec", {}).get("unschedulable")
    return f"{status},SchedulingDisabled" if cordoned else status


def node_roles(node: Object) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = meta.labels(node)
    roles = [key.removeprefix(prefix) for key in labels if key.startswith(prefix)]
    if "kubernetes.io/role" in labels:
        roles.append(labels["kubernetes.io/role"])
    return ",".join(sorted(filter(None, roles))) or NONE


def node_address(node: Object, type: str) -> str:
    addresses = at(node, ".status.addresses", ())
    return next((a["address"] for a in addresses if a.get("type") == type), NONE)


# Workloads, services


def replicas_ready(workload: Object) -> str:
    ready = workload.get("status", {}).get("readyReplicas", 0)
    return f"{ready}/{workload.get('spec', {}).get('replicas', 0)}"


def external_ips(service: Object) -> str:
    spec = service.get("spec", {})
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", NONE))
    ips = list(spec.get("externalIPs") or ())
    if spec.get("type") != "LoadBalancer":
        return ",".join(ips) or NONE
    return ",".join(filter(None, [balancers(service), *ips])) or "<pending>"


def balancers(obj: Object) -> str:
    """Where load balancers of a Service or Ingress are reached."""
    points = at(obj, ".status.loadBalancer.ingress", ())
    return ",".join(point.get("ip") or point.get("hostname", "") for point in points)


def service_ports(service: Object) -> str:
    def text(port: Object) -> str:
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        return f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}"

    return ",".join(map(text, service.get("spec", {}).get("ports") or ())) or NONE


def endpoints(endpoints: Object) -> str:
    subsets = endpoints.get("subsets") or ()
    found = [
        f"{address['ip']}:{port['port']}" if port else str(address["ip"])
        for subset in subsets
        for port in subset.get("ports") or (None,)
        for address in subset.get("addresses") or ()
    ]
    return _listed(found, "" if subsets else NONE)


def slice_ports(slice: Object) -> str:
    ports = slice.get("ports") or ()
    return _listed((str(p.get("port") or p.get("name") or "*") for p in ports), UNSET)


def slice_addresses(slice: Object) -> str:
    endpoints = slice.get("endpoints") or ()
    return _listed((a for e in endpoints for a in e.get("addresses") or ()), UNSET)


# Events


def first_seen(event: Object, now: float) -> str:
    return _ago(event.get("firstTimestamp") or event.get("eventTime", ""), now)


def last_seen(event: Object, now: float) -> str:
    last = event.get("series", {}).get("lastObservedTime") or event.get("lastTimestamp", "")
    return _ago(last, now) if last else first_seen(event, now)


def event_object(event: Object) -> str:
    about = event.get("involvedObject", {})
    kind = about.get("kind", "").lower()
    return f"{kind}/{about['name']}" if about.get("name") else kind


def event_source(event: Object) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent", "")
    host = source.get("host") or event.get("reportingInstance", "")
    return f"{component}, {host}" if host else component


def event_count(event: Object) -> int:
    return int(event.get("series", {}).get("count") or event.get("count") or 1)


# Volumes


_MODES = {"ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOnce": "RWO"}


def access_modes(obj: Object, path: str) -> str:
    return ",".join(_MODES.get(mode, "RWOP") for mode in at(obj, path, ()))


def volume_status(obj: Object) -> str:
    deleting = meta.is_deleting(obj)
    return "Terminating" if deleting else str(obj.get("status", {}).get("phase", ""))


def class_name(storage_class: Object) -> str:
    marked = meta.annotations(storage_class).get("storageclass.kubernetes.io/is-default-class")
    return meta.name(storage_class) + (" (default)" if marked == "true" else "")


# Jobs


def suspended(job: Object) -> str:
    return str(job["spec"].get("suspend", UNSET))


def job_status(job: Object) -> str:
    for condition in ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if meta.condition_is(job, condition):
            return condition
    return "Terminating" if meta.is_deleting(job) else "Running"


def job_completions(job: Object) -> str:
    spec, done = job.get("spec", {}), job.get("status", {}).get("succeeded", 0)
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallel = spec.get("parallelism", 0)
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def job_duration(job: Object, now: float) -> str:
    status = job.get("status", {})
    if "startTime" not in status:
        return ""
    end = status.get("completionTime")
    return human_duration((meta.seconds(end) if end else now) - meta.seconds(status["startTime"]))


# Scaling, disruption, quotas


def scale_targets(autoscaler: Object) -> str:
    """ "cpu: 12%/80%" for each of the first two metrics."""
    status = autoscaler.get("status", {}).get("currentMetrics") or ()
    current = {_metric(metric, "current")[0]: _metric(metric, "current")[1] for metric in status}
    texts = []
    for metric in autoscaler.get("spec", {}).get("metrics") or ():
        name, wanted = _metric(metric, "target")
        texts.append(f"{name}: {current.get(name) or UNKNOWN}/{wanted or '<auto>'}")
    shown = ", ".join(texts[:2]) or NONE
    return f"{shown} + {len(texts) - 2} more..." if len(texts) > 2 else shown


def _metric(metric: Object, part: str) -> tuple[str, str]:
    """A metric's name and amount, "cpu" and "12%"."""
    type = metric.get("type", "")
    source = metric.get(type[:1].lower() + type[1:]) or {}
    name = source.get("name") or source.get("metric", {}).get("name", "")
    amount = source.get(part, {})
    if "averageUtilization" in amount:
        return name, f"{amount['averageUtilization']}%"
    average = f"{amount['averageValue']} (avg)" if amount.get("averageValue") else ""
    return name, amount.get("value") or average


def quota(quota: Object, prefix: str) -> str:
    """What a quota grants and what of it is used: of limits, or of all the rest."""
    hard, used = at(quota, ".status.hard", {}), at(quota, ".status.used", {})
    names = [n for n in sorted(hard) if n.startswith("limits.") == (prefix == "limits.")]
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)


# Access, extension, networks


def subjects(binding: Object, kind: str) -> str:
    found = [s for s in binding.get("subjects") or () if s.get("kind") == kind]
    if kind == "ServiceAccount":
        return ", ".join(f"{s.get('namespace', '')}/{s['name']}" for s in found)
    return ", ".join(s["name"] for s in found)


def signing_condition(request: Object) -> str:
    status = request.get("status", {})
    types = [condition.get("type") for condition in status.get("conditions") or ()]
    found = [type for type in ("Approved", "Denied", "Failed") if type in types] or ["Pending"]
    return ",".join(found + (["Issued"] if status.get("certificate") else []))


def requested_duration(request: Object) -> str:
    asked = request.get("spec", {}).get("expirationSeconds")
    return NONE if asked is None else human_duration(asked)


def available(service: Object) -> str:
    condition = meta.find_condition(service, "Available") or {"status": "Unknown"}
    reason = condition.get("reason", "")
    status = str(condition["status"])
    return status if status == "True" else f"{status} ({reason})" if reason else status


def controller(obj: Object) -> str:
    owner = meta.controller_of(obj)
    if owner is None:
        return NONE
    group = owner["apiVersion"].rpartition("/")[0]
    return f"{owner['kind'].lower()}.{group}/{owner['name']}"


def ingress_ports(ingress: Object) -> str:
    return "80, 443" if ingress["spec"].get("tls") else "80"


def ingress_hosts(ingress: Object) -> str:
    return _listed((rule.get("host") or "*" for rule in at(ingress, ".spec.rules", ())), "*")


def parameters(ingress_class: Object) -> str:
    to = ingress_class.get("spec", {}).get("parameters")
    if not to:
        return NONE
    kind = f"{to['kind']}.{to['apiGroup']}" if to.get("apiGroup") else to["kind"]
    return f"{kind}/{to['name']}"

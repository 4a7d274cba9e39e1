"""What goes into the cells of `kubectl get`: functions from an object and the time to a text or
number.

Source: kubernetes, pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kube_edu.api import meta
from kube_edu.api.duration import human_duration
from kube_edu.api.meta import Object
from kube_edu.api.podstatus import summarize
from kube_edu.api.selectors import LabelSelector, SelectorError

Cell = Callable[[Object, float], Any]

NONE, UNKNOWN, UNSET = "<none>", "<unknown>", "<unset>"


def at(path: str, absent: Any = "") -> Cell:
    """The field at a path, or `absent` where there is nothing."""
    steps = path.split(".")

    def cell(obj: Object, now: float) -> Any:
        value: Any = obj
        for step in steps:
            value = value.get(step) if isinstance(value, dict) else None
        return absent if value in (None, "") else value

    return cell


def since(path: str, absent: str = UNKNOWN) -> Cell:
    """How long ago the time at a path was."""
    field = at(path)
    return lambda obj, now: ago(field(obj, now), now, absent)


def ago(time: str, now: float, absent: str = UNKNOWN) -> str:
    return human_duration(now - meta.seconds(time)) if time else absent


def count(*paths: str) -> Cell:
    """How many entries the maps or lists at these paths have together."""
    fields = [at(path, ()) for path in paths]
    return lambda obj, now: sum(len(field(obj, now)) for field in fields)


def of(function: Callable[[Object], Any]) -> Cell:
    """A cell that does not depend on the time."""
    return lambda obj, now: function(obj)


def containers(field: str, template: str = "spec.template") -> Cell:
    """A field of all containers of a pod template."""
    found = at(f"{template}.spec.containers", ())
    return lambda obj, now: ",".join(c.get(field, "") for c in found(obj, now))


def selector(path: str) -> Cell:
    """A label selector, or the plain map of labels that some kinds have in its place."""
    at_path = at(path, {})

    def cell(obj: Object, now: float) -> str:
        found = at_path(obj, now)
        if "matchLabels" not in found and "matchExpressions" not in found:
            return ",".join(f"{key}={found[key]}" for key in sorted(found)) or NONE
        try:
            return str(LabelSelector.from_dict(found)) or NONE
        except SelectorError as error:
            return f"<error: {error}>"

    return cell


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


def node_address(type: str) -> Cell:
    addresses = at("status.addresses", ())
    return lambda node, now: next(
        (a["address"] for a in addresses(node, now) if a.get("type") == type), NONE
    )


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
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
    return ",".join([i.get("ip") or i.get("hostname", "") for i in ingress] + ips) or "<pending>"


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
    return _listed(
        (str(port.get("port") or port.get("name") or "*") for port in slice.get("ports") or ()),
        UNSET,
    )


def slice_addresses(slice: Object) -> str:
    endpoints = slice.get("endpoints") or ()
    return _listed((a for e in endpoints for a in e.get("addresses") or ()), UNSET)


# Events


def first_seen(event: Object, now: float) -> str:
    return ago(event.get("firstTimestamp") or event.get("eventTime", ""), now)


def last_seen(event: Object, now: float) -> str:
    last = event.get("series", {}).get("lastObservedTime") or event.get("lastTimestamp", "")
    return ago(last, now) if last else first_seen(event, now)


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


def access_modes(path: str) -> Cell:
    modes = at(path, ())
    return lambda obj, now: ",".join(_MODES.get(mode, "RWOP") for mode in modes(obj, now))


def volume_status(obj: Object) -> str:
    deleting = meta.is_deleting(obj)
    return "Terminating" if deleting else str(obj.get("status", {}).get("phase", ""))


def volume_claim(volume: Object) -> str:
    claim = volume.get("spec", {}).get("claimRef")
    return f"{claim.get('namespace')}/{claim.get('name')}" if claim else ""


def class_name(storage_class: Object) -> str:
    marked = meta.annotations(storage_class).get("storageclass.kubernetes.io/is-default-class")
    return meta.name(storage_class) + (" (default)" if marked == "true" else "")


# Jobs


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


def scale_reference(autoscaler: Object) -> str:
    target = autoscaler.get("spec", {}).get("scaleTargetRef", {})
    return f"{target.get('kind')}/{target.get('name')}"


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


def quota(prefix: str) -> Cell:
    """What a quota grants and what of it is used: of limits, or of all the rest."""

    def cell(obj: Object, now: float) -> str:
        status = obj.get("status", {})
        hard, used = status.get("hard") or {}, status.get("used") or {}
        names = [n for n in sorted(hard) if n.startswith("limits.") == (prefix == "limits.")]
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)

    return cell


# Access, extension, networks


def subjects(kind: str) -> Cell:
    def cell(binding: Object, now: float) -> str:
        found = [s for s in binding.get("subjects") or () if s.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{s.get('namespace', '')}/{s['name']}" for s in found)
        return ", ".join(s["name"] for s in found)

    return cell


def role(binding: Object) -> str:
    reference = binding.get("roleRef", {})
    return f"{reference.get('kind')}/{reference.get('name')}"


def signing_condition(request: Object) -> str:
    status = request.get("status", {})
    types = [condition.get("type") for condition in status.get("conditions") or ()]
    found = [type for type in ("Approved", "Denied", "Failed") if type in types] or ["Pending"]
    return ",".join(found + (["Issued"] if status.get("certificate") else []))


def requested_duration(request: Object) -> str:
    asked = request.get("spec", {}).get("expirationSeconds")
    return NONE if asked is None else human_duration(asked)


def api_service(service: Object) -> str:
    target = service.get("spec", {}).get("service")
    return f"{target.get('namespace')}/{target.get('name')}" if target else "Local"


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


def parameter_kind(policy: Object) -> str:
    kind = policy.get("spec", {}).get("paramKind")
    return f"{kind.get('apiVersion')}/{kind.get('kind')}" if kind else UNSET


def ingress_hosts(ingress: Object) -> str:
    hosts = [rule.get("host") or "*" for rule in ingress.get("spec", {}).get("rules") or ()]
    return _listed(hosts, "*")


def ingress_address(ingress: Object) -> str:
    points = ingress.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
    return ",".join(point.get("ip") or point.get("hostname", "") for point in points)


def parameters(ingress_class: Object) -> str:
    to = ingress_class.get("spec", {}).get("parameters")
    if not to:
        return NONE
    kind = f"{to['kind']}.{to['apiGroup']}" if to.get("apiGroup") else to["kind"]
    return f"{kind}/{to['name']}"


def parent(address: Object) -> str:
    to = address.get("spec", {}).get("parentRef", {})
    parts = (to.get("group"), to.get("resource"), to.get("namespace"), to.get("name"))
    return "/".join(part for part in parts if part)


def joined(path: str, absent: str = NONE, field: str = "") -> Cell:
    """A list of texts, or of one field of its elements."""
    values = at(path, ())
    return lambda obj, now: (
        ",".join(value.get(field, "") if field else value for value in values(obj, now)) or absent
    )


def labels(path: str) -> Cell:
    pairs = at(path, {})
    return lambda obj, now: ",".join(f"{k}={v}" for k, v in pairs(obj, now).items()) or NONE

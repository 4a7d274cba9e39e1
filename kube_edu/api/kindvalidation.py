"""Rules of single kinds that look at several fields.

Source: kubernetes, pkg/apis/*/validation/validation.go.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from kube_edu.api import certificatevalidation as certificates
from kube_edu.api import meta, quantity, rules
from kube_edu.api import workloadvalidation as workloads
from kube_edu.api.meta import Object
from kube_edu.api.podvalidation import ephemeral_update, pod_resize, pod_spec, pod_update
from kube_edu.api.rules import Errors
from kube_edu.api.status import duplicate, forbidden_field, invalid_value, required, too_long

# Services


def _service(service: Object) -> Errors:
    spec = service.get("spec", {})
    ports = spec.get("ports") or []
    headless = spec.get("clusterIP") == "None"
    if not ports and not headless and spec.get("type") != "ExternalName":
        yield required("spec.ports")
    if spec.get("type") in ("NodePort", "LoadBalancer") and headless:
        why = f"may not be set to 'None' for {spec['type']} services"
        yield invalid_value("spec.clusterIPs[0]", "None", why)
    seen = []
    for i, port in enumerate(ports):
        if len(ports) > 1 and not port.get("name"):
            yield required(f"spec.ports[{i}].name")
        entry = {"protocol": port.get("protocol"), "port": port.get("port")}
        if entry in seen:
            yield duplicate(f"spec.ports[{i}]", entry)
        seen.append(entry)


def _service_update(new: Object, old: Object) -> Errors:
    before, after = (service["spec"].get("clusterIP") for service in (old, new))
    external = "ExternalName" in (old["spec"].get("type"), new["spec"].get("type"))
    if before and before != after and not external:
        yield invalid_value("spec.clusterIPs[0]", [after], "may not change once set")


# Configuration


def _data_size(obj: Object) -> Errors:
    parts = [obj.get("data") or {}, obj.get("binaryData") or {}]
    if sum(len(value.encode()) for part in parts for value in part.values()) > _MOST_DATA:
        yield too_long("", _MOST_DATA)


_MOST_DATA = 1024 * 1024


def _secret(secret: Object) -> Errors:
    yield from _data_size(secret)
    for key in _SECRET_KEYS.get(secret.get("type", ""), ()):
        if key not in (secret.get("data") or {}):
            yield required(f"data[{key}]")


_SECRET_KEYS = {
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def _immutable_data(new: Object, old: Object) -> Errors:
    if not old.get("immutable"):
        return
    why = "field is immutable when `immutable` is set"
    if not new.get("immutable"):
        yield forbidden_field("immutable", why)
    for field in ("data", "binaryData"):
        if new.get(field) != old.get(field):
            yield forbidden_field(field, why)


def _event(event: Object) -> Errors:
    about = event.get("involvedObject", {}).get("namespace", "")
    if about and about != meta.namespace(event):
        yield invalid_value("involvedObject.namespace", about, "does not match event.namespace")


# Scaling, disruption, batch


def _autoscaler(autoscaler: Object) -> Errors:
    spec = autoscaler["spec"]
    if spec.get("maxReplicas", 0) < spec.get("minReplicas", 0):
        why = "must be greater than or equal to `minReplicas`"
        yield invalid_value("spec.maxReplicas", spec.get("maxReplicas", 0), why)


def _disruption_budget(budget: Object) -> Errors:
    spec = budget["spec"]
    if "minAvailable" in spec and "maxUnavailable" in spec:
        yield invalid_value("spec", spec, "minAvailable and maxUnavailable cannot be both set")


# Storage


_VOLUME_FIELDS = (
    "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity",
    "persistentVolumeReclaimPolicy", "storageClassName", "volumeAttributesClassName", "volumeMode",
)  # fmt: skip


def _volume_update(new: Object, old: Object) -> Errors:
    before, after = (
        {field: value for field, value in volume["spec"].items() if field not in _VOLUME_FIELDS}
        for volume in (old, new)
    )
    if before != after:
        why = "spec.persistentvolumesource is immutable after creation"
        yield forbidden_field("spec.persistentvolumesource", why)


def _claim(claim: Object) -> Errors:
    spec = claim["spec"]
    if not spec.get("accessModes"):
        yield required("spec.accessModes", "at least 1 access mode is required")
    storage = (spec.get("resources", {}).get("requests") or {}).get("storage")
    if storage is None:
        yield required("spec.resources[storage]")
    elif quantity.parse(storage) <= 0:
        yield invalid_value("spec.resources[storage]", storage, "must be greater than zero")


def _claim_update(new: Object, old: Object) -> Errors:
    """A claim is fixed but for its size; the binder may fill in the volume and the class."""
    if _fixed_claim(new["spec"], new["spec"]) != _fixed_claim(old["spec"], new["spec"]):
        why = (
            "spec is immutable after creation except resources.requests and "
            "volumeAttributesClassName for bound claims"
        )
        yield forbidden_field("spec", why)


def _fixed_claim(spec: Object, new: Object) -> Object:
    """What may not change; a volume or class that was not named yet counts as the new one."""
    fixed = {field: value for field, value in spec.items() if field != "volumeAttributesClassName"}
    for field in ("storageClassName", "volumeName"):
        fixed[field] = spec.get(field) or new.get(field)
    resources = spec.get("resources") or {}
    return {**fixed, "resources": {**resources, "requests": None}}


# Priorities, roles


def _priority_class(priority: Object) -> Errors:
    name, value = meta.name(priority), priority.get("value", 0)
    if name.startswith("system-"):
        if (name, value) not in _SYSTEM_PRIORITIES:
            why = (
                "priority class names with 'system-' prefix are reserved for system use only. "
                f"error: {name} is not a known system priority class"
            )
            yield forbidden_field("metadata.name", why)
    elif value > _HIGHEST_PRIORITY:
        why = f"maximum allowed value of a user defined priority is {_HIGHEST_PRIORITY}"
        yield forbidden_field("value", why)


_HIGHEST_PRIORITY = 1_000_000_000
_SYSTEM_PRIORITIES = (
    ("system-cluster-critical", 2_000_000_000),
    ("system-node-critical", 2_000_001_000),
)


def _role(role: Object) -> Errors:
    for i, rule in enumerate(role.get("rules") or ()):
        path, urls = f"rules[{i}]", rule.get("nonResourceURLs")
        if urls and role["kind"] == "Role":
            why = "namespaced rules cannot apply to non-resource URLs"
            yield invalid_value(f"{path}.nonResourceURLs", urls, why)
        if urls and any(rule.get(field) for field in ("apiGroups", "resources", "resourceNames")):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid_value(f"{path}.nonResourceURLs", urls, why)
        for field, what in (("apiGroups", "api group"), ("resources", "resource")):
            if not urls and not rule.get(field):
                yield required(f"{path}.{field}", f"resource rules must supply at least one {what}")


# Networks


def _ingress(ingress: Object) -> Errors:
    spec = ingress["spec"]
    if not spec.get("rules") and not spec.get("defaultBackend"):
        yield invalid_value("spec", spec, "either `defaultBackend` or `rules` must be specified")
    for where, path in rules.values_at(spec, "rules[].http.paths[]"):
        text = path.get("path", "")
        if path.get("pathType") in ("Exact", "Prefix") and not text.startswith("/"):
            yield invalid_value(f"spec.{where}.path", text, "must be an absolute path")


def _ip_address(address: Object) -> Errors:
    name = meta.name(address)
    try:
        if str(ipaddress.ip_address(name)) == name:
            return
        why = "not a valid IP address in canonical form"
    except ValueError:
        why = "not a valid ip address"
    yield invalid_value("metadata.name", name, why)


ON_CREATE: dict[str, Callable[[Object], Errors]] = {
    "CertificateSigningRequest": certificates.signing_request,
    "ClusterRole": _role,
    "ConfigMap": _data_size,
    "CronJob": workloads.cron_job,
    "DaemonSet": workloads.replicated,
    "Deployment": workloads.deployment,
    "Event": _event,
    "HorizontalPodAutoscaler": _autoscaler,
    "IPAddress": _ip_address,
    "Ingress": _ingress,
    "Job": workloads.job,
    "PersistentVolumeClaim": _claim,
    "Pod": lambda pod: pod_spec(pod.get("spec", {}), "spec."),
    "PodDisruptionBudget": _disruption_budget,
    "PriorityClass": _priority_class,
    "ReplicaSet": workloads.replicated,
    "ReplicationController": workloads.replication_controller,
    "Role": _role,
    "Secret": _secret,
    "Service": _service,
    "StatefulSet": workloads.stateful_set,
}

ON_UPDATE: dict[str, Callable[[Object, Object], Errors]] = {
    "ConfigMap": _immutable_data,
    "Job": workloads.job_update,
    "PersistentVolume": _volume_update,
    "PersistentVolumeClaim": _claim_update,
    "Pod": pod_update,
    "Secret": _immutable_data,
    "Service": _service_update,
    "StatefulSet": workloads.stateful_set_update,
}

# Where a subresource has rules of its own in place of those above.
AT_DOORS: dict[str, Callable[[Object, Object], Errors]] = {
    "CertificateSigningRequest/approval": certificates.approval,
    "CertificateSigningRequest/status": certificates.signed,
    "Pod/ephemeralcontainers": ephemeral_update,
    "Pod/resize": pod_resize,
}

"""Whether an object makes sense, in itself and as the successor of another.

Source: apimachinery, pkg/api/validation, and kubernetes, pkg/apis/core/validation and
pkg/apis/apps/validation. What concerns one field is a row of the tables in `rules.py`; here are
the rules that look at several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kube_edu.api import meta, names, quantity, rules, schema
from kube_edu.api.meta import Object
from kube_edu.api.selectors import LabelSelector, SelectorError
from kube_edu.api.status import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid_value,
    not_found_value,
    required,
    too_long,
)

Errors = Iterator[FieldError]


def validate_create(obj: Object) -> list[FieldError]:
    """What is wrong with a new object, its defaults and generated name in place."""
    return _distinct([*_metadata(obj), *_kind(obj)])


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """What is wrong with an object that takes the place of another."""
    kind = new.get("kind", "")
    errors = [*_metadata(new), *_kind(new)]
    fixed = ("metadata.name", "metadata.namespace", "metadata.uid", *rules.IMMUTABLE.get(kind, ()))
    for path in fixed:
        if rules.values_at(new, path) != rules.values_at(old, path):
            value = next((value for _, value in rules.values_at(new, path)), None)
            errors.append(invalid_value(path, value, "field is immutable"))
    if kind in _ON_UPDATE:
        errors += _ON_UPDATE[kind](new, old)
    return _distinct(errors)


def _distinct(errors: Iterable[FieldError]) -> list[FieldError]:
    """What several rules notice is told once."""
    return list({(error.field, error.reason, error.detail): error for error in errors}.values())


# All kinds


def _metadata(obj: Object) -> Errors:
    data = obj.get("metadata", {})
    name_check = rules.NAME_CHECKS.get(obj.get("kind", ""), names.dns1123_subdomain)
    name, prefix, namespace = (data.get(f) or "" for f in ("name", "generateName", "namespace"))
    for problem in names.prefix_of(name_check, prefix) if prefix else ():
        yield invalid_value("metadata.generateName", prefix, problem)
    for problem in name_check(name) if name else ():
        yield invalid_value("metadata.name", name, problem)
    if not name:
        yield required("metadata.name", "name or generateName is required")
    for problem in names.dns1123_label(namespace) if namespace else ():
        yield invalid_value("metadata.namespace", namespace, problem)
    yield from rules.labels("metadata.labels", meta.labels(obj))
    for key in meta.annotations(obj):
        for problem in names.qualified_name(key.lower()):
            yield invalid_value("metadata.annotations", key, problem)
    if sum(len((k + v).encode()) for k, v in meta.annotations(obj).items()) > _MOST_ANNOTATIONS:
        yield too_long("metadata.annotations", _MOST_ANNOTATIONS)
    for i, finalizer in enumerate(data.get("finalizers") or ()):
        if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid_value(f"metadata.finalizers[{i}]", finalizer, why)
    yield from _owners(meta.owners(obj))


_MOST_ANNOTATIONS = 256 * 1024
_STANDARD_FINALIZERS = ("foregroundDeletion", "kubernetes", "orphan")


def _owners(owners: list[Object]) -> Errors:
    path = "metadata.ownerReferences"
    for i, owner in enumerate(owners):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                yield invalid_value(f"{path}[{i}].{field}", "", f"{field} must not be empty")
    controllers = [owner.get("name") for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        why = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{controllers[0]} and {controllers[1]}"
        )
        yield invalid_value(path, owners, why)


def _kind(obj: Object) -> Errors:
    """Required fields, then single fields, then fields together."""
    kind = obj.get("kind", "")
    yield from schema.validate(obj)
    yield from rules.check(rules.KINDS.get(kind, {}), obj)
    if kind in _ON_CREATE:
        yield from _ON_CREATE[kind](obj)


# Pods


def _pod(pod: Object) -> Errors:
    yield from _pod_spec(pod.get("spec", {}), "spec.")


def _pod_spec(spec: Object, prefix: str) -> Errors:
    yield from rules.check(rules.POD_SPEC, spec, prefix)
    yield from rules.check_unique(spec, "volumes[].name", prefix)
    volumes = [volume.get("name") for volume in spec.get("volumes") or ()]
    seen = []
    for group in ("containers", "initContainers"):
        for where, container in rules.values_at(spec, f"{group}[]"):
            if container.get("name") in seen:
                yield duplicate(f"{prefix}{where}.name", container["name"])
            seen.append(container.get("name"))
            yield from _container(container, volumes, f"{prefix}{where}.")


def _container(container: Object, volumes: list[Any], prefix: str) -> Errors:
    yield from rules.check(rules.CONTAINER, container, prefix)
    if not container.get("image"):
        yield required(f"{prefix}image")
    yield from rules.check_unique(container, "ports[].name", prefix)
    for where, name in rules.values_at(container, "volumeMounts[].name"):
        if name not in volumes:
            yield not_found_value(prefix + where, name)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        yield from _handler(container.get(probe), prefix + probe)
    resources = container.get("resources") or {}
    for name, request in (resources.get("requests") or {}).items():
        limit = (resources.get("limits") or {}).get(name)
        if limit is not None and quantity.parse(request) > quantity.parse(limit):
            why = f"must be less than or equal to {name} limit of {limit}"
            yield invalid_value(f"{prefix}resources.requests", request, why)


def _handler(probe: Object | None, path: str) -> Errors:
    if probe is None:
        return
    handlers = [name for name in ("exec", "httpGet", "tcpSocket", "grpc") if name in probe]
    if not handlers:
        yield required(path, "must specify a handler type")
    for extra in handlers[1:]:
        yield forbidden_field(f"{path}.{extra}", "may not specify more than 1 handler type")


def _pod_update(new: Object, old: Object) -> Errors:
    """A pod runs as it was made: its spec may change in a few fields only."""
    for group in ("containers", "initContainers"):
        if len(new["spec"].get(group) or ()) != len(old["spec"].get(group) or ()):
            yield forbidden_field(f"spec.{group}", "pod updates may not add or remove containers")
            return
    tolerations = new["spec"].get("tolerations") or []
    if not all(t in tolerations for t in old["spec"].get("tolerations") or ()):
        why = "existing toleration can not be modified except its tolerationSeconds"
        yield forbidden_field("spec.tolerations", why)
    if _fixed_part(new["spec"]) != _fixed_part(old["spec"]):
        why = (
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
            "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
            "(allow it to be set to 1 if it was previously negative)"
        )
        yield forbidden_field("spec", why)


def _fixed_part(spec: Object) -> Object:
    fixed = {k: v for k, v in spec.items() if k not in ("activeDeadlineSeconds", "tolerations")}
    for group in ("containers", "initContainers"):
        fixed[group] = [{**c, "image": ""} for c in spec.get(group) or ()]
    return fixed


# Workloads


def _workload(obj: Object) -> Errors:
    spec = obj.get("spec", {})
    template = spec.get("template", {})
    template_labels = meta.labels(template)
    yield from rules.labels("spec.template.labels", template_labels)
    yield from _pod_spec(template.get("spec", {}), "spec.template.spec.")
    try:
        selector = LabelSelector.from_dict(spec.get("selector"))
    except SelectorError:
        yield invalid_value("spec.selector", spec["selector"], "invalid label selector")
        return
    if selector.empty:
        why = f"empty selector is invalid for {obj['kind'].lower()}"
        yield invalid_value("spec.selector", spec["selector"], why)
    elif not selector.matches(template_labels):
        why = "`selector` does not match template `labels`"
        yield invalid_value("spec.template.metadata.labels", template_labels or None, why)


def _deployment(deployment: Object) -> Errors:
    yield from _workload(deployment)
    spec = deployment.get("spec", {})
    strategy = spec.get("strategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    if strategy.get("type") == "Recreate" and rolling:
        why = "may not be specified when strategy `type` is 'Recreate'"
        yield forbidden_field("spec.strategy.rollingUpdate", why)
    if rolling.get("maxSurge") in (0, "0%") and rolling.get("maxUnavailable") in (0, "0%"):
        path = "spec.strategy.rollingUpdate.maxUnavailable"
        yield invalid_value(path, rolling["maxUnavailable"], "may not be 0 when `maxSurge` is 0")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        why = "must be greater than minReadySeconds"
        yield invalid_value("spec.progressDeadlineSeconds", deadline, why)


# Services


def _service(service: Object) -> Errors:
    spec = service.get("spec", {})
    ports = spec.get("ports") or []
    if spec.get("type") == "ExternalName":
        if not spec.get("externalName"):
            yield required("spec.externalName")
    elif not ports and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    if spec.get("type") in ("NodePort", "LoadBalancer") and spec.get("clusterIP") == "None":
        why = f"may not be set to 'None' for {spec['type']} services"
        yield invalid_value("spec.clusterIPs[0]", "None", why)
    yield from rules.check_unique(service, "spec.ports[].name")
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


_ON_CREATE: dict[str, Callable[[Object], Errors]] = {
    "ConfigMap": _data_size,
    "Deployment": _deployment,
    "Event": _event,
    "Pod": _pod,
    "ReplicaSet": _workload,
    "Secret": _secret,
    "Service": _service,
}

_ON_UPDATE: dict[str, Callable[[Object, Object], Errors]] = {
    "ConfigMap": _immutable_data,
    "Pod": _pod_update,
    "Secret": _immutable_data,
    "Service": _service_update,
}

"""What the API server fills in where an object says nothing.

Source: kubernetes, pkg/apis/*/v1/defaults.go. Defaults belong to types, as there: those of a probe
are filled in wherever a probe stands. Plain ones are rows of data/defaults.txt; what depends on
more than one other field is a function here.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable
from typing import Any

from kube_edu.api import meta, schema, tables
from kube_edu.api.meta import Object, clone
from kube_edu.api.podutil import containers
from kube_edu.api.tables import Row


def set_defaults(obj: Object) -> Object:
    """A copy of an object with every default in place."""
    full: Object = clone(obj)
    _fill(schema.definition_name(full["apiVersion"], full["kind"]), full)
    return full


def _fill(type: str, struct: Object) -> None:
    """Fill in a struct, and then what is inside it."""
    for row, value in _rows(type):
        if row.holds(struct):
            _put(struct, row.field, value)
    computed = _COMPUTED.get(schema.short_name(type))
    if computed is not None:
        computed(struct)
    structs = schema.structs(type)
    for field, part in struct.items():
        if field in structs and field not in ("metadata", "status"):
            for inner in part if isinstance(part, list) else (part,):
                _fill(structs[field], inner)


def _put(struct: Object, path: str, value: Any) -> None:
    """Where nothing is said; a text that is empty says nothing."""
    *way, field = path.split(".")
    for step in way:
        struct = struct.setdefault(step, {})
    if struct.get(field) in (None, ""):
        struct[field] = clone(value)


@functools.cache
def _rows(type: str) -> list[tuple[Row, Any]]:
    """What to fill in, and the value."""
    return [(row, tables.value(row.words[0])) for row in schema.rows("defaults", type)]


# Pods


def _pod(pod: Object) -> None:
    """A pod of its own, as against a template for pods, requests what it is limited to."""
    spec = pod["spec"]
    for container in containers(spec):
        resources = container.get("resources") or {}
        for name, limit in (resources.get("limits") or {}).items():
            resources.setdefault("requests", {}).setdefault(name, limit)
        if spec.get("hostNetwork"):
            for port in container.get("ports") or ():
                port.setdefault("hostPort", port.get("containerPort"))


def _pod_spec(spec: Object) -> None:
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account


def _container(container: Object) -> None:
    container.setdefault("imagePullPolicy", image_pull_policy(container.get("image", "")))


def image_pull_policy(image: str) -> str:
    """An image without a tag, or tagged "latest", may change: always pull it."""
    name, at, _ = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "IfNotPresent" if at or tag not in ("", "latest") else "Always"


def _volume(volume: Object) -> None:
    if len(volume) <= 1:
        volume["emptyDir"] = {}


# Workloads


def _stateful_set(stateful_set: Object) -> None:
    for claim in stateful_set["spec"].get("volumeClaimTemplates") or ():
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")


def _replication_controller(controller: Object) -> None:
    """The oldest of the workloads takes its selector and labels from its template."""
    if labels := meta.labels(controller["spec"]["template"]):
        controller.setdefault("metadata", {}).setdefault("labels", dict(labels))
        controller["spec"].setdefault("selector", dict(labels))


def _job(job: Object) -> None:
    spec = job["spec"]
    if labels := meta.labels(spec["template"]):
        job.setdefault("metadata", {}).setdefault("labels", dict(labels))
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    by_index = spec.get("backoffLimitPerIndex") is not None
    spec.setdefault("backoffLimit", 2**31 - 1 if by_index else 6)
    replaced = "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed"
    spec.setdefault("podReplacementPolicy", replaced)


# The rest


def _service_port(port: Object) -> None:
    if port.get("targetPort") in (None, 0, "") and "port" in port:
        port["targetPort"] = port["port"]


def _namespace(namespace: Object) -> None:
    if name := meta.name(namespace):
        labels = namespace["metadata"].setdefault("labels", {})
        labels.setdefault("kubernetes.io/metadata.name", name)


def _node(node: Object) -> None:
    for name, amount in node["status"].get("capacity", {}).items():
        node["status"].setdefault("allocatable", {}).setdefault(name, amount)


def _secret(secret: Object) -> None:
    """`stringData` is for writing only: it goes into `data`, over what is there."""
    texts = secret.pop("stringData", None) or {}
    if texts:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        secret["data"] = {**secret.get("data", {}), **encoded}


def _limit_range_item(limit: Object) -> None:
    """A container's default limit is the maximum, and its default request the limit or the
    minimum."""
    if limit.get("type") == "Container":
        maximum, minimum = limit.get("max") or {}, limit.get("min") or {}
        limit["default"] = {**maximum, **(limit.get("default") or {})}
        asked = {**minimum, **limit["default"], **(limit.get("defaultRequest") or {})}
        limit["defaultRequest"] = asked


def _network_policy_spec(spec: Object) -> None:
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def _custom_resource_names(names: Object) -> None:
    if kind := names.get("kind"):
        names["singular"] = names.get("singular") or kind.lower()
        names["listKind"] = names.get("listKind") or f"{kind}List"


_COMPUTED: dict[str, Callable[[Object], None]] = {
    "Container": _container,
    "CustomResourceDefinitionNames": _custom_resource_names,
    "EphemeralContainer": _container,
    "Job": _job,
    "LimitRangeItem": _limit_range_item,
    "Namespace": _namespace,
    "NetworkPolicySpec": _network_policy_spec,
    "Node": _node,
    "Pod": _pod,
    "PodSpec": _pod_spec,
    "ReplicationController": _replication_controller,
    "Secret": _secret,
    "ServicePort": _service_port,
    "StatefulSet": _stateful_set,
    "Volume": _volume,
}

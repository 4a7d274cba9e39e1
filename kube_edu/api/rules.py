"""Rules for single fields, as tables: where the field is, and what it has to be.

Source: kubernetes, pkg/apis/core/validation, pkg/apis/apps/validation, pkg/apis/discovery/...
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

from kube_edu.api import names
from kube_edu.api.meta import Object
from kube_edu.api.names import NameCheck
from kube_edu.api.status import FieldError, duplicate, invalid_value, not_supported

Rule = Callable[[str, Any], Iterator[FieldError]]
"""From a field's path and value to what is wrong with it."""


def check(rules: dict[str, Rule], root: Object, prefix: str = "") -> Iterator[FieldError]:
    """Apply a table of rules to the fields that are there. In a row's path, "[]" stands for each
    element of a list: "spec.ports[].port"."""
    for path, rule in rules.items():
        for where, value in values_at(root, path):
            yield from rule(prefix + where, value)


def values_at(root: Any, path: str) -> list[tuple[str, Any]]:
    """Every value that a path leads to, each with its own path: "spec.ports[0].port"."""
    found = [("", root)]
    for name, is_list in _steps(path):
        found = [
            (f"{where}.{name}" if where else name, value[name])
            for where, value in found
            if isinstance(value, dict) and value.get(name) is not None
        ]
        if is_list:
            found = [
                (f"{where}[{i}]", item) for where, items in found for i, item in enumerate(items)
            ]
    return found


def check_unique(root: Object, path: str, prefix: str = "") -> Iterator[FieldError]:
    """No two elements of a list have the same key; `path` ends in "list[].key"."""
    seen = set()
    for where, value in values_at(root, path):
        entry = (where.rpartition("[")[0], value)
        if value and entry in seen:
            yield duplicate(prefix + where, value)
        seen.add(entry)


@functools.cache
def _steps(path: str) -> tuple[tuple[str, bool], ...]:
    return tuple((part.removesuffix("[]"), part.endswith("[]")) for part in path.split("."))


def one_of(*supported: str) -> Rule:
    def rule(path: str, value: Any) -> Iterator[FieldError]:
        if value not in supported:
            yield not_supported(path, value, supported)

    return rule


def between(low: int, high: int) -> Rule:
    def rule(path: str, value: Any) -> Iterator[FieldError]:
        if isinstance(value, int) and not low <= value <= high:
            yield invalid_value(path, value, f"must be between {low} and {high}, inclusive")

    return rule


def at_least(low: int) -> Rule:
    def rule(path: str, value: Any) -> Iterator[FieldError]:
        if value < low:
            why = f"greater than or equal to {low}" if low == 0 else f"greater than {low - 1}"
            yield invalid_value(path, value, f"must be {why}")

    return rule


def named(name_check: NameCheck) -> Rule:
    def rule(path: str, value: Any) -> Iterator[FieldError]:
        for problem in name_check(value):
            yield invalid_value(path, value, problem)

    return rule


def keyed(name_check: NameCheck) -> Rule:
    """A map, each key of which is well-formed."""

    def rule(path: str, value: Any) -> Iterator[FieldError]:
        for key in value:
            for problem in name_check(key):
                yield invalid_value(f"{path}[{key}]", key, problem)

    return rule


def labels(path: str, value: Any) -> Iterator[FieldError]:
    for key, text in value.items():
        for problem in names.qualified_name(key):
            yield invalid_value(path, key, problem)
        for problem in names.label_value(text):
            yield invalid_value(path, text, problem)


def amount(path: str, value: Any) -> Iterator[FieldError]:
    """A number or a percentage, as in a Deployment's maxSurge."""
    if isinstance(value, int):
        yield from NOT_NEGATIVE(path, value)
    elif not re.fullmatch("[0-9]+%", value):
        why = (
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. "
            "'1%',  or '93%', regex used for validation is '[0-9]+%')"
        )
        yield invalid_value(path, value, why)


PORT = between(1, 65535)
PROTOCOL = one_of("SCTP", "TCP", "UDP")
NOT_NEGATIVE = at_least(0)
POSITIVE = at_least(1)
EFFECTS = one_of("NoSchedule", "PreferNoSchedule", "NoExecute")

# Names that are not DNS subdomains.
NAME_CHECKS: dict[str, NameCheck] = {
    "ClusterRole": names.path_segment,
    "ClusterRoleBinding": names.path_segment,
    "Namespace": names.dns1123_label,
    "Role": names.path_segment,
    "RoleBinding": names.path_segment,
    "Service": names.dns1035_label,
}

POD_SPEC: dict[str, Rule] = {
    "activeDeadlineSeconds": between(1, 2**31 - 1),
    "dnsPolicy": one_of("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"),
    "nodeSelector": labels,
    "priorityClassName": named(names.dns1123_subdomain),
    "restartPolicy": one_of("Always", "OnFailure", "Never"),
    "serviceAccountName": named(names.dns1123_subdomain),
    "terminationGracePeriodSeconds": NOT_NEGATIVE,
    "tolerations[].effect": one_of("NoSchedule", "PreferNoSchedule", "NoExecute", ""),
    "tolerations[].operator": one_of("Equal", "Exists"),
    "volumes[].name": named(names.dns1123_label),
}

CONTAINER: dict[str, Rule] = {
    "env[].name": named(names.env_var_name),
    "imagePullPolicy": one_of("Always", "IfNotPresent", "Never"),
    "name": named(names.dns1123_label),
    "ports[].containerPort": PORT,
    "ports[].hostPort": between(0, 65535),
    "ports[].name": named(names.port_name),
    "ports[].protocol": PROTOCOL,
    "terminationMessagePolicy": one_of("File", "FallbackToLogsOnError"),
    **{
        f"{probe}.{field}": rule
        for probe in ("livenessProbe", "readinessProbe", "startupProbe")
        for field, rule in {
            "failureThreshold": NOT_NEGATIVE,
            "httpGet.port": PORT,
            "httpGet.scheme": one_of("HTTP", "HTTPS"),
            "initialDelaySeconds": NOT_NEGATIVE,
            "periodSeconds": NOT_NEGATIVE,
            "successThreshold": NOT_NEGATIVE,
            "tcpSocket.port": PORT,
            "timeoutSeconds": NOT_NEGATIVE,
        }.items()
    },
}

_REPLICATED: dict[str, Rule] = {
    "spec.minReadySeconds": NOT_NEGATIVE,
    "spec.replicas": NOT_NEGATIVE,
    "spec.template.spec.restartPolicy": one_of("Always"),
}

KINDS: dict[str, dict[str, Rule]] = {
    "ConfigMap": {
        "binaryData": keyed(names.config_map_key),
        "data": keyed(names.config_map_key),
    },
    "Deployment": {
        **_REPLICATED,
        "spec.revisionHistoryLimit": NOT_NEGATIVE,
        "spec.progressDeadlineSeconds": NOT_NEGATIVE,
        "spec.strategy.rollingUpdate.maxSurge": amount,
        "spec.strategy.rollingUpdate.maxUnavailable": amount,
        "spec.strategy.type": one_of("Recreate", "RollingUpdate"),
    },
    "EndpointSlice": {
        "addressType": one_of("FQDN", "IPv4", "IPv6"),
        "ports[].port": PORT,
        "ports[].protocol": PROTOCOL,
    },
    "Endpoints": {
        "subsets[].ports[].port": PORT,
        "subsets[].ports[].protocol": PROTOCOL,
    },
    "Lease": {
        "spec.leaseDurationSeconds": POSITIVE,
        "spec.leaseTransitions": NOT_NEGATIVE,
    },
    "Node": {"spec.taints[].effect": EFFECTS, "spec.taints[].key": named(names.qualified_name)},
    "ReplicaSet": _REPLICATED,
    "Secret": {"data": keyed(names.config_map_key)},
    "Service": {
        "spec.externalTrafficPolicy": one_of("Cluster", "Local"),
        "spec.internalTrafficPolicy": one_of("Cluster", "Local"),
        "spec.ipFamilyPolicy": one_of("SingleStack", "PreferDualStack", "RequireDualStack"),
        "spec.ports[].name": named(names.dns1123_label),
        "spec.ports[].nodePort": between(0, 65535),
        "spec.ports[].port": PORT,
        "spec.ports[].protocol": PROTOCOL,
        "spec.ports[].targetPort": PORT,
        "spec.selector": labels,
        "spec.sessionAffinity": one_of("ClientIP", "None"),
        "spec.type": one_of("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"),
    },
}

# Fields that may never change.
IMMUTABLE: dict[str, tuple[str, ...]] = {
    "Deployment": ("spec.selector",),
    "EndpointSlice": ("addressType",),
    "ReplicaSet": ("spec.selector",),
    "Secret": ("type",),
}

"""Rules for single fields, as tables: where the field is, and what it has to be.

Source: kubernetes, pkg/apis/core/validation, pkg/apis/apps/validation, pkg/apis/discovery/...
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from kube_edu.api import names
from kube_edu.api.meta import Object
from kube_edu.api.names import NameCheck
from kube_edu.api.selectors import LabelSelector, SelectorError
from kube_edu.api.status import FieldError, duplicate, invalid_value, not_supported

Errors = Iterator[FieldError]

Rule = Callable[[str, Any], Errors]
"""From a field's path and value to what is wrong with it."""


def check(rules: dict[str, Rule], root: Object, prefix: str = "") -> Errors:
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


def check_unique(root: Object, path: str, prefix: str = "") -> Errors:
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
    def rule(path: str, value: Any) -> Errors:
        if value not in supported:
            yield not_supported(path, value, supported)

    return rule


def between(low: int, high: int) -> Rule:
    def rule(path: str, value: Any) -> Errors:
        if isinstance(value, int) and not low <= value <= high:
            yield invalid_value(path, value, f"must be between {low} and {high}, inclusive")

    return rule


def at_least(low: int) -> Rule:
    def rule(path: str, value: Any) -> Errors:
        if value < low:
            why = f"greater than or equal to {low}" if low == 0 else f"greater than {low - 1}"
            yield invalid_value(path, value, f"must be {why}")

    return rule


def named(name_check: NameCheck) -> Rule:
    def rule(path: str, value: Any) -> Errors:
        for problem in name_check(value):
            yield invalid_value(path, value, problem)

    return rule


def keyed(name_check: NameCheck) -> Rule:
    """A map, each key of which is well-formed."""

    def rule(path: str, value: Any) -> Errors:
        for key in value:
            for problem in name_check(key):
                yield invalid_value(f"{path}[{key}]", key, problem)

    return rule


def labels(path: str, value: Any) -> Errors:
    for key, text in value.items():
        for problem in names.qualified_name(key):
            yield invalid_value(path, key, problem)
        for problem in names.label_value(text):
            yield invalid_value(path, text, problem)


def selector(path: str, value: Any) -> Errors:
    try:
        LabelSelector.from_dict(value)
    except SelectorError as problem:
        yield invalid_value(path, value, str(problem))


def amount(path: str, value: Any) -> Errors:
    """A number or a percentage, as in a Deployment's maxSurge."""
    if isinstance(value, int):
        yield from NOT_NEGATIVE(path, value)
    else:
        yield from named(names.percent)(path, value)


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
            "httpGet.httpHeaders[].name": named(names.http_header),
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
    "spec.revisionHistoryLimit": NOT_NEGATIVE,
    "spec.template.spec.restartPolicy": one_of("Always"),
}
_JOB: dict[str, Rule] = {
    "activeDeadlineSeconds": NOT_NEGATIVE,
    "backoffLimit": NOT_NEGATIVE,
    "completionMode": one_of("Indexed", "NonIndexed"),
    "completions": NOT_NEGATIVE,
    "parallelism": NOT_NEGATIVE,
    "podReplacementPolicy": one_of("Failed", "TerminatingOrFailed"),
    "ttlSecondsAfterFinished": NOT_NEGATIVE,
}
_ACCESS = one_of("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_VOLUME_MODE = one_of("Block", "Filesystem")
_KEPT = one_of("Delete", "Retain")
_POLICY_TYPES = one_of("Egress", "Ingress")
_RBAC = one_of("rbac.authorization.k8s.io")
_SUBJECT = one_of("Group", "ServiceAccount", "User")
_WEBHOOK: dict[str, Rule] = {
    "webhooks[].failurePolicy": one_of("Fail", "Ignore"),
    "webhooks[].matchPolicy": one_of("Equivalent", "Exact"),
    "webhooks[].sideEffects": one_of("None", "NoneOnDryRun"),
    "webhooks[].timeoutSeconds": between(1, 30),
}

KINDS: dict[str, dict[str, Rule]] = {
    "CSIDriver": {
        "spec.fsGroupPolicy": one_of("File", "None", "ReadWriteOnceWithFSType"),
    },
    "CertificateSigningRequest": {"spec.expirationSeconds": at_least(600)},
    "ClusterRoleBinding": {
        "roleRef.apiGroup": _RBAC,
        "roleRef.kind": one_of("ClusterRole"),
        "subjects[].kind": _SUBJECT,
    },
    "ConfigMap": {
        "binaryData": keyed(names.config_map_key),
        "data": keyed(names.config_map_key),
    },
    "CronJob": {
        "spec.concurrencyPolicy": one_of("Allow", "Forbid", "Replace"),
        "spec.failedJobsHistoryLimit": NOT_NEGATIVE,
        "spec.startingDeadlineSeconds": NOT_NEGATIVE,
        "spec.successfulJobsHistoryLimit": NOT_NEGATIVE,
        **{f"spec.jobTemplate.spec.{field}": rule for field, rule in _JOB.items()},
    },
    "CustomResourceDefinition": {"spec.scope": one_of("Cluster", "Namespaced")},
    "DaemonSet": {
        **_REPLICATED,
        "spec.updateStrategy.rollingUpdate.maxSurge": amount,
        "spec.updateStrategy.rollingUpdate.maxUnavailable": amount,
        "spec.updateStrategy.type": one_of("OnDelete", "RollingUpdate"),
    },
    "Deployment": {
        **_REPLICATED,
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
    "HorizontalPodAutoscaler": {"spec.maxReplicas": POSITIVE, "spec.minReplicas": POSITIVE},
    "Ingress": {
        "spec.rules[].host": named(names.host),
        "spec.rules[].http.paths[].pathType": one_of("Exact", "ImplementationSpecific", "Prefix"),
    },
    "Job": {f"spec.{field}": rule for field, rule in _JOB.items()},
    "Lease": {
        "spec.leaseDurationSeconds": POSITIVE,
        "spec.leaseTransitions": NOT_NEGATIVE,
    },
    "MutatingWebhookConfiguration": {
        **_WEBHOOK,
        "webhooks[].reinvocationPolicy": one_of("IfNeeded", "Never"),
    },
    "NetworkPolicy": {
        "spec.egress[].ports[].protocol": PROTOCOL,
        "spec.ingress[].ports[].protocol": PROTOCOL,
        "spec.podSelector": selector,
        "spec.policyTypes[]": _POLICY_TYPES,
    },
    "Node": {"spec.taints[].effect": EFFECTS, "spec.taints[].key": named(names.qualified_name)},
    "PersistentVolume": {
        "spec.accessModes[]": _ACCESS,
        "spec.persistentVolumeReclaimPolicy": one_of("Delete", "Recycle", "Retain"),
        "spec.volumeMode": _VOLUME_MODE,
    },
    "PersistentVolumeClaim": {
        "spec.accessModes[]": _ACCESS,
        "spec.volumeMode": _VOLUME_MODE,
    },
    "PodDisruptionBudget": {
        "spec.maxUnavailable": amount,
        "spec.minAvailable": amount,
        "spec.selector": selector,
        "spec.unhealthyPodEvictionPolicy": one_of("AlwaysAllow", "IfHealthyBudget"),
    },
    "PriorityClass": {"preemptionPolicy": one_of("Never", "PreemptLowerPriority")},
    "ReplicaSet": _REPLICATED,
    "ReplicationController": _REPLICATED,
    "RoleBinding": {
        "roleRef.apiGroup": _RBAC,
        "roleRef.kind": one_of("ClusterRole", "Role"),
        "subjects[].kind": _SUBJECT,
    },
    "RuntimeClass": {"handler": named(names.dns1123_label)},
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
    "StatefulSet": {
        **_REPLICATED,
        "spec.ordinals.start": NOT_NEGATIVE,
        "spec.persistentVolumeClaimRetentionPolicy.whenDeleted": _KEPT,
        "spec.persistentVolumeClaimRetentionPolicy.whenScaled": _KEPT,
        "spec.podManagementPolicy": one_of("OrderedReady", "Parallel"),
        "spec.updateStrategy.rollingUpdate.partition": NOT_NEGATIVE,
        "spec.updateStrategy.type": one_of("OnDelete", "RollingUpdate"),
    },
    "StorageClass": {
        "reclaimPolicy": _KEPT,
        "volumeBindingMode": one_of("Immediate", "WaitForFirstConsumer"),
    },
    "ValidatingWebhookConfiguration": _WEBHOOK,
}

# Fields that may never change.
IMMUTABLE: dict[str, tuple[str, ...]] = {
    "CSIDriver": ("spec.attachRequired", "spec.fsGroupPolicy", "spec.volumeLifecycleModes"),
    "ControllerRevision": ("data",),
    "CustomResourceDefinition": ("spec.group", "spec.names.plural", "spec.scope"),
    "DaemonSet": ("spec.selector",),
    "Deployment": ("spec.selector",),
    "EndpointSlice": ("addressType",),
    "IPAddress": ("spec.parentRef",),
    "IngressClass": ("spec.controller",),
    "Job": ("spec.completionMode", "spec.managedBy", "spec.podFailurePolicy", "spec.selector"),
    "ReplicaSet": ("spec.selector",),
    "RuntimeClass": ("handler",),
    "Secret": ("type",),
    "ServiceCIDR": ("spec.cidrs",),
    "StorageClass": ("reclaimPolicy", "volumeBindingMode"),
    "VolumeAttachment": ("spec",),
}

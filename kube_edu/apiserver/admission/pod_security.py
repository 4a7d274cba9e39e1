"""PodSecurity: a namespace's labels say how much its pods may do to their node.

`pod-security.kubernetes.io/enforce` refuses pods, `audit` notes and `warn` tells what would be
refused, each by one of the levels of the Pod Security Standards (KEP-2579;
k8s.io/pod-security-admission/admission/admission.go). What makes pods is only warned about.
"""

from __future__ import annotations

import re

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.status import FieldError, invalid, invalid_value
from kube_edu.apiserver.admission import Attributes, Cluster
from kube_edu.apiserver.admission.pod_security_checks import violations

PREFIX = "pod-security.kubernetes.io/"
LEVELS = ("privileged", "baseline", "restricted")
MODES = ("enforce", "audit", "warn")
_VERSION = re.compile(r"latest|v1\.(0|[1-9][0-9]*)")

_TEMPLATES = ("daemonsets", "deployments", "jobs", "replicasets", "replicationcontrollers",
              "statefulsets", "podtemplates", "cronjobs")  # fmt: skip


async def pod_security(attributes: Attributes, cluster: Cluster) -> None:
    a = attributes
    if a.is_about("namespaces", "create", "update"):
        _check_labels(a)
        await _warn_of_pods_there(a, cluster)
        return
    is_pod = a.resource.plural == "pods" and a.subresource in ("", "ephemeralcontainers")
    if a.verb not in ("create", "update") or not (is_pod or a.resource.plural in _TEMPLATES):
        return
    if a.subresource and not is_pod:
        return
    pod = a.object if is_pod else _template(a.object)
    if pod is None or (a.old is not None and _same(pod, a.old if is_pod else _template(a.old))):
        return
    namespace = await cluster.find("namespaces", "", a.namespace)
    policy = meta.labels(namespace or {})
    if is_pod:
        level, version = _level(policy, "enforce")
        a.annotations[f"{PREFIX}enforce-policy"] = f"{level}:{version}"
    if is_pod and (found := _judged(policy, "enforce", pod)):
        raise a.refused(f"violates {found}")
    if found := _judged(policy, "audit", pod):
        a.annotations[f"{PREFIX}audit-violations"] = f"would violate {found}"
    if found := _judged(policy, "warn", pod):
        a.warnings.append(f"would violate {found}")


def _judged(policy: dict[str, str], mode: str, pod: Object) -> str:
    """What a pod does that the level of a mode forbids; "" where there is nothing."""
    level, version = _level(policy, mode)
    found = violations(pod, level)
    return f'PodSecurity "{level}:{version}": {", ".join(found)}' if found else ""


def _level(policy: dict[str, str], mode: str) -> tuple[str, str]:
    """And the version of Kubernetes by whose rules, which here are always the newest."""
    level = policy.get(PREFIX + mode, "privileged")
    version = policy.get(f"{PREFIX}{mode}-version", "latest")
    return level if level in LEVELS else "restricted", version


def _same(pod: Object, old: Object | None) -> bool:
    """A change of nothing that is judged passes: the pod is there already."""
    return old is not None and pod["spec"] == old["spec"]


def _template(workload: Object) -> Object | None:
    """What a workload makes its pods from."""
    if workload["kind"] == "PodTemplate":
        found: Object | None = workload.get("template")
        return found
    spec = workload.get("spec") or {}
    spec = (spec.get("jobTemplate") or {}).get("spec") or spec
    return spec.get("template")


def _check_labels(a: Attributes) -> None:
    problems: list[FieldError] = []
    for mode in MODES:
        level = meta.labels(a.object).get(PREFIX + mode)
        if level is not None and level not in LEVELS:
            why = f"must be one of {', '.join(LEVELS)}"
            problems.append(invalid_value(f"metadata.labels[{PREFIX}{mode}]", level, why))
        label = f"{PREFIX}{mode}-version"
        version = meta.labels(a.object).get(label, "latest")
        if not _VERSION.fullmatch(version):
            why = 'must be "latest" or "v1.x"'
            problems.append(invalid_value(f"metadata.labels[{label}]", version, why))
    if problems:
        raise invalid(a.object, problems)


async def _warn_of_pods_there(a: Attributes, cluster: Cluster) -> None:
    """A stricter namespace does not stop pods that run, but somebody should know."""
    policy = meta.labels(a.object)
    level = policy.get(f"{PREFIX}enforce", "privileged")
    if a.old is None or level == meta.labels(a.old).get(f"{PREFIX}enforce", "privileged"):
        return
    pods: dict[str, list[str]] = {}
    for pod in (await cluster.client.list("pods", a.name))["items"]:
        if found := violations(pod, level):
            reasons = ", ".join(violation.partition(" (")[0] for violation in found)
            pods.setdefault(reasons, []).append(meta.name(pod))
    if not pods:
        return
    version = policy.get(f"{PREFIX}enforce-version", "latest")
    a.warnings.append(
        f'existing pods in namespace "{a.name}" violate the new PodSecurity enforce level '
        f'"{level}:{version}"'
    )
    for reasons, names in sorted(pods.items()):
        others = len(names) - 1
        more = f" (and {others} other pod{'s' if others > 1 else ''})" if others else ""
        a.warnings.append(f"{min(names)}{more}: {reasons}")

"""LimitRanger: in a namespace with LimitRanges, containers get the default requests and limits,
and nothing may be smaller or larger than they say
(kubernetes, plugin/pkg/admission/limitranger/admission.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from kube_edu.api import quantity
from kube_edu.api.meta import Object
from kube_edu.api.podutil import containers
from kube_edu.api.quota import pod_resources
from kube_edu.apiserver.admission import Attributes, Cluster

ANNOTATION = "kubernetes.io/limit-ranger"


async def limit_ranger_defaults(attributes: Attributes, cluster: Cluster) -> None:
    if not attributes.is_about("pods", "create"):
        return
    pod = attributes.object
    done = []
    for limit in _limits(attributes, cluster, "Container"):
        for container in containers(pod["spec"]):
            resources = container.setdefault("resources", {})
            for part, field in (("requests", "defaultRequest"), ("limits", "default")):
                if filled := _fill(resources, part, limit.get(field) or {}):
                    done.append(f"{', '.join(filled)} {part[:-1]} for {_called(pod, container)}")
    if done:
        metadata = pod["metadata"]
        note = {ANNOTATION: f"LimitRanger plugin set: {'; '.join(done)}"}
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **note}


async def limit_ranger(attributes: Attributes, cluster: Cluster) -> None:
    a = attributes
    problems: list[str] = []
    resized = a.resource.plural == "pods" and a.subresource == "resize"
    if a.is_about("pods", "create") or resized:
        spec = a.object["spec"]
        for limit in _limits(a, cluster, "Container"):
            for container in containers(spec):
                problems += _violations(limit, container.get("resources") or {})
        for limit in _limits(a, cluster, "Pod"):
            problems += _violations(limit, _sum(spec))
    if a.is_about("persistentvolumeclaims", "create", "update"):
        requests = (a.object["spec"].get("resources") or {}).get("requests") or {}
        for limit in _limits(a, cluster, "PersistentVolumeClaim"):
            problems += _violations(limit, {"requests": requests, "limits": requests})
    if problems:
        raise a.refused(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")


def _limits(a: Attributes, cluster: Cluster, kind: str) -> Iterator[Object]:
    for limit_range in cluster.list("limitranges", a.namespace):
        for limit in limit_range["spec"]["limits"]:
            if limit["type"] == kind:
                yield limit


def _fill(resources: Object, part: str, defaults: Object) -> list[str]:
    """Set what is not set; the names of what was."""
    there = resources.get(part) or {}
    missing = {name: amount for name, amount in defaults.items() if name not in there}
    if missing:
        resources[part] = {**there, **missing}
    return sorted(missing)


def _called(pod: Object, container: Object) -> str:
    is_init = container in (pod["spec"].get("initContainers") or ())
    return f"{'init ' if is_init else ''}container {container['name']}"


def _violations(limit: Object, resources: Object) -> Iterator[str]:
    """What is wrong with the requests and limits of something."""
    kind = limit["type"]
    amounts = {what: _parsed(resources.get(f"{what}s")) for what in ("request", "limit")}
    upper = ("request",) if kind == "PersistentVolumeClaim" else ("limit", "request")
    for field, word, whats, sign in (
        ("min", "minimum", ("request", "limit"), 1),
        ("max", "maximum", upper, -1),
    ):
        for name, bound in (limit.get(field) or {}).items():
            text = f"{word} {name} usage per {kind} is {bound}"
            if name not in amounts[whats[0]]:
                yield f"{text}.  No {whats[0]} is specified"
                continue
            for what in whats:
                amount = amounts[what].get(name)
                if amount is not None and (amount - quantity.parse(bound)) * sign < 0:
                    yield f"{text}, but {what} is {resources[f'{what}s'][name]}"
                    break
    for name, most in (limit.get("maxLimitRequestRatio") or {}).items():
        text = f"{name} max limit to request ratio per {kind} is {most}"
        request, upper_limit = amounts["request"].get(name), amounts["limit"].get(name)
        if not request:
            yield f"{text}, but no request is specified or request is 0"
        elif not upper_limit:
            yield f"{text}, but no limit is specified or limit is 0"
        elif upper_limit / request > quantity.parse(most):
            yield f"{text}, but provided ratio is {upper_limit / request:.6f}"


def _parsed(amounts: Object | None) -> dict[str, Decimal]:
    return {name: quantity.parse(amount) for name, amount in (amounts or {}).items()}


def _sum(spec: Object) -> Object:
    """What a pod as a whole requests and is limited to."""
    return {
        part: {name: quantity.format(amount) for name, amount in pod_resources(spec, part).items()}
        for part in ("requests", "limits")
    }

"""Admission: the last word on a change, after who may do it and before whether it is valid.

A plug-in gets the attributes of a request and may change the draft in `attributes.object`
or refuse by raising ApiError. The chain is a list; those here are the ones without which objects
would be wrong (kubernetes, plugin/pkg/admission).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from kube_edu.api.meta import Object
from kube_edu.api.resources import Resource, by_plural
from kube_edu.api.status import forbidden, not_found
from kube_edu.apiserver.call import User

Lookup = Callable[[str, str, str], Awaitable[Object | None]]
"""`await lookup("namespaces", "", "default")`: an object of the cluster, or None."""


@dataclass(slots=True)
class Attributes:
    """One change that asks to be admitted."""

    verb: str
    """"create", "update" or "delete"."""
    resource: Resource
    namespace: str
    name: str
    object: Object
    """The draft, for the plug-ins to change; for a delete, the object as it stands."""
    user: User
    subresource: str = ""


Plugin = Callable[[Attributes, Lookup], Awaitable[None]]

_IMMORTAL = ("default", "kube-system", "kube-public")


async def namespace_lifecycle(attributes: Attributes, lookup: Lookup) -> None:
    """Nothing is created in a namespace that is missing or on its way out."""
    a = attributes
    if a.verb == "delete" and a.resource.plural == "namespaces" and a.name in _IMMORTAL:
        raise forbidden(a.resource, a.name, "this namespace may not be deleted")
    if a.verb != "create" or not a.resource.namespaced:
        return
    namespace = await lookup("namespaces", "", a.namespace)
    if namespace is None:
        raise not_found(by_plural("namespaces"), a.namespace)
    if namespace["status"].get("phase") != "Terminating":
        return
    why = f"unable to create new content in namespace {a.namespace} because it is being terminated"
    refusal = forbidden(a.resource, a.name, why)
    refusal.status["details"]["causes"] = [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {a.namespace} is being terminated",
            "field": "metadata.namespace",
        }
    ]
    raise refusal


async def service_account(attributes: Attributes, lookup: Lookup) -> None:
    """Every pod runs as some account: "default", if it names none."""
    if _is_new_pod(attributes):
        spec = attributes.object["spec"]
        name = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name


async def priority(attributes: Attributes, lookup: Lookup) -> None:
    """A pod's priority class, resolved to the number that the scheduler compares."""
    if not _is_new_pod(attributes):
        return
    spec = attributes.object["spec"]
    class_name = spec.get("priorityClassName", "")
    if class_name and class_name not in _PRIORITIES:
        why = f"no PriorityClass with name {class_name} was found"
        raise forbidden(attributes.resource, attributes.name, why)
    spec["priority"] = _PRIORITIES.get(class_name, 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")


_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


async def default_toleration_seconds(attributes: Attributes, lookup: Lookup) -> None:
    """A pod stays 300 s on a node that is not ready or unreachable, unless it says otherwise."""
    if not _is_new_pod(attributes):
        return
    spec = attributes.object["spec"]
    tolerations = list(spec.get("tolerations") or ())
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(
            toleration.get("key", "") in ("", key)
            and toleration.get("effect", "") in ("", "NoExecute")
            for toleration in tolerations
        ):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            )
    spec["tolerations"] = tolerations


def _is_new_pod(attributes: Attributes) -> bool:
    a = attributes
    return a.verb == "create" and a.resource.plural == "pods" and not a.subresource


PLUGINS: Sequence[Plugin] = (
    namespace_lifecycle,
    service_account,
    priority,
    default_toleration_seconds,
)

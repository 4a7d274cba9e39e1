"""NamespaceLifecycle: nothing new in a namespace that is missing or on its way out
(apiserver, pkg/admission/plugin/namespace/lifecycle)."""

from __future__ import annotations

from kube_edu.api.resources import by_plural
from kube_edu.api.status import not_found
from kube_edu.apiserver.admission import Attributes, Cluster

IMMORTAL = ("default", "kube-system", "kube-public")


async def namespace_lifecycle(attributes: Attributes, cluster: Cluster) -> None:
    a = attributes
    if a.is_about("namespaces", "delete") and a.name in IMMORTAL:
        raise a.refused("this namespace may not be deleted")
    creates = a.verb == "create" or a.subresource in ("binding", "eviction")  # they are posted
    if not creates or not a.resource.namespaced:
        return
    namespace = await cluster.find("namespaces", "", a.namespace)
    if namespace is None:
        raise not_found(by_plural("namespaces"), a.namespace)
    if namespace["status"].get("phase") != "Terminating":
        return
    refusal = a.refused(
        f"unable to create new content in namespace {a.namespace} because it is being terminated"
    )
    refusal.status["details"]["causes"] = [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {a.namespace} is being terminated",
            "field": "metadata.namespace",
        }
    ]
    raise refusal

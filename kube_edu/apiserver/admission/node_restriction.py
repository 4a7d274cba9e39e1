"""NodeRestriction: a kubelet changes its own node and the pods bound to it, and nothing else
(kubernetes, plugin/pkg/admission/noderestriction/admission.go)."""

from __future__ import annotations

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.apiserver.admission import Attributes, Cluster
from kube_edu.apiserver.admission.service_account import MIRROR
from kube_edu.apiserver.authorization.node import node_of, uses

_OWN_LABELS = (
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
)
_OWN_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")

_PLURALS = {
    "secrets": "secrets",
    "configmaps": "configmaps",
    "persistentvolumeclaims": "persistentvolumeclaims",
    "serviceaccounts": "a service account",
}


async def node_restriction(attributes: Attributes, cluster: Cluster) -> None:
    node = node_of(attributes.user)
    if not node:
        return
    match attributes.resource.plural:
        case "pods":
            _check_pod(attributes, node)
        case "nodes":
            _check_node(attributes, node)
        case "serviceaccounts" if attributes.subresource == "token":
            await _check_token(attributes, node, cluster)
        case "leases" | "csinodes":
            if attributes.name != node:
                what = {"leases": "node lease", "csinodes": "CSINode"}[attributes.resource.plural]
                raise attributes.refused(
                    f"can only access {what} with the same name as the requesting node"
                )


def _check_pod(a: Attributes, node: str) -> None:
    pod = a.old or a.object
    own = pod["spec"].get("nodeName") == node
    if a.verb == "create":
        _check_mirror_pod(a, node, own)
    elif a.verb == "delete" and not own:
        what = "evict" if a.subresource == "eviction" else "delete"
        raise a.refused(f'node "{node}" can only {what} pods with spec.nodeName set to itself')
    elif a.verb == "update":
        if a.subresource != "status":
            raise a.refused(f'unexpected subresource "{a.subresource}"')
        if not own:
            raise a.refused(
                f'node "{node}" can only update pod status for pods with spec.nodeName set to '
                "itself"
            )
        if meta.labels(pod) != meta.labels(a.object):
            raise a.refused(f'node "{node}" cannot update labels through pod status')


def _check_mirror_pod(a: Attributes, node: str, own: bool) -> None:
    pod = a.object
    if MIRROR not in meta.annotations(pod):
        raise a.refused(
            f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
        )
    if not own:
        raise a.refused(f'node "{node}" can only create pods with spec.nodeName set to itself')
    unmarked = {**pod, "metadata": {**pod["metadata"], "annotations": {}}}
    for resource, _ in uses(unmarked):
        what = _PLURALS[resource]
        raise a.refused(f'node "{node}" can not create pods that reference {what}')


def _check_node(a: Attributes, node: str) -> None:
    if a.name != node:
        raise a.refused(f'node "{node}" is not allowed to modify node "{a.name}"')
    before, after = meta.labels(a.old or {}), meta.labels(a.object)
    changed = {
        label
        for label in [*before, *after]
        if before.get(label) != after.get(label) and not _may_set(label)
    }
    if changed:
        done = "set the following labels" if a.verb == "create" else "modify labels"
        listed = ", ".join(sorted(changed))
        raise a.refused(f'node "{node}" is not allowed to {done}: {listed}')
    if a.verb == "update":
        assert a.old is not None
        if _taints(a.old) != _taints(a.object):
            raise a.refused(f'node "{node}" is not allowed to modify taints')


def _taints(node: Object) -> object:
    return (node.get("spec") or {}).get("taints") or []


def _may_set(label: str) -> bool:
    """Labels of others, and of Kubernetes those that are a kubelet's to know."""
    domain = label.rpartition("/")[0]
    if domain == "node-restriction.kubernetes.io" or domain.endswith(
        ".node-restriction.kubernetes.io"
    ):
        return False
    of_kubernetes = any(
        domain == suffix or domain.endswith(f".{suffix}") for suffix in ("kubernetes.io", "k8s.io")
    )
    own = any(domain == d or domain.endswith(f".{d}") for d in _OWN_DOMAINS)
    return not of_kubernetes or own or label in _OWN_LABELS


async def _check_token(a: Attributes, node: str, cluster: Cluster) -> None:
    """A kubelet asks for tokens of the pods that it runs."""
    bound = (a.object.get("spec") or {}).get("boundObjectRef") or {}
    if bound.get("kind") != "Pod" or bound.get("apiVersion", "v1") != "v1":
        raise a.refused("node requested token not bound to a pod")
    if not bound.get("uid"):
        raise a.refused("node requested token with a pod binding without a uid")
    pod = await cluster.find("pods", a.namespace, bound.get("name", ""))
    if pod is None or meta.uid(pod) != bound["uid"]:
        raise a.refused(f"the UID in the bound object reference ({bound['uid']}) does not match")
    if pod["spec"].get("nodeName") != node:
        raise a.refused("node requested token bound to a pod scheduled on a different node")

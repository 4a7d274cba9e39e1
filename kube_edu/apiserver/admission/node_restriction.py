"""NodeRestriction: a kubelet changes its own node and the pods bound to it, and nothing else
(kubernetes, plugin/pkg/admission/noderestriction/admission.go)."""

from __future__ import annotations

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.apiserver.admission import Attributes, Cluster
from kube_edu.apiserver.admission.service_account import MIRROR
from kube_edu.apiserver.authorization import Access
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


async def node_restriction(attributes: Attributes, cluster: Cluster) -> None:
    node = node_of(attributes.user)
    if not node:
        return
    match attributes.resource.plural:
        case "pods":
            await _check_pod(attributes, node, cluster)
        case "persistentvolumeclaims":
            _check_claim(attributes, node)
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


async def _check_pod(a: Attributes, node: str, cluster: Cluster) -> None:
    pod = a.old or a.object
    own = pod["spec"].get("nodeName") == node
    if a.verb == "create":
        _check_mirror_pod(a, node, own)
        await _check_owner(a, node, cluster)
    elif a.verb == "delete" and not own:
        what = "evict" if a.subresource == "eviction" else "delete"
        raise a.refused(f'node "{node}" can only {what} pods with spec.nodeName set to itself')
    elif a.verb == "update":
        if not a.subresource:
            raise a.refused(
                f'unexpected operation "UPDATE", node "{node}" can only create and delete mirror '
                "pods"
            )
        if a.subresource != "status":
            raise a.refused(
                f"unexpected pod subresource \"{a.subresource}\", only 'status' and 'eviction' "
                "are allowed"
            )
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
        what = "a service account" if resource == "serviceaccounts" else resource
        raise a.refused(f'node "{node}" can not create pods that reference {what}')


async def _check_owner(a: Attributes, node: str, cluster: Cluster) -> None:
    """A mirror pod goes with its node, and keeps nothing else from going."""
    owners = meta.owners(a.object)
    if len(owners) > 1:
        raise a.refused(
            f'node "{node}" can only create pods with a single owner reference set to itself'
        )
    identity = [(owner["apiVersion"], owner["kind"], owner["name"]) for owner in owners]
    if identity != [("v1", "Node", node)]:
        raise a.refused(f'node "{node}" can only create pods with an owner reference set to itself')
    if not owners[0].get("controller"):
        raise a.refused(
            f'node "{node}" can only create pods with a controller owner reference set to itself'
        )
    if owners[0].get("blockOwnerDeletion"):
        raise a.refused(f'node "{node}" must not set blockOwnerDeletion on an owner reference')
    found = await cluster.find("nodes", "", node)
    if found is None or meta.uid(found) != owners[0]["uid"]:
        got = "none" if found is None else meta.uid(found)
        raise a.refused(f"node {node} UID mismatch: expected {owners[0]['uid']} got {got}")


_OF_CLAIM = ("allocatedResourceStatuses", "allocatedResources", "capacity", "conditions")


def _check_claim(a: Attributes, node: str) -> None:
    """What a kubelet has to tell of a claim is how large its volume has become."""
    if a.subresource != "status":
        raise a.refused("may only update PVC status")
    if _but_size(a.old or {}) != _but_size(a.object):
        raise a.refused(
            f'node "{node}" is not allowed to update fields other than status.capacity and '
            "status.conditions"
        )


def _but_size(claim: Object) -> Object:
    status = {k: v for k, v in (claim.get("status") or {}).items() if k not in _OF_CLAIM}
    return {**claim, "status": status}


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
        listed = ", ".join(sorted(changed))
        if a.verb == "create":
            raise a.refused(f'node "{node}" is not allowed to set the following labels: {listed}')
        raise a.refused(f"is not allowed to modify labels: {listed}")
    if a.verb == "update":
        assert a.old is not None
        if _taints(a.old) != _taints(a.object):
            raise a.refused(f'node "{node}" is not allowed to modify taints')
        if meta.owners(a.old) != meta.owners(a.object):  # it would be collected with its owner
            raise a.refused(f'node "{node}" is not allowed to modify ownerReferences')


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
    if (bound.get("apiVersion"), bound.get("kind")) != ("v1", "Pod"):
        raise a.refused("node requested token not bound to a pod")
    if not bound.get("uid"):
        raise a.refused("node requested token with a pod binding without a uid")
    pod = await cluster.find("pods", a.namespace, bound.get("name", ""))
    if pod is None or meta.uid(pod) != bound["uid"]:
        raise a.refused(
            f"the UID in the bound object reference ({bound['uid']}) does not match the UID in "
            "record. The object might have been deleted and then recreated"
        )
    if pod["spec"].get("nodeName") != node:
        raise a.refused("node requested token bound to a pod scheduled on a different node")
    await _check_audience(a, pod, cluster)


async def _check_audience(a: Attributes, pod: Object, cluster: Cluster) -> None:
    """For whom the pod wants tokens itself, or somebody said that this kubelet may (KEP-4412)."""
    asked = a.object["spec"].get("audiences") or [""]
    if len(asked) > 1:
        raise a.refused("node may only request 0 or 1 audiences")
    mounted = [
        source["serviceAccountToken"].get("audience", "")
        for volume in pod["spec"].get("volumes") or ()
        for source in (volume.get("projected") or {}).get("sources") or ()
        if "serviceAccountToken" in source
    ]
    verb = "request-serviceaccounts-token-audience"
    access = Access(a.user, verb, resource=asked[0], namespace=a.namespace, name=a.name)
    if asked[0] not in mounted and not await cluster.may(access):
        raise a.refused(
            f'audience "{asked[0]}" not found in pod spec volume, {a.user.name} is not authorized '
            "to request tokens for this audience"
        )

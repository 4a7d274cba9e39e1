"""The Node authorizer: a kubelet may read what the pods on its node use, and nothing else of that.

Who is system:node:NAME in the group system:nodes has the rules of the role system:node; but for
Secrets, ConfigMaps, claims, volumes and accounts some pod bound to the node has to refer to the
object, of pods it reads those, and its own Lease, Node and CSINode are all that it gets of those
(kubernetes, plugin/pkg/auth/authorizer/node/node_authorizer.go). What it may write of them is up to
NodeRestriction, which sees the objects.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.podutil import containers
from kube_edu.apiserver.authentication.serviceaccounts import Lookup
from kube_edu.apiserver.authorization import Access, Decision
from kube_edu.apiserver.authorization.default_roles import rules_of
from kube_edu.apiserver.authorization.rbac import allows
from kube_edu.apiserver.call import User

PodsOn = Callable[[str], Awaitable[Sequence[Object]]]
"""`await pods_on("node-1")`: the pods that are bound to a node."""

_READ = ("get", "list", "watch")
_USED = ("configmaps", "persistentvolumeclaims", "persistentvolumes", "secrets", "serviceaccounts")


class NodeAuthorizer:
    """Knows what kubelets need."""

    def __init__(self, lookup: Lookup, pods_on: PodsOn) -> None:
        self._lookup = lookup
        self._pods_on = pods_on
        self._rules = rules_of("system:node")

    async def authorize(self, access: Access) -> Decision:
        node = node_of(access.user)
        if not node:
            return Decision(False)
        if not allows(self._rules, access):
            return Decision(False)
        if reason := await self._refused(node, access):
            return Decision(False, reason)
        return Decision(True)

    async def _refused(self, node: str, access: Access) -> str:
        """Why an access that the role has in principle is not this node's."""
        match access.resource:
            case "leases" | "csinodes":
                return self._not_its_own(node, access)
            case "nodes" if access.verb in _READ and access.name != node:
                what = f"'{access.name}'" if access.name else "all nodes"
                return f"node '{node}' cannot read {what}, only its own Node object"
            case "pods" if access.verb in _READ:
                if access.verb != "get" and access.fields.exact("spec.nodeName") == node:
                    return ""
                if not access.name:
                    return "can only list/watch pods with spec.nodeName field selector"
                if not await self._is_bound(node, access):
                    return _unrelated(node)
            case "volumeattachments":
                found = await self._lookup("volumeattachments", "", access.name)
                if found is None or found["spec"].get("nodeName") != node:
                    return _unrelated(node)
            case used if used in _USED:
                if not access.name:
                    return "No Object name found"
                if not await self._is_used(node, access):
                    return _unrelated(node)
        return ""

    def _not_its_own(self, node: str, access: Access) -> str:
        what = {"leases": "node lease", "csinodes": "CSINode"}[access.resource]
        if access.resource == "leases" and access.namespace != "kube-node-lease":
            return 'can only access leases in the "kube-node-lease" system namespace'
        if access.name != node and access.verb != "create":
            return f"can only access {what} with the same name as the requesting node"
        return ""

    async def _is_bound(self, node: str, access: Access) -> bool:
        wanted = f"{access.namespace}/{access.name}"
        return any(meta.key(pod) == wanted for pod in await self._pods_on(node))

    async def _is_used(self, node: str, access: Access) -> bool:
        wanted = (access.resource, access.namespace, access.name)
        for pod in await self._pods_on(node):
            for resource, name in uses(pod):
                if (resource, meta.namespace(pod), name) == wanted:
                    return True
                if access.resource == "persistentvolumes" and resource == "persistentvolumeclaims":
                    claim = await self._lookup(resource, meta.namespace(pod), name)
                    if claim is not None and claim["spec"].get("volumeName") == access.name:
                        return True
        return False


def node_of(user: User) -> str:
    """The node whose kubelet this user is; "" where it is none (pkg/auth/nodeidentifier)."""
    prefix = "system:node:"
    is_node = user.name.startswith(prefix) and "system:nodes" in user.groups
    return user.name.removeprefix(prefix) if is_node else ""


def uses(pod: Object) -> Iterator[tuple[str, str]]:
    """What a pod refers to, as (resource, name) in its namespace
    (plugin/pkg/auth/authorizer/node/graph.go, AddPod). A mirror pod may refer to nothing."""
    if "kubernetes.io/config.mirror" in meta.annotations(pod):
        return
    spec = pod["spec"]
    if spec.get("serviceAccountName"):
        yield "serviceaccounts", spec["serviceAccountName"]
    for secret in spec.get("imagePullSecrets") or ():
        yield "secrets", secret.get("name", "")
    for container in containers(spec):
        for source in container.get("envFrom") or ():
            yield from _reference(source, "configMapRef", "secretRef")
        for variable in container.get("env") or ():
            source = variable.get("valueFrom") or {}
            yield from _reference(source, "configMapKeyRef", "secretKeyRef")
    for volume in spec.get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            yield "persistentvolumeclaims", volume["persistentVolumeClaim"].get("claimName", "")
        if "ephemeral" in volume:
            yield "persistentvolumeclaims", f"{meta.name(pod)}-{volume['name']}"
        if "nodePublishSecretRef" in volume.get("csi", {}):
            yield "secrets", volume["csi"]["nodePublishSecretRef"].get("name", "")
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            yield from _reference(source, "configMap", "secret")


def _reference(source: Object, config_map: str, secret: str) -> Iterator[tuple[str, str]]:
    if config_map in source:
        yield "configmaps", source[config_map].get("name", "")
    if secret in source:
        reference = source[secret]
        yield "secrets", reference.get("name") or reference.get("secretName", "")


def _unrelated(node: str) -> str:
    return f"no relationship found between node '{node}' and this object"

"""The resource table: every built-in type that the API server serves, one row each.

The storage prefixes are those of the real API server, so that `etcdctl get --prefix /registry/`
shows the same keys (kubernetes, pkg/registry and pkg/kubeapiserver/default_storage_factory).
"""

from __future__ import annotations

from dataclasses import dataclass

from kube_edu.api.meta import Object, name, namespace


@dataclass(frozen=True, slots=True)
class Resource:
    """One type of API object, and the URL and storage paths at which its objects live."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    storage_prefix: str = ""

    @property
    def api_version(self) -> str:
        """ "v1", "apps/v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """ "pods", "deployments.apps": how error messages and `kubectl -o name` call it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of a collection, an object or a subresource."""
        parts = ["/apis", self.group] if self.group else ["/api"]
        parts.append(self.version)
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)

    def storage_key(self, namespace: str, name: str) -> str:
        """The key in etcd: "/registry/pods/default/web-1", "/registry/minions/node-1"."""
        return self.storage_prefix + (f"{namespace}/{name}" if self.namespaced else name)

    def reference(self, obj: Object) -> str:
        """How the trace names one of these objects: "pods/default/web-1", "nodes//node-1"."""
        return f"{self.plural}/{namespace(obj)}/{name(obj)}"


@dataclass(frozen=True, slots=True)
class Subresource:
    """What discovery tells about a subresource; no kind of its own means its parent's."""

    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""
    kind: str = ""


VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")

_READ_WRITE = ("get", "patch", "update")

# fmt: off
SUBRESOURCES = {
    "binding":  Subresource(("create",), "", "v1", "Binding"),
    "eviction": Subresource(("create",), "policy", "v1", "Eviction"),
    "finalize": Subresource(("update",)),
    "log":      Subresource(("get",)),
    "scale":    Subresource(_READ_WRITE, "autoscaling", "v1", "Scale"),
    "status":   Subresource(_READ_WRITE),
}

_STATUS = ("status",)
_SCALED = ("status", "scale")

RESOURCES: tuple[Resource, ...] = (
    Resource("", "v1", "ConfigMap", "configmaps", "configmap", ("cm",),
             storage_prefix="/registry/configmaps/"),
    Resource("", "v1", "Endpoints", "endpoints", "endpoints", ("ep",),
             storage_prefix="/registry/services/endpoints/"),
    Resource("", "v1", "Event", "events", "event", ("ev",),
             storage_prefix="/registry/events/"),
    Resource("", "v1", "Namespace", "namespaces", "namespace", ("ns",), False,
             ("status", "finalize"), storage_prefix="/registry/namespaces/"),
    Resource("", "v1", "Node", "nodes", "node", ("no",), False, _STATUS,
             storage_prefix="/registry/minions/"),
    Resource("", "v1", "Pod", "pods", "pod", ("po",), True,
             ("status", "binding", "eviction", "log"), ("all",), "/registry/pods/"),
    Resource("", "v1", "Secret", "secrets", "secret",
             storage_prefix="/registry/secrets/"),
    Resource("", "v1", "Service", "services", "service", ("svc",), True, _STATUS, ("all",),
             "/registry/services/specs/"),
    Resource("", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount", ("sa",),
             storage_prefix="/registry/serviceaccounts/"),
    Resource("apps", "v1", "Deployment", "deployments", "deployment", ("deploy",), True,
             _SCALED, ("all",), "/registry/deployments/"),
    Resource("apps", "v1", "ReplicaSet", "replicasets", "replicaset", ("rs",), True,
             _SCALED, ("all",), "/registry/replicasets/"),
    Resource("coordination.k8s.io", "v1", "Lease", "leases", "lease",
             storage_prefix="/registry/leases/"),
    Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice",
             storage_prefix="/registry/endpointslices/"),
)
# fmt: on

_BY_PLURAL = {r.plural: r for r in RESOURCES} | {r.qualified: r for r in RESOURCES}
_BY_KIND = {(r.api_version, r.kind): r for r in RESOURCES}
_BY_ANY_NAME = {
    word: r for r in RESOURCES for word in (r.plural, r.qualified, r.singular, *r.short_names)
}


def by_plural(plural: str) -> Resource:
    """The resource "deployments" or "deployments.apps"; KeyError when there is none."""
    return _BY_PLURAL[plural]


def by_kind(api_version: str, kind: str) -> Resource:
    """The resource of a kind; KeyError when there is none."""
    return _BY_KIND[api_version, kind]


def resource_of(obj: Object) -> Resource:
    """The resource of an object; KeyError when its kind is not in the table."""
    return _BY_KIND[obj.get("apiVersion", ""), obj.get("kind", "")]


def resolve(text: str) -> tuple[Resource, str]:
    """What a user of kubectl means by "po", "deploy/web" or "deployments.apps/web": the resource,
    and the name or ""."""
    word, _, object_name = text.partition("/")
    if word.lower() not in _BY_ANY_NAME:
        raise LookupError(f'the server doesn\'t have a resource type "{word}"')
    return _BY_ANY_NAME[word.lower()], object_name

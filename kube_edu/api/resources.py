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
    short_names: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """ "v1", "apps/v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def qualified(self) -> str:
        """ "pods", "deployments.apps": how error messages call it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    @property
    def storage_prefix(self) -> str:
        """ "/registry/pods/", "/registry/minions/": where the keys in etcd begin."""
        return f"/registry/{_STORED_AS.get(self.plural, self.plural)}/"

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

    def typed_name(self, name: str) -> str:
        """ "pod/web", "deployment.apps/web": how kubectl names an object."""
        group = f".{self.group}" if self.group else ""
        return f"{self.singular}{group}/{name}"

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
_ALL = ("all",)

RESOURCES: tuple[Resource, ...] = (
    Resource("", "v1", "ConfigMap", "configmaps", ("cm",)),
    Resource("", "v1", "Endpoints", "endpoints", ("ep",)),
    Resource("", "v1", "Event", "events", ("ev",)),
    Resource("", "v1", "Namespace", "namespaces", ("ns",), ("status", "finalize"),
             namespaced=False),
    Resource("", "v1", "Node", "nodes", ("no",), _STATUS, namespaced=False),
    Resource("", "v1", "Pod", "pods", ("po",), ("status", "binding", "eviction", "log"), _ALL),
    Resource("", "v1", "Secret", "secrets"),
    Resource("", "v1", "Service", "services", ("svc",), _STATUS, _ALL),
    Resource("", "v1", "ServiceAccount", "serviceaccounts", ("sa",)),
    Resource("apps", "v1", "Deployment", "deployments", ("deploy",), _SCALED, _ALL),
    Resource("apps", "v1", "ReplicaSet", "replicasets", ("rs",), _SCALED, _ALL),
    Resource("coordination.k8s.io", "v1", "Lease", "leases"),
    Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
)

# Resources whose keys in etcd keep an older name.
_STORED_AS = {"endpoints": "services/endpoints", "nodes": "minions", "services": "services/specs"}
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

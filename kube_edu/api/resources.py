"""The resource table: every built-in type that the API server serves, a row of
data/resources.txt each.

The storage prefixes are those of the real API server, so that `etcdctl get --prefix /registry/`
shows the same keys (kubernetes, pkg/registry and pkg/kubeapiserver/default_storage_factory).
"""

from __future__ import annotations

from dataclasses import dataclass

from kube_edu.api import tables
from kube_edu.api.meta import Object, name, namespace

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


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
    verbs: tuple[str, ...] = VERBS
    hub: str = ""
    """The API version as which its objects are stored, where that is another one."""
    stored_as: str = ""
    """What its keys in etcd are called."""
    ttl: int = 0
    """The store forgets an object so many seconds after it was last written."""
    traits: tuple[str, ...] = ()
    """How the registry treats it."""

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
    def stored(self) -> bool:
        """Whether objects live here, and not only requests or a second view of other objects."""
        return "list" in self.verbs and not self.hub

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    @property
    def storage_prefix(self) -> str:
        """ "/registry/pods/", "/registry/minions/": where the keys in etcd begin."""
        return f"/registry/{self.stored_as}/"

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


_READ_WRITE = ("get", "patch", "update")

# fmt: off
SUBRESOURCES = {
    "approval": Subresource(_READ_WRITE),
    "binding":  Subresource(("create",), "", "v1", "Binding"),
    "ephemeralcontainers": Subresource(_READ_WRITE),
    "eviction": Subresource(("create",), "policy", "v1", "Eviction"),
    "finalize": Subresource(("update",)),
    "log":      Subresource(("get",)),
    "resize":   Subresource(_READ_WRITE),
    "scale":    Subresource(_READ_WRITE, "autoscaling", "v1", "Scale"),
    "status":   Subresource(_READ_WRITE),
    "token":    Subresource(("create",), "authentication.k8s.io", "v1", "TokenRequest"),
}
# fmt: on


def _resource(version: str, row: str) -> Resource:
    kind, plural, *words = row.split()
    facts = {name: value for name, _, value in (word.partition("=") for word in words)}
    traits = [name for name, value in facts.items() if not value and name != "cluster"]

    def listed(name: str) -> tuple[str, ...]:
        return tuple(facts[name].split(",")) if name in facts else ()

    return Resource(
        group=version.rpartition("/")[0],
        version=version.rpartition("/")[2],
        kind=kind,
        plural=plural,
        short_names=listed("short"),
        subresources=listed("sub"),
        categories=listed("in"),
        namespaced="cluster" not in facts,
        verbs=listed("verbs") or VERBS,
        hub=facts.get("hub", ""),
        stored_as=facts.get("key", plural),
        ttl=int(facts.get("ttl", 0)),
        traits=tuple(traits),
    )


RESOURCES = tuple(_resource(v, row) for v, rows in tables.read("resources").items() for row in rows)

STORED = tuple(resource for resource in RESOURCES if resource.stored)
"""One row for each kind of object that there is, as it is stored."""

# What is stored goes before the other views of it.
_BY_PLURAL = {word: r for r in (*RESOURCES, *STORED) for word in (r.plural, r.qualified)}
_BY_KIND = {(r.api_version, r.kind): r for r in RESOURCES}
_BY_ANY_NAME = _BY_PLURAL | {word: r for r in STORED for word in (r.singular, *r.short_names)}


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

"""The resource table: every built-in type that the API server serves, one row each.

The storage prefixes are those of the real API server, so that `etcdctl get --prefix /registry/`
shows the same keys (kubernetes, pkg/registry and pkg/kubeapiserver/default_storage_factory).
"""

from __future__ import annotations

from dataclasses import dataclass

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

_STATUS = ("status",)
_SCALED = ("status", "scale")
_POD = ("status", "binding", "ephemeralcontainers", "eviction", "log", "resize")
_ALL = ("all",)
_EXTENSIONS = ("api-extensions",)
_ASKED = ("create",)  # a question, answered at once and never stored
_READ = ("get", "list", "watch")

# In the order in which discovery tells them: groups by priority, then by name.
RESOURCES: tuple[Resource, ...] = (
    Resource("", "v1", "Binding", "bindings", verbs=_ASKED),
    Resource("", "v1", "ConfigMap", "configmaps", ("cm",)),
    Resource("", "v1", "Endpoints", "endpoints", ("ep",)),
    Resource("", "v1", "Event", "events", ("ev",)),
    Resource("", "v1", "LimitRange", "limitranges", ("limits",)),
    Resource("", "v1", "Namespace", "namespaces", ("ns",), ("status", "finalize"),
             namespaced=False, verbs=tuple(verb for verb in VERBS if verb != "deletecollection")),
    Resource("", "v1", "Node", "nodes", ("no",), _STATUS, namespaced=False),
    Resource("", "v1", "PersistentVolume", "persistentvolumes", ("pv",), _STATUS,
             namespaced=False),
    Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", ("pvc",), _STATUS),
    Resource("", "v1", "Pod", "pods", ("po",), _POD, _ALL),
    Resource("", "v1", "PodTemplate", "podtemplates"),
    Resource("", "v1", "ReplicationController", "replicationcontrollers", ("rc",), _SCALED, _ALL),
    Resource("", "v1", "ResourceQuota", "resourcequotas", ("quota",), _STATUS),
    Resource("", "v1", "Secret", "secrets"),
    Resource("", "v1", "Service", "services", ("svc",), _STATUS, _ALL),
    Resource("", "v1", "ServiceAccount", "serviceaccounts", ("sa",), ("token",)),
    Resource("apiregistration.k8s.io", "v1", "APIService", "apiservices", (), _STATUS,
             _EXTENSIONS, namespaced=False),
    Resource("apps", "v1", "ControllerRevision", "controllerrevisions"),
    Resource("apps", "v1", "DaemonSet", "daemonsets", ("ds",), _STATUS, _ALL),
    Resource("apps", "v1", "Deployment", "deployments", ("deploy",), _SCALED, _ALL),
    Resource("apps", "v1", "ReplicaSet", "replicasets", ("rs",), _SCALED, _ALL),
    Resource("apps", "v1", "StatefulSet", "statefulsets", ("sts",), _SCALED, _ALL),
    Resource("events.k8s.io", "v1", "Event", "events", ("ev",), hub="v1"),
    Resource("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews",
             namespaced=False, verbs=_ASKED),
    Resource("authentication.k8s.io", "v1", "TokenReview", "tokenreviews",
             namespaced=False, verbs=_ASKED),
    Resource("authorization.k8s.io", "v1", "LocalSubjectAccessReview",
             "localsubjectaccessreviews", verbs=_ASKED),
    Resource("authorization.k8s.io", "v1", "SelfSubjectAccessReview",
             "selfsubjectaccessreviews", namespaced=False, verbs=_ASKED),
    Resource("authorization.k8s.io", "v1", "SelfSubjectRulesReview",
             "selfsubjectrulesreviews", namespaced=False, verbs=_ASKED),
    Resource("authorization.k8s.io", "v1", "SubjectAccessReview",
             "subjectaccessreviews", namespaced=False, verbs=_ASKED),
    Resource("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers",
             ("hpa",), _STATUS, _ALL),
    Resource("autoscaling", "v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers",
             ("hpa",), _STATUS, _ALL, hub="autoscaling/v2"),
    Resource("batch", "v1", "CronJob", "cronjobs", ("cj",), _STATUS, _ALL),
    Resource("batch", "v1", "Job", "jobs", (), _STATUS, _ALL),
    Resource("certificates.k8s.io", "v1", "CertificateSigningRequest",
             "certificatesigningrequests", ("csr",), ("status", "approval"), namespaced=False),
    Resource("networking.k8s.io", "v1", "Ingress", "ingresses", ("ing",), _STATUS),
    Resource("networking.k8s.io", "v1", "IngressClass", "ingressclasses", namespaced=False),
    Resource("networking.k8s.io", "v1", "IPAddress", "ipaddresses", ("ip",), namespaced=False),
    Resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", ("netpol",)),
    Resource("networking.k8s.io", "v1", "ServiceCIDR", "servicecidrs", (), _STATUS,
             namespaced=False),
    Resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", ("pdb",), _STATUS),
    Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False),
    Resource("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings",
             namespaced=False),
    Resource("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    Resource("storage.k8s.io", "v1", "CSIDriver", "csidrivers", namespaced=False),
    Resource("storage.k8s.io", "v1", "CSINode", "csinodes", namespaced=False),
    Resource("storage.k8s.io", "v1", "CSIStorageCapacity", "csistoragecapacities"),
    Resource("storage.k8s.io", "v1", "StorageClass", "storageclasses", ("sc",),
             namespaced=False),
    Resource("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", (), _STATUS,
             namespaced=False),
    Resource("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration",
             "mutatingwebhookconfigurations", categories=_EXTENSIONS, namespaced=False),
    Resource("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy",
             "validatingadmissionpolicies", (), _STATUS, _EXTENSIONS, namespaced=False),
    Resource("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding",
             "validatingadmissionpolicybindings", categories=_EXTENSIONS, namespaced=False),
    Resource("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration",
             "validatingwebhookconfigurations", categories=_EXTENSIONS, namespaced=False),
    Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition",
             "customresourcedefinitions", ("crd", "crds"), _STATUS, _EXTENSIONS,
             namespaced=False),
    Resource("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", ("pc",),
             namespaced=False),
    Resource("coordination.k8s.io", "v1", "Lease", "leases"),
    Resource("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", namespaced=False),
    Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    Resource("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", "flowschemas",
             namespaced=False, verbs=_READ),
    Resource("flowcontrol.apiserver.k8s.io", "v1", "PriorityLevelConfiguration",
             "prioritylevelconfigurations", namespaced=False, verbs=_READ),
)

STORED: tuple[Resource, ...] = tuple(resource for resource in RESOURCES if resource.stored)
"""One row for each kind of object that there is, as it is stored."""

# Resources whose keys in etcd are not their plural (apiserver, pkg/storage/storagebackend, and
# kubernetes, pkg/kubeapiserver/default_storage_factory_builder.go).
_STORED_AS = {
    "apiservices": "apiregistration.k8s.io/apiservices",
    "customresourcedefinitions": "apiextensions.k8s.io/customresourcedefinitions",
    "endpoints": "services/endpoints",
    "ingresses": "ingress",
    "nodes": "minions",
    "replicationcontrollers": "controllers",
    "services": "services/specs",
}
# fmt: on

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

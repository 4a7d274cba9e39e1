"""What differs between resources: a row each, for the one generic registry.

Source: kubernetes, pkg/registry/*/*/strategy.go. A resource without a row is a plain one:
no status, no generation. The functions change a draft in place; nobody else has seen it yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kube_edu.api.meta import Object
from kube_edu.api.podutil import qos_class
from kube_edu.api.resources import Resource
from kube_edu.apiserver.call import User


@dataclass(frozen=True, slots=True)
class Strategy:
    """How the registry treats one resource."""

    prepare_create: Callable[[Object, User], None] = lambda new, user: None
    """(new, who creates it): what a client has no say in."""
    prepare_update: Callable[[Object, Object], None] = lambda new, old: None
    """(new, old): carry over what a client may leave out."""
    generation: bool = False
    """Counts the changes of everything but metadata and status."""
    keeps_status: bool = False
    """Status may be given at creation."""
    graceful: bool = False
    """Deletion waits for someone to stop the object (the kubelet)."""
    create_on_update: bool = False
    """A PUT to a name that does not exist creates it."""
    unconditional_update: bool = True
    """A PUT without resourceVersion overwrites whatever is there."""
    ttl: int = 0
    """The store forgets an object so many seconds after it was last written."""
    returns_deleted: bool = False
    """A delete is answered with the object instead of a Status."""


def strategy_of(resource: Resource) -> Strategy:
    return STRATEGIES.get(resource.plural, _PLAIN)


def _pod(pod: Object, user: User) -> None:
    pod["status"] = {"phase": "Pending", "qosClass": qos_class(pod)}


def _pod_update(new: Object, old: Object) -> None:
    """The class is decided at creation; a status writer may leave it out."""
    if "qosClass" in old["status"]:
        new["status"].setdefault("qosClass", old["status"]["qosClass"])


def _namespace(namespace: Object, user: User) -> None:
    namespace["spec"] = {"finalizers": ["kubernetes"]}
    namespace["status"] = {"phase": "Active"}


def _job(job: Object, user: User) -> None:
    """A Job's pods are known by its uid, unless its author knows better
    (pkg/registry/batch/job/strategy.go, generateSelector)."""
    spec, meta = job["spec"], job["metadata"]
    if spec.get("manualSelector"):
        return
    uid, name = meta["uid"], meta.get("name", "")
    own = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    template = spec["template"]["metadata"]
    template["labels"] = own | (template.get("labels") or {})
    meta["labels"] = meta.get("labels") or dict(template["labels"])
    selector = spec.setdefault("selector", {})
    uid_label = {"batch.kubernetes.io/controller-uid": uid}
    selector["matchLabels"] = uid_label | (selector.get("matchLabels") or {})


def _signing_request(request: Object, user: User) -> None:
    """Who asks is written by the server: the signer trusts it."""
    extra = {key: [*values] for key, values in user.extra.items()}
    who: Object = {"username": user.name, "groups": [*user.groups], "uid": user.uid, "extra": extra}
    asked = {k: v for k, v in request.get("spec", {}).items() if k not in who}
    request["spec"] = asked | {k: v for k, v in who.items() if v}


def _keep_spec(new: Object, old: Object) -> None:
    """Of a namespace only /finalize may take finalizers away; a signing request stays as asked."""
    new["spec"] = old["spec"]


_PLAIN = Strategy()
_COUNTED = Strategy(generation=True)
_UPSERTED = Strategy(create_on_update=True)
_RETURNED = Strategy(returns_deleted=True)
_CAREFUL = Strategy(unconditional_update=False)
_COUNTED_CAREFUL = Strategy(generation=True, unconditional_update=False)

STRATEGIES: dict[str, Strategy] = {
    "apiservices": _CAREFUL,
    "certificatesigningrequests": Strategy(_signing_request, _keep_spec),
    "clusterrolebindings": _UPSERTED,
    "clusterroles": _UPSERTED,
    "cronjobs": _COUNTED,
    "csidrivers": Strategy(generation=True, unconditional_update=False, returns_deleted=True),
    "csinodes": Strategy(unconditional_update=False, returns_deleted=True),
    "customresourcedefinitions": _COUNTED_CAREFUL,
    "daemonsets": _COUNTED,
    "deployments": _COUNTED,
    "endpoints": _UPSERTED,
    "endpointslices": _COUNTED,
    "events": Strategy(create_on_update=True, ttl=3600),
    "ingressclasses": _COUNTED,
    "ingresses": _COUNTED,
    "jobs": Strategy(_job, generation=True),
    "leases": Strategy(create_on_update=True, unconditional_update=False),
    "limitranges": _UPSERTED,
    "mutatingwebhookconfigurations": _COUNTED_CAREFUL,
    "namespaces": Strategy(_namespace, _keep_spec),
    "networkpolicies": _COUNTED,
    "nodes": Strategy(keeps_status=True),
    "persistentvolumeclaims": _RETURNED,
    "persistentvolumes": _RETURNED,
    "poddisruptionbudgets": Strategy(
        generation=True, create_on_update=True, unconditional_update=False
    ),
    "pods": Strategy(_pod, _pod_update, graceful=True, returns_deleted=True),
    "podtemplates": Strategy(generation=True, returns_deleted=True),
    "priorityclasses": _COUNTED,
    "replicasets": _COUNTED,
    "replicationcontrollers": _COUNTED,
    "resourcequotas": _RETURNED,
    "rolebindings": _UPSERTED,
    "roles": _UPSERTED,
    "runtimeclasses": _CAREFUL,
    "serviceaccounts": _RETURNED,
    "services": Strategy(create_on_update=True, returns_deleted=True),
    "statefulsets": _COUNTED,
    "storageclasses": _RETURNED,
    "validatingadmissionpolicies": _COUNTED_CAREFUL,
    "validatingadmissionpolicybindings": _COUNTED_CAREFUL,
    "validatingwebhookconfigurations": _COUNTED_CAREFUL,
    "volumeattachments": Strategy(unconditional_update=False, returns_deleted=True),
}

"""What differs between resources, for the one generic registry: words of the resource table, and
functions, which change a draft in place; nobody else has seen it yet.

Source: kubernetes, pkg/registry/*/*/strategy.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kube_edu.api.meta import Object
from kube_edu.api.podutil import qos_class
from kube_edu.api.resources import STORED, Resource
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
    conditional_update: bool = False
    """A PUT has to name the resourceVersion that it takes the place of."""
    returns_deleted: bool = False
    """A delete is answered with the object instead of a Status."""


def strategy_of(resource: Resource) -> Strategy:
    return STRATEGIES[resource.plural]


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


_PREPARED = {
    "certificatesigningrequests": (_signing_request, _keep_spec),
    "jobs": (_job,),
    "namespaces": (_namespace, _keep_spec),
    "pods": (_pod, _pod_update),
}


def _strategy(resource: Resource) -> Strategy:
    traits = dict.fromkeys(resource.traits, True)
    return Strategy(*_PREPARED.get(resource.plural, ()), **traits)  # type: ignore[arg-type]


STRATEGIES = {resource.plural: _strategy(resource) for resource in STORED}

"""What all API objects have in common: names, labels, owners, time stamps, conditions.

Source: k8s.io/apimachinery, pkg/apis/meta/v1 and pkg/api/meta.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

Object = dict[str, Any]
"""An API object as on the wire. Never mutated once stored, cached or received: `clone` first."""


def name(obj: Object) -> str:
    return str(obj.get("metadata", {}).get("name", ""))


def namespace(obj: Object) -> str:
    return str(obj.get("metadata", {}).get("namespace", ""))


def uid(obj: Object) -> str:
    return str(obj.get("metadata", {}).get("uid", ""))


def labels(obj: Object) -> dict[str, str]:
    return obj.get("metadata", {}).get("labels") or {}


def annotations(obj: Object) -> dict[str, str]:
    return obj.get("metadata", {}).get("annotations") or {}


def key(obj: Object) -> str:
    """ "namespace/name", or "name" where there is no namespace: the key of work queues
    (client-go, tools/cache/store.go, MetaNamespaceKeyFunc)."""
    return f"{namespace(obj)}/{name(obj)}" if namespace(obj) else name(obj)


def at(obj: Object, path: str) -> Any:
    """The value at a path such as "spec.nodeName"; None where there is nothing."""
    value: Any = obj
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def is_deleting(obj: Object) -> bool:
    """Whether the object's deletion has begun."""
    return "deletionTimestamp" in obj["metadata"]


def clone(value: Any) -> Any:
    """A deep copy of JSON data (several times faster than copy.deepcopy)."""
    if isinstance(value, dict):
        return {k: clone(v) if isinstance(v, (dict, list)) else v for k, v in value.items()}
    if isinstance(value, list):
        return [clone(v) if isinstance(v, (dict, list)) else v for v in value]
    return value


MAX_DEPTH = 100
"""Of objects in objects: no kind comes near it, and whatever walks an object may recurse."""


def check_depth(value: Any, levels: int = MAX_DEPTH) -> None:
    """Raises ValueError for an object or a list that is nested deeper."""
    if not levels:
        raise ValueError(f"exceeded max depth: objects may be nested {MAX_DEPTH} deep")
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, (dict, list)):
            check_depth(part, levels - 1)


def new_uid(random: Random) -> str:
    """A random UUID (version 4), as the API server gives each new object."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def name_suffix(random: Random, length: int = 5) -> str:
    """What `generateName` appends: no vowels, so that no words appear
    (apimachinery, pkg/util/rand)."""
    return "".join(random.choices("bcdfghjklmnpqrstvwxz2456789", k=length))


# Owners (apimachinery, pkg/apis/meta/v1/controller_ref.go)


def owner_reference(owner: Object, *, controller: bool = True) -> Object:
    """An entry of metadata.ownerReferences that points at `owner`."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name(owner),
        "uid": uid(owner),
        "controller": controller,
        "blockOwnerDeletion": True,
    }


def owners(obj: Object) -> list[Object]:
    return obj.get("metadata", {}).get("ownerReferences") or []


def controller_of(obj: Object) -> Object | None:
    """The owner reference of the controller that manages the object, if one does."""
    return next((owner for owner in owners(obj) if owner.get("controller")), None)


def owned_by(obj: Object, owner: Object) -> bool:
    """Whether `owner` is the object's controller; a namesake with another uid is not."""
    reference = controller_of(obj)
    return reference is not None and reference.get("uid") == uid(owner)


# Time stamps


def timestamp(at: float) -> str:
    """Seconds since the epoch as metav1.Time: "2026-01-01T00:00:00Z"."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(at: float) -> str:
    """Seconds since the epoch as metav1.MicroTime, which leases use."""
    return datetime.fromtimestamp(round(at, 6), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def nano_timestamp(at: float) -> str:
    """Seconds since the epoch with nine digits after the point, which logs use."""
    return f"{micro_timestamp(at)[:-1]}000Z"


def seconds(text: str) -> float:
    """The time of a Time or MicroTime, in seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


# Conditions (apimachinery, pkg/api/meta/conditions.go)


def find_condition(obj: Object, type: str) -> Object | None:
    """The condition of this type in the object's status."""
    conditions = obj.get("status", {}).get("conditions") or ()
    return next((c for c in conditions if c.get("type") == type), None)


def condition_is(obj: Object, type: str, status: str = "True") -> bool:
    """Whether the object has this condition with this status."""
    condition = find_condition(obj, type)
    return condition is not None and condition.get("status") == status


def set_condition(conditions: Sequence[Object], condition: Object, now: float) -> list[Object]:
    """A copy of a list of conditions with this one put in place of the one of its type, or
    appended. Its lastTransitionTime is kept while its status stays the same."""
    old = next((c for c in conditions if c["type"] == condition["type"]), None)
    since = timestamp(now)
    if old is not None and old["status"] == condition["status"]:
        since = old.get("lastTransitionTime") or since
    new = {**condition, "lastTransitionTime": since}
    if old is None:
        return [*conditions, new]
    return [new if c is old else c for c in conditions]

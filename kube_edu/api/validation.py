"""Whether an object makes sense, in itself and as the successor of another.

Source: apimachinery, pkg/api/validation. What concerns one field is a row of
data/rules.txt; what looks at several is in `podvalidation.py` and `kindvalidation.py`; here is what
all kinds have in common.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_edu.api import meta, names, rules
from kube_edu.api.kindvalidation import AT_DOORS, ON_CREATE, ON_UPDATE
from kube_edu.api.meta import Object
from kube_edu.api.rules import Errors
from kube_edu.api.status import FieldError, invalid_value, required, too_long


def validate_create(obj: Object) -> list[FieldError]:
    """What is wrong with a new object, its defaults and generated name in place."""
    return _distinct([*_metadata(obj), *_kind(obj)])


def validate_update(new: Object, old: Object, subresource: str = "") -> list[FieldError]:
    """What is wrong with an object that takes the place of another, written at this door."""
    kind = new["kind"]
    errors = [*_metadata(new), *_kind(new), *rules.check_change(new, old)]
    for field, of in (("name", meta.name), ("namespace", meta.namespace), ("uid", meta.uid)):
        if of(new) != of(old):
            errors.append(invalid_value(f"metadata.{field}", of(new), "field is immutable"))
    check = AT_DOORS.get(f"{kind}/{subresource}") or ON_UPDATE.get(kind)
    if check is not None:
        errors += check(new, old)
    return _distinct(errors)


def _distinct(errors: Iterable[FieldError]) -> list[FieldError]:
    """What several rules notice is told once."""
    return list({(error.field, error.reason, error.detail): error for error in errors}.values())


# All kinds


def _metadata(obj: Object) -> Errors:
    data = obj.get("metadata", {})
    name_check = names.BY_KIND.get(obj["kind"], names.dns1123_subdomain)
    name, prefix, namespace = (data.get(f) or "" for f in ("name", "generateName", "namespace"))
    for problem in names.prefix_of(name_check, prefix) if prefix else ():
        yield invalid_value("metadata.generateName", prefix, problem)
    for problem in name_check(name) if name else ():
        yield invalid_value("metadata.name", name, problem)
    if not name:
        yield required("metadata.name", "name or generateName is required")
    for problem in names.dns1123_label(namespace) if namespace else ():
        yield invalid_value("metadata.namespace", namespace, problem)
    yield from rules.labels("metadata.labels", meta.labels(obj))
    for key in meta.annotations(obj):
        for problem in names.qualified_name(key.lower()):
            yield invalid_value("metadata.annotations", key, problem)
    if sum(len((k + v).encode()) for k, v in meta.annotations(obj).items()) > _MOST_ANNOTATIONS:
        yield too_long("metadata.annotations", _MOST_ANNOTATIONS)
    for i, finalizer in enumerate(data.get("finalizers") or ()):
        if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid_value(f"metadata.finalizers[{i}]", finalizer, why)
    yield from _owners(meta.owners(obj))


_MOST_ANNOTATIONS = 256 * 1024
_STANDARD_FINALIZERS = ("foregroundDeletion", "kubernetes", "orphan")


def _owners(owners: list[Object]) -> Errors:
    path = "metadata.ownerReferences"
    for i, owner in enumerate(owners):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                yield invalid_value(f"{path}[{i}].{field}", "", f"{field} must not be empty")
    controllers = [owner.get("name") for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        why = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{controllers[0]} and {controllers[1]}"
        )
        yield invalid_value(path, owners, why)


def _kind(obj: Object) -> Errors:
    """Single fields, then fields together."""
    yield from rules.check(obj)
    if obj["kind"] in ON_CREATE:
        yield from ON_CREATE[obj["kind"]](obj)

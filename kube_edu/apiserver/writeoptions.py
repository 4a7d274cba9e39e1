"""The options of writes: query parameters, and for a delete the body.

Source: apimachinery, pkg/apis/meta/v1/validation/validation.go.
"""

from __future__ import annotations

from kube_edu.api.meta import Object
from kube_edu.api.status import (
    FieldError,
    forbidden_field,
    invalid,
    invalid_value,
    not_supported,
    too_long,
)
from kube_edu.apiserver.call import Call

_KINDS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_POLICIES = ("Background", "Foreground", "Orphan")
_LONGEST_MANAGER = 128


def check_write(call: Call) -> None:
    """Raises ApiError 422."""
    asked = call.request.param
    errors = _dry_run(call.request.params("dryRun"))
    validation = asked("fieldValidation")
    if validation not in ("", "Ignore", "Strict", "Warn"):
        errors.append(
            not_supported("fieldValidation", validation, ("", "Ignore", "Strict", "Warn"))
        )
    manager = asked("fieldManager")
    if len(manager.encode()) > _LONGEST_MANAGER:
        errors.append(too_long("fieldManager", _LONGEST_MANAGER))
    if not manager.isprintable():
        errors.append(invalid_value("fieldManager", manager, "invalid character"))
    if call.verb == "patch" and asked("force"):
        errors.append(forbidden_field("force", "may not be specified for non-apply patch"))
    _raise(_KINDS[call.verb], errors)


def check_delete(options: Object) -> None:
    """Raises ApiError 422."""
    errors = _dry_run(options.get("dryRun") or ())
    policy = options.get("propagationPolicy")
    if policy is not None and "orphanDependents" in options:
        why = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(forbidden_field("propagationPolicy", why))
    if policy is not None and policy not in _POLICIES:
        errors.append(not_supported("propagationPolicy", policy, (*_POLICIES, "nil")))
    _raise("DeleteOptions", errors)


def _dry_run(values: tuple[str, ...] | list[str]) -> list[FieldError]:
    return [
        not_supported("dryRun", value, ("All",)) for value in values if value not in ("", "All")
    ]


def _raise(kind: str, errors: list[FieldError]) -> None:
    if errors:
        raise invalid({"apiVersion": "meta.k8s.io/v1", "kind": kind}, errors)

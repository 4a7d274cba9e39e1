"""Which query parameters of lists and watches go together.

Source: apimachinery, pkg/apis/meta/internalversion/validation/validation.go (ValidateListOptions).
"""

from __future__ import annotations

from kube_edu.api.status import FieldError, bad_request, forbidden_field, invalid, not_supported
from kube_edu.apiserver.call import Call

_MATCH = "resourceVersionMatch"
_SUBJECT = {"kind": "ListOptions", "apiVersion": "meta.k8s.io/v1"}


def check_list(call: Call) -> None:
    """Raises ApiError 422 or 400."""
    asked = call.request.param
    match, version, token = asked(_MATCH), asked("resourceVersion"), asked("continue")
    errors: list[FieldError] = []
    if match:
        _forbid(errors, not version, f"{_MATCH} is forbidden unless resourceVersion is provided")
        _forbid(errors, bool(token), f"{_MATCH} is forbidden when continue is provided")
        if match not in ("Exact", "NotOlderThan"):
            errors.append(not_supported(_MATCH, match, ["Exact", "NotOlderThan", ""]))
        at_zero = match == "Exact" and version == "0"
        _forbid(errors, at_zero, f'{_MATCH} "exact" is forbidden for resourceVersion "0"')
    if asked("sendInitialEvents"):
        why = "sendInitialEvents is forbidden for list"
        errors.append(forbidden_field("sendInitialEvents", why))
    if errors:
        raise invalid(_SUBJECT, errors)
    if token and version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")


def check_watch(call: Call) -> None:
    """Raises ApiError 422."""
    asked = call.request.param
    match, initial = asked(_MATCH), asked("sendInitialEvents")
    errors: list[FieldError] = []
    wrong = bool(initial) and match != "NotOlderThan"
    _forbid(errors, wrong, f"sendInitialEvents requires setting {_MATCH} to NotOlderThan")
    if match:
        why = f"{_MATCH} is forbidden for watch unless sendInitialEvents is provided"
        _forbid(errors, not initial, why)
        if match != "NotOlderThan":
            errors.append(not_supported(_MATCH, match, ["NotOlderThan"]))
        token = bool(asked("continue"))
        _forbid(errors, token, f"{_MATCH} is forbidden when continue is provided")
    if errors:
        raise invalid(_SUBJECT, errors)


def _forbid(errors: list[FieldError], wrong: bool, why: str) -> None:
    if wrong:
        errors.append(forbidden_field(_MATCH, why))

"""What a request asks for beside its object: query parameters, and the body of a delete.

Source: apimachinery, pkg/apis/meta/v1/validation and pkg/apis/meta/internalversion/validation; for
logs kubernetes, pkg/apis/core/validation (ValidatePodLogOptions) and pkg/registry/core/pod
(LogLocation).
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_edu.api.meta import Object, seconds
from kube_edu.api.rules import at_least, one_of
from kube_edu.api.status import (
    FieldError,
    bad_request,
    forbidden_field,
    invalid,
    invalid_value,
    not_supported,
    too_long,
)
from kube_edu.apiserver.call import Call

_MATCH = "resourceVersionMatch"
_WRITES = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_POLICIES = ("Background", "Foreground", "Orphan")
_LONGEST_MANAGER = 128
_LEAST = {"tailLines": 0, "limitBytes": 1, "sinceSeconds": 1}


def check_list(call: Call) -> None:
    """Raises ApiError 422 or 400."""
    asked = call.request.param
    match, version, token = asked(_MATCH), asked("resourceVersion"), asked("continue")
    errors = [*one_of(_MATCH, match, "", "Exact", "NotOlderThan")]
    if match and not version:
        errors.append(_forbidden("is forbidden unless resourceVersion is provided"))
    if match and token:
        errors.append(_forbidden("is forbidden when continue is provided"))
    if match == "Exact" and version == "0":
        errors.append(_forbidden('"exact" is forbidden for resourceVersion "0"'))
    if asked("sendInitialEvents"):
        why = "sendInitialEvents is forbidden for list"
        errors.append(forbidden_field("sendInitialEvents", why))
    _raise("ListOptions", errors)
    if token and version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")


def check_watch(call: Call) -> None:
    """Raises ApiError 422."""
    asked = call.request.param
    match, initial = asked(_MATCH), asked("sendInitialEvents")
    errors = [*one_of(_MATCH, match, "NotOlderThan")] if match else []
    if match and not initial:
        errors.append(_forbidden("is forbidden for watch unless sendInitialEvents is provided"))
    if match and asked("continue"):
        errors.append(_forbidden("is forbidden when continue is provided"))
    if initial and match != "NotOlderThan":
        why = f"sendInitialEvents requires setting {_MATCH} to NotOlderThan"
        errors.append(forbidden_field(_MATCH, why))
    _raise("ListOptions", errors)


def check_write(call: Call) -> None:
    """Raises ApiError 422."""
    asked = call.request.param
    validation, manager = asked("fieldValidation"), asked("fieldManager")
    errors = _dry_run(call.request.params("dryRun"))
    errors += one_of("fieldValidation", validation, "", "Ignore", "Strict", "Warn")
    if len(manager.encode()) > _LONGEST_MANAGER:
        errors.append(too_long("fieldManager", _LONGEST_MANAGER))
    if not manager.isprintable():
        errors.append(invalid_value("fieldManager", manager, "invalid character"))
    if call.verb == "patch" and asked("force"):
        errors.append(forbidden_field("force", "may not be specified for non-apply patch"))
    _raise(_WRITES[call.verb], errors)


def check_delete(options: Object) -> None:
    """Raises ApiError 422."""
    errors = _dry_run(options.get("dryRun") or ())
    policy = options.get("propagationPolicy")
    if policy is not None and "orphanDependents" in options:
        why = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(forbidden_field("propagationPolicy", why))
    if policy not in (None, *_POLICIES):
        errors.append(not_supported("propagationPolicy", policy, (*_POLICIES, "nil")))
    _raise("DeleteOptions", errors)


def log_query(call: Call) -> tuple[tuple[str, str], ...]:
    """What of a container's log is asked for: the query that the kubelet gets. Raises ApiError
    400 or 422."""
    asked = call.request.param
    query = [(flag, "true") for flag in ("follow", "previous", "timestamps") if call.flag(flag)]
    errors: list[FieldError] = []
    for name, least in _LEAST.items():
        if text := asked(name):
            try:
                errors += at_least(name, int(text), least)
            except ValueError:
                raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
            query.append((name, text))
    if since := asked("sinceTime"):
        try:
            seconds(since)
        except ValueError:
            raise bad_request(f'parsing time "{since}" as RFC 3339: it is none') from None
        query.append(("sinceTime", since))
        if asked("sinceSeconds"):
            why = "at most one of `sinceTime` or `sinceSeconds` may be specified"
            errors.append(forbidden_field("", why))
    _raise("PodLogOptions", errors, api_version="v1", name=call.name)
    return tuple(query)


def _forbidden(why: str) -> FieldError:
    return forbidden_field(_MATCH, f"{_MATCH} {why}")


def _dry_run(values: Iterable[str]) -> list[FieldError]:
    return [error for value in values if value for error in one_of("dryRun", value, "All")]


def _raise(
    kind: str, errors: list[FieldError], api_version: str = "meta.k8s.io/v1", name: str = ""
) -> None:
    if errors:
        subject = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}
        raise invalid(subject, errors)

"""What of a container's log is asked for: the query that the kubelet gets.

Source: kubernetes, pkg/apis/core/validation/validation.go (ValidatePodLogOptions) and
pkg/registry/core/pod/strategy.go (LogLocation).
"""

from __future__ import annotations

from kube_edu.api.meta import seconds
from kube_edu.api.status import bad_request, forbidden_field, invalid, invalid_value
from kube_edu.apiserver.call import Call

_SUBJECT = {"apiVersion": "v1", "kind": "PodLogOptions"}
_LEAST = {"tailLines": 0, "limitBytes": 1, "sinceSeconds": 1}


def log_query(call: Call) -> tuple[tuple[str, str], ...]:
    """Raises ApiError 400 or 422."""
    asked = call.request.param
    query = [(flag, "true") for flag in ("follow", "previous", "timestamps") if call.flag(flag)]
    errors = []
    for name, least in _LEAST.items():
        text = asked(name)
        if not text:
            continue
        try:
            number = int(text)
        except ValueError:
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
        if number < least:
            why = "must be greater than or equal to 0" if not least else "must be greater than 0"
            errors.append(invalid_value(name, number, why))
        query.append((name, text))
    if since := asked("sinceTime"):
        _check_time(since)
        query.append(("sinceTime", since))
        if asked("sinceSeconds"):
            why = "at most one of `sinceTime` or `sinceSeconds` may be specified"
            errors.append(forbidden_field("", why))
    if errors:
        raise invalid({**_SUBJECT, "metadata": {"name": call.name}}, errors)
    return tuple(query)


def _check_time(text: str) -> None:
    try:
        seconds(text)
    except ValueError:
        raise bad_request(f'parsing time "{text}" as RFC 3339: it is none') from None

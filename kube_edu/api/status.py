"""Errors as the API tells them: the Status object, and the errors of single fields.

Texts and codes are those of apimachinery, pkg/api/errors/errors.go and
pkg/util/validation/field/errors.go.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kube_edu.api.meta import Object, name
from kube_edu.api.resources import Resource


class ApiError(Exception):
    """A request that failed, with the Status object that says so on the wire."""

    def __init__(self, status: Object) -> None:
        super().__init__(status.get("message", ""))
        self.status = status

    @property
    def code(self) -> int:
        return int(self.status.get("code", 500))

    @property
    def reason(self) -> str:
        return str(self.status.get("reason", ""))

    @property
    def message(self) -> str:
        return str(self.status.get("message", ""))


def error(code: int, reason: str, message: str, **details: Any) -> ApiError:
    """An ApiError from the parts of its Status."""
    status: Object = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    filled = {key: value for key, value in details.items() if value}
    if filled:
        status["details"] = filled
    return ApiError(status)


def success(**details: Any) -> Object:
    """The Status that answers a delete that is done."""
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    filled = {key: value for key, value in details.items() if value}
    return {**status, "details": filled} if filled else status


def not_found(resource: Resource, name: str) -> ApiError:
    return _about(404, "NotFound", resource, name, f'{resource.qualified} "{name}" not found')


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" already exists'
    return _about(409, "AlreadyExists", resource, name, message)


def conflict(resource: Resource, name: str, why: str = "") -> ApiError:
    """By default the optimistic lock's: someone else wrote the object in between."""
    why = why or (
        "the object has been modified; please apply your changes to the latest version and "
        "try again"
    )
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return _about(409, "Conflict", resource, name, message)


def forbidden(resource: Resource, name: str, why: str) -> ApiError:
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    return _about(403, "Forbidden", resource, name, f"{subject} is forbidden: {why}")


def invalid(obj: Object, errors: Sequence[FieldError]) -> ApiError:
    """422: the object's fields have these errors."""
    group = obj.get("apiVersion", "").rpartition("/")[0]
    kind = obj.get("kind", "")
    texts = list(dict.fromkeys(str(e) for e in errors))
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    subject = f"{kind}.{group}" if group else kind
    message = f'{subject} "{name(obj)}" is invalid: {listed}'
    causes = [e.cause() for e in errors]
    return error(422, "Invalid", message, name=name(obj), group=group, kind=kind, causes=causes)


def bad_request(message: str) -> ApiError:
    return error(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return error(401, "Unauthorized", "Unauthorized")


def no_such_path() -> ApiError:
    """404 for a path that no resource is served at."""
    message = "the server could not find the requested resource"
    return error(404, "NotFound", message)


def method_not_allowed() -> ApiError:
    message = "the server does not allow this method on the requested resource"
    return error(405, "MethodNotAllowed", message)


def gone(message: str) -> ApiError:
    """410 Expired: the revision asked for is compacted away; list anew."""
    return error(410, "Expired", message)


def too_old_resource_version(asked: int, oldest: int) -> ApiError:
    return gone(f"too old resource version: {asked} ({oldest})")


def too_large_resource_version(why: str) -> ApiError:
    """504 with a cause that clients know: wait a second, and ask again
    (apiserver, pkg/storage/errors.go, NewTooLargeResourceVersionError)."""
    message = f"Timeout: Too large resource version: {why}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return error(504, "Timeout", message, causes=causes, retryAfterSeconds=1)


def request_entity_too_large(message: str) -> ApiError:
    return error(413, "RequestEntityTooLarge", f"Request entity too large: {message}")


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    listed = ", ".join(accepted)
    message = (
        f"the body of the request was in an unknown format - accepted media types include: {listed}"
    )
    return error(415, "UnsupportedMediaType", message)


def not_acceptable(accepted: Sequence[str]) -> ApiError:
    message = f"only the following media types are accepted: {', '.join(accepted)}"
    return error(406, "NotAcceptable", message)


def too_many_requests(message: str, retry_after: int = 0) -> ApiError:
    return error(429, "TooManyRequests", message, retryAfterSeconds=retry_after)


def internal_error(message: str) -> ApiError:
    causes = [{"message": message}]
    return error(500, "InternalError", f"Internal error occurred: {message}", causes=causes)


def service_unavailable(message: str) -> ApiError:
    return error(503, "ServiceUnavailable", message)


def timeout(message: str) -> ApiError:
    """504: the request was not answered in time; it may yet take effect."""
    return error(504, "Timeout", f"Timeout: {message}")


def _about(code: int, reason: str, resource: Resource, name: str, message: str) -> ApiError:
    return error(code, reason, message, name=name, group=resource.group, kind=resource.plural)


# Errors of fields

_TITLES = {
    "FieldValueRequired": "Required value",
    "FieldValueInvalid": "Invalid value",
    "FieldValueTypeInvalid": "Invalid value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueNotFound": "Not found",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
}
_WITHOUT_VALUE = ("FieldValueRequired", "FieldValueForbidden", "FieldValueTooLong")


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field: a cause of a 422."""

    reason: str
    field: str
    value: Any = None
    detail: str = ""

    @property
    def body(self) -> str:
        """The message without the path: `Invalid value: "x": must be ...`."""
        text = _TITLES[self.reason]
        if self.reason not in _WITHOUT_VALUE:
            shown = "null" if self.value is None else self.value
            text += ": " + json.dumps(shown, separators=(",", ":"), ensure_ascii=False)
        return f"{text}: {self.detail}" if self.detail else text

    def cause(self) -> Object:
        return {"reason": self.reason, "message": self.body, "field": self.field}

    def __str__(self) -> str:
        return f"{self.field}: {self.body}"


def required(field: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", field, detail=detail)


def invalid_value(field: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", field, value, detail)


def not_supported(field: str, value: Any, supported: Sequence[str]) -> FieldError:
    listed = ", ".join(f'"{v}"' for v in sorted(supported))
    return FieldError("FieldValueNotSupported", field, value, f"supported values: {listed}")


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", field, value)


def not_found_value(field: str, value: Any) -> FieldError:
    return FieldError("FieldValueNotFound", field, value)


def forbidden_field(field: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", field, detail=detail)


def too_long(field: str, limit: int) -> FieldError:
    return FieldError("FieldValueTooLong", field, detail=f"may not be more than {limit} bytes")

"""Patches: an object and a change to it, in any of the three formats, to the changed object.

JSON Patch is RFC 6902, JSON Merge Patch RFC 7386; the strategic merge patch, which knows that
`containers` are told apart by name, is Kubernetes' own (see strategic.py). What each answers to
a bad patch is that of apiserver, pkg/endpoints/handlers/patch.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import jsonpatch
import jsonpointer

from kube_edu.api.meta import Object, check_depth, clone
from kube_edu.api.status import (
    ApiError,
    bad_request,
    error,
    request_entity_too_large,
    unsupported_media_type,
)
from kube_edu.api.strategic import BadPatch, strategic_merge

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"

MOST_OPERATIONS = 10_000
"""Of one JSON patch (maxJSONPatchOperations)."""

MAX_COPIED = 3 * 1024 * 1024
"""Bytes that the copies of one JSON patch may have together (AccumulatedCopySizeLimit)."""


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386: objects merge member by member, null removes, anything else replaces."""
    if not isinstance(patch, dict):
        return clone(patch)
    merged = clone(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


Merge = Callable[[Any, Any], Any]


def apply_patch(obj: Object, patch: Any, content_type: str, merge: Merge = merge_patch) -> Object:
    """A changed copy of the object; raises ApiError 400, 415 or 422."""
    if content_type == JSON_PATCH:
        return json_patch(obj, patch)
    if content_type not in (MERGE_PATCH, STRATEGIC_MERGE_PATCH):
        raise unsupported_media_type((JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH))
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: a merge patch has to be a JSON object")
    if content_type == MERGE_PATCH:
        patched: Object = merge(obj, patch)
        return patched
    try:
        return strategic_merge(obj, patch)
    except BadPatch as problem:
        raise bad_request(str(problem)) from None


def json_patch(obj: Object, operations: Any) -> Object:
    """RFC 6902: the operations one after another; if one fails, none is applied."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: a JSON patch has to be a list of operations")
    if len(operations) > MOST_OPERATIONS:
        allowed = f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}"
        raise request_entity_too_large(f"{allowed}, got {len(operations)}")
    patched: Object = clone(obj)
    copied = 0
    try:
        for operation in operations:
            lenient = [_as_go_applies(patched, operation)]
            copied += _size_of_copy(patched, lenient[0])
            if copied > MAX_COPIED:
                raise _rejected()
            patched = jsonpatch.apply_patch(patched, lenient, in_place=True)
        check_depth([patched])
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException):
        raise _rejected() from None
    except (ValueError, RecursionError):  # nested too deep
        raise _rejected() from None
    if not isinstance(patched, dict):
        raise _rejected()
    return patched


def _size_of_copy(document: Any, operation: Object) -> int:
    """How many bytes of JSON an operation copies: each could double the object."""
    if operation.get("op") != "copy" or not isinstance(operation.get("from"), str):
        return 0
    return len(json.dumps(jsonpointer.JsonPointer(operation["from"]).resolve(document, None)))


def _as_go_applies(document: Any, operation: Any) -> Object:
    """The library that Kubernetes uses is laxer than the RFC: `replace` also adds a member, and
    a negative index counts from the end (evanphx/json-patch v4)."""
    if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
        raise bad_request("error decoding patch: an operation has to be an object with a path")
    *path, last = jsonpointer.JsonPointer(operation["path"]).parts or [""]
    parent = jsonpointer.JsonPointer.from_parts(path).resolve(document, None)
    if isinstance(parent, dict) and operation.get("op") == "replace":
        return {**operation, "op": "add"}
    if isinstance(parent, list) and re.fullmatch("-[0-9]+", last):
        index = len(parent) + int(last) + (operation.get("op") == "add")
        pointer = jsonpointer.JsonPointer.from_parts([*path, str(index)])
        return {**operation, "path": pointer.path}
    return operation


def _rejected() -> ApiError:
    message = "the server rejected our request due to an error in our request"
    return error(422, "Invalid", message)

"""Request bodies: from whatever the client sent to a clean object of the kind expected.

A body is already an object (in the simulation), or bytes in JSON, YAML or Kubernetes' protobuf.
Whatever is wrong with it is told as a Status (apiserver, pkg/endpoints/handlers/rest.go,
transformDecodeError).
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from kube_edu.api import conversion, manifest, schema
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError, bad_request, unsupported_media_type
from kube_edu.apiserver import protobuf, strictjson
from kube_edu.apiserver.call import Call
from kube_edu.apiserver.queryoptions import check_delete
from kube_edu.host import Request

JSON, YAML = "application/json", "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"


def read_object(call: Call, api_version: str, kind: str) -> Object:
    """The request's body, which has to be an object of this kind (saying so itself is optional):
    typed, without unknown fields, a copy. Unknown fields are told as fieldValidation asks."""
    body = read_body(call, kind)
    if not isinstance(body, dict):
        raise _unrecognized(kind, f"cannot unmarshal {type(body).__name__} into an object")
    said = {"apiVersion": api_version, "kind": kind} | {k: v for k, v in body.items() if v != ""}
    return typed(call, said, api_version, kind)


def typed(call: Call, obj: Object, api_version: str, kind: str) -> Object:
    """A clean copy of an object that says it is of this kind, with metadata, in the version in
    which it is stored; raises ApiError when it is not, or a field has the wrong type."""
    _check_kind(obj, api_version, kind)
    validation = call.request.param("fieldValidation") or "Warn"
    clean, unknown = schema.decode(obj)
    problems = [f'duplicate field "{path}"' for path in call.twice]
    problems += [f'unknown field "{path}"' for path in unknown]
    if problems and validation == "Strict":
        raise schema.strict_error(obj, problems)
    if validation == "Warn":
        call.warnings += problems
    clean.setdefault("metadata", {})
    return conversion.to_stored(clean)


def read_options(call: Call) -> Object:
    """The DeleteOptions of a DELETE, from the body, else from the query; raises ApiError 422. The
    call is told when they ask for a dry run."""
    options = _body_options(call) if call.request.body else _query_options(call)
    check_delete(options)
    call.dry_run |= "All" in (options.get("dryRun") or ())
    return options


def _body_options(call: Call) -> Object:
    body = read_body(call, "DeleteOptions")
    if not isinstance(body, dict) or body.get("kind", "DeleteOptions") != "DeleteOptions":
        raise _unrecognized("DeleteOptions", "the body of a delete has to be DeleteOptions")
    # Every group knows DeleteOptions as its own kind; they are all the same.
    return schema.decode({**body, "apiVersion": "v1", "kind": "DeleteOptions"})[0]


def _query_options(call: Call) -> Object:
    options: Object = {"dryRun": call.request.params("dryRun")}
    if call.request.param("gracePeriodSeconds"):
        options["gracePeriodSeconds"] = call.number("gracePeriodSeconds")
    if call.request.param("propagationPolicy"):
        options["propagationPolicy"] = call.request.param("propagationPolicy")
    if call.request.param("orphanDependents"):
        options["orphanDependents"] = call.flag("orphanDependents")
    return options


def read_body(call: Call, kind: str = "") -> Any:
    """The body as JSON data, or None where there is none; without a kind it is a patch. Raises
    ApiError 400 or 415."""
    request, body = call.request, call.request.body
    if not isinstance(body, (bytes, str)):
        return body
    data = body.encode() if isinstance(body, str) else body
    media_type = media_type_of(request) or JSON
    if not data:
        raise _unrecognized(kind, "unexpected end of JSON input")
    try:
        if media_type == PROTOBUF:
            return protobuf.decode(data)
        if media_type.endswith("yaml"):
            return manifest.load(data)
        if media_type.endswith("json"):
            value, call.twice = strictjson.loads(data)
            return _without_surrogates(value) if rb"\ud" in data.lower() else value
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        text = " ".join(str(error).split())
        raise _unrecognized(kind, f"{media_type} parse error: {text}") from None
    raise unsupported_media_type((JSON, YAML, PROTOBUF))


def _without_surrogates(value: Any) -> Any:
    r"""Halves of characters ("\ud800") cannot be stored; Go replaces them too."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def media_type_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _check_kind(obj: Object, api_version: str, kind: str) -> None:
    got_version, got_kind = obj.get("apiVersion"), obj.get("kind")
    if not isinstance(got_version, str) or not isinstance(got_kind, str):
        raise _unrecognized(kind, "apiVersion and kind have to be strings")
    if got_version != api_version:
        raise bad_request(
            f"the API version in the data ({got_version}) does not match the expected API "
            f"version ({api_version})"
        )
    if got_kind != kind:
        version = api_version.rpartition("/")[2]
        raise bad_request(
            f'{got_kind} in version "{version}" cannot be handled as a {kind}: converting '
            f"({version}.{got_kind}) to ({version}.{kind}): unknown conversion"
        )


def _unrecognized(kind: str, why: str) -> ApiError:
    if not kind:
        return bad_request(f"error decoding patch: {why}")
    return bad_request(
        f"the object provided is unrecognized (must be of type {kind}): couldn't get "
        f"version/kind; {why}"
    )

"""OpenAPI v3: the schemas of one group and version, as kubectl reads them.

`kubectl explain` draws from the components; `apply` and `create` look whether the write operations
of a kind take `fieldValidation` (then the server validates, and kubectl need not).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache

from kube_edu.api import schema
from kube_edu.api.meta import Object
from kube_edu.api.resources import RESOURCES, Resource
from kube_edu.api.status import no_such_path

_JSON = "application/json"

V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""`/openapi/v2` is answered with an empty document of this type: kubectl then goes by its own Go
types, and says of an unknown kind that it is unknown."""


def index() -> Object:
    """`/openapi/v3`: where each group's document is."""
    paths = {}
    for group_path in dict.fromkeys(_group_path(r) for r in RESOURCES):
        content = json.dumps(document(group_path), sort_keys=True).encode()
        digest = hashlib.sha256(content).hexdigest()[:32].upper()
        url = f"/openapi/v3/{group_path}?hash={digest}"
        paths[group_path] = {"serverRelativeURL": url}
    return {"paths": paths}


@cache
def document(group_path: str) -> Object:
    """`/openapi/v3/apis/apps/v1`; raises ApiError 404."""
    resources = [r for r in RESOURCES if _group_path(r) == group_path]
    if not resources:
        raise no_such_path()
    paths: Object = {}
    for resource in resources:
        paths |= dict(_paths(resource))
    roots = [_definition_name(resource) for resource in resources]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.33.0"},
        "paths": paths,
        "components": {"schemas": _components(roots)},
    }


def _group_path(resource: Resource) -> str:
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


def _definition_name(resource: Resource) -> str:
    whole = schema.definition(resource.api_version, resource.kind)
    return next(name for name, found in schema.definitions().items() if found is whole)


def _paths(resource: Resource) -> Iterator[tuple[str, Object]]:
    collection = resource.path("{namespace}")
    operation = _operation(resource)
    write = {**operation, "parameters": [_parameter("fieldValidation"), _parameter("dryRun")]}
    write["requestBody"] = {"content": {"*/*": {"schema": _reference(_definition_name(resource))}}}
    yield collection, {"get": operation, "post": write}
    yield (
        f"{collection}/{{name}}",
        {"get": operation, "put": write, "patch": write, "delete": operation},
    )


def _operation(resource: Resource) -> Object:
    answer = {"schema": _reference(_definition_name(resource))}
    return {
        "responses": {"200": {"description": "OK", "content": {_JSON: answer}}},
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        },
    }


def _parameter(name: str) -> Object:
    return {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}


def _reference(name: str) -> Object:
    return {"$ref": f"#/components/schemas/{name}"}


def _components(roots: list[str]) -> Object:
    """The definitions that these need, directly or not."""
    found: Object = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _as_openapi(schema.definitions()[name], waiting)
    return dict(sorted(found.items()))


def _as_openapi(part: Object, needed: list[str]) -> Object:
    """A JSON schema as OpenAPI 3.0 writes it: null is no type, and nothing stands beside $ref."""
    result: Object = {key: value for key, value in part.items() if key != "$schema"}
    if "$ref" in part:
        name = result.pop("$ref").removeprefix("#/$defs/")
        needed.append(name)
        return {**result, "allOf": [_reference(name)]} if result else _reference(name)
    if isinstance(part.get("type"), list):
        result["type"] = part["type"][0]
    if "properties" in part:
        properties = part["properties"].items()
        result["properties"] = {name: _as_openapi(field, needed) for name, field in properties}
    for key in ("items", "additionalProperties"):
        if isinstance(part.get(key), dict):
            result[key] = _as_openapi(part[key], needed)
    for key in ("oneOf", "anyOf"):
        if key in part:
            result[key] = [_as_openapi(choice, needed) for choice in part[key]]
    return result

"""OpenAPI v3: the schemas and operations of one group and version, as clients read them.

`kubectl explain` draws from the components; `apply` and `create` look whether the write operations
of a kind take `fieldValidation` (then the server validates, and kubectl need not). Source:
apiserver, pkg/endpoints/installer.go.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache

from kube_edu.api import schema, tables
from kube_edu.api.meta import Object
from kube_edu.api.patch import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from kube_edu.api.resources import RESOURCES, SUBRESOURCES, Resource
from kube_edu.api.status import no_such_path

V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""`/openapi/v2` is answered with an empty document of this type: kubectl then goes by its own Go
types, and says of an unknown kind that it is unknown."""

_JSON = "application/json"
_PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH)
_METHODS = {
    "create": "post", "delete": "delete", "deletecollection": "delete", "get": "get",
    "list": "get", "patch": "patch", "update": "put",
}  # fmt: skip

_Kind = tuple[str, str, str]
"""Group, version and kind."""


@cache
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
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.33.0"},
        "paths": paths,
        "components": {"schemas": _components(_references(paths))},
    }


def _group_path(resource: Resource) -> str:
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


# Paths


def _paths(resource: Resource) -> Iterator[tuple[str, Object]]:
    """A resource's collection (in one namespace and in all), its objects, their subresources."""
    collection = resource.path("{namespace}")
    kind = (resource.group, resource.version, resource.kind)
    listed = (resource.group, resource.version, resource.list_kind)
    verbs = [verb for verb in resource.verbs if verb != "watch"]
    of_all = [verb for verb in verbs if verb in ("create", "list", "deletecollection")]
    yield collection, _path_item(collection, of_all, kind, listed)
    if resource.namespaced and "list" in verbs:
        yield resource.path(), _path_item(resource.path(), ["list"], kind, listed)
    of_one = [verb for verb in verbs if verb not in of_all]
    if of_one:
        yield f"{collection}/{{name}}", _path_item(f"{collection}/{{name}}", of_one, kind, kind)
    for name in resource.subresources:
        path, about = f"{collection}/{{name}}/{name}", SUBRESOURCES[name]
        spoken = (about.group, about.version, about.kind) if about.kind else kind
        yield path, _path_item(path, about.verbs, spoken, spoken)


def _path_item(path: str, verbs: Iterable[str], kind: _Kind, listed: _Kind) -> Object:
    named = [name for name in ("name", "namespace") if f"{{{name}}}" in path]
    item: Object = {_METHODS[verb]: _operation(verb, kind, listed) for verb in verbs}
    if named:
        item["parameters"] = [_parameter(name, "string", "path") for name in named]
    return item


def _operation(verb: str, kind: _Kind, listed: _Kind) -> Object:
    group, version, name = kind
    answer = listed if verb == "list" else kind
    if verb.startswith("delete"):
        answer = ("", "v1", "Status")
    operation: Object = {
        "responses": {"200": {"description": "OK", "content": {_JSON: _schema(answer)}}},
        "x-kubernetes-action": "post" if verb == "create" else verb.replace("update", "put"),
        "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": name},
    }
    if rows := tables.read("parameters").get(verb):
        query = (row.split() for row in rows)
        operation["parameters"] = [_parameter(name, type, "query") for name, type in query]
    if verb == "patch":
        anything: Object = {"schema": {"type": "object"}}
        operation["requestBody"] = {"content": dict.fromkeys(_PATCHES, anything)}
    elif verb.startswith("delete"):
        operation["requestBody"] = {"content": {_JSON: _schema(("", "v1", "DeleteOptions"))}}
    elif verb in ("create", "update"):
        operation["requestBody"] = {"content": {_JSON: _schema(kind)}, "required": True}
    return operation


def _parameter(name: str, type: str, place: str) -> Object:
    parameter: Object = {"name": name, "in": place, "schema": {"type": type, "uniqueItems": True}}
    return {**parameter, "required": True} if place == "path" else parameter


def _schema(kind: _Kind) -> Object:
    group, version, name = kind
    api_version = f"{group}/{version}" if group else version
    return {"schema": _reference(schema.definition_name(api_version, name))}


# Schemas


def _reference(name: str) -> Object:
    return {"$ref": f"#/components/schemas/{name}"}


def _references(part: object) -> Iterator[str]:
    """The definitions to which a part of the document refers."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):  # and not a field of that name
            yield part["$ref"].rpartition("/")[2]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def _components(roots: Iterable[str]) -> Object:
    """The definitions that these need, directly or not."""
    found: Object = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _as_openapi(schema.definitions()[name])
            waiting += _references(found[name])
    return dict(sorted(found.items()))


def _as_openapi(part: Object) -> Object:
    """A JSON schema as OpenAPI 3.0 writes it: null is no type, and nothing stands beside $ref."""
    result: Object = {key: value for key, value in part.items() if key != "$schema"}
    if "$ref" in part:
        reference = _reference(result.pop("$ref").removeprefix("#/$defs/"))
        return {**result, "allOf": [reference]} if result else reference
    if isinstance(part.get("type"), list):
        result["type"] = part["type"][0]
    if "properties" in part:
        properties = part["properties"].items()
        result["properties"] = {name: _as_openapi(field) for name, field in properties}
    for key in ("items", "additionalProperties"):
        if isinstance(part.get(key), dict):
            result[key] = _as_openapi(part[key])
    for key in ("oneOf", "anyOf"):
        if key in part:
            result[key] = [_as_openapi(choice) for choice in part[key]]
    return result

"""The types of all fields of all built-in kinds, and the decoding of objects by them.

The schemas are those that Kubernetes 1.33 publishes as its OpenAPI document; the package
kubernetes-validate carries them as a data file. They are compiled, at first use, to one small
function a type, so that decoding a pod takes a few dozen microseconds.
"""

from __future__ import annotations

import base64
import binascii
import functools
import importlib.util
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kube_edu.api import quantity, tables
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError, bad_request
from kube_edu.api.tables import Row

Schema = dict[str, Any]
"""One JSON schema definition, with Kubernetes' own x-kubernetes-* keys."""


def decode(obj: Object) -> tuple[Object, list[str]]:
    """A clean copy of an object as received, and the paths of its unknown fields.

    As after a trip through Kubernetes' Go structs, unknown fields and nulls are gone, quantities
    and times are in their canonical form. A value of the wrong type raises a BadRequest error.
    """
    name = definition_name(obj.get("apiVersion", ""), obj.get("kind", ""))
    unknown: list[str] = []
    try:
        return _decoder(name)(obj, "", unknown), unknown
    except _WrongType as error:
        raise cannot_be_handled(obj, f"json: cannot unmarshal {error}") from None
    except ValueError as error:
        raise cannot_be_handled(obj, str(error)) from None


def strict_error(obj: Object, problems: list[str]) -> ApiError:
    """What fieldValidation=Strict answers to unknown and duplicate fields."""
    return cannot_be_handled(obj, f"strict decoding error: {', '.join(problems)}")


def cannot_be_handled(obj: Object, why: str) -> ApiError:
    """400: the body is no object of its kind."""
    kind = obj.get("kind", "")
    version = obj.get("apiVersion", "").rpartition("/")[2]
    return bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')


# Looking at schemas


@functools.cache
def definitions() -> dict[str, Schema]:
    """All definitions, by names such as "io.k8s.api.core.v1.PodSpec"."""
    spec = importlib.util.find_spec("kubernetes_validate")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "kubernetes-json-schema" / "v1.33.0-local"
    loaded: dict[str, Schema] = json.loads((folder / "_definitions.json").read_bytes())["$defs"]
    return loaded


def definition(api_version: str, kind: str) -> Schema:
    """The definition of a kind; KeyError when it is unknown."""
    return definitions()[definition_name(api_version, kind)]


def resolved(schema: Schema) -> Schema:
    """The definition that a schema refers to, or the schema itself."""
    reference = schema.get("$ref")
    return schema if reference is None else definitions()[_referent(reference)]


def properties(schema: Schema) -> dict[str, Schema]:
    found: dict[str, Schema] = resolved(schema).get("properties", {})
    return found


def field(schema: Schema | None, name: str) -> Schema | None:
    """The schema of one field of a struct or value of a map; None where nothing is known."""
    if schema is None:
        return None
    whole = resolved(schema)
    values = whole.get("additionalProperties")
    return whole.get("properties", {}).get(name) or (values if isinstance(values, dict) else None)


def items(schema: Schema | None) -> Schema | None:
    """The schema of a list's elements."""
    return None if schema is None else resolved(schema).get("items")


@functools.cache
def structs(name: str) -> dict[str, str]:
    """The fields of a type that hold structs, one or a list of them, and of what types."""
    found = {}
    for field, part in definitions()[name].get("properties", {}).items():
        reference = part.get("$ref") or part.get("items", {}).get("$ref", "")
        inner = _referent(reference)
        if "properties" in definitions().get(inner, {}):
            found[field] = inner
    return found


def short_name(name: str) -> str:
    """ "PodSpec"."""
    return name.rpartition(".")[2]


def rows(table: str, name: str) -> list[Row]:
    """The rows of a table about a type: by its short name, or "discovery.v1.EndpointPort"."""
    found = tables.read(table)
    texts = found.get(short_name(name), []) + found.get(".".join(name.split(".")[-3:]), [])
    return [Row.parse(text) for text in texts]


def merge_key(schema: Schema | None) -> str | None:
    """Which field tells a list's elements apart in a strategic merge patch; None for lists of
    plain values and those that are replaced whole."""
    return None if schema is None else schema.get("x-kubernetes-patch-merge-key")


@functools.cache
def _names_by_kind() -> dict[tuple[str, str], str]:
    found = {}
    for name, schema in definitions().items():
        for gvk in schema.get("x-kubernetes-group-version-kind", ()):
            version = f"{gvk['group']}/{gvk['version']}" if gvk["group"] else gvk["version"]
            found[version, gvk["kind"]] = name
    return found


def definition_name(api_version: str, kind: str) -> str:
    """The name of a kind's definition; KeyError when it is unknown."""
    return _names_by_kind()[api_version, kind]


def _referent(reference: str) -> str:
    return reference.removeprefix("#/$defs/")


# Decoding: one function a type, from (value, path, unknown fields so far) to the clean value


_Decoder = Callable[[Any, str, list[str]], Any]


_INDEX = re.compile(r"\[.*?\]")


class _WrongType(Exception):
    """A value of the wrong type, told as Go's json.UnmarshalTypeError tells it."""

    def __init__(self, value: Any, type: str, *, exact: bool = False) -> None:
        self.found = _json_type(value) + (f" {value}" if exact else "")
        self.type = type
        self.field = ""

    def __str__(self) -> str:
        where = f"struct field {self.field}" if self.field else "value"
        return f"{self.found} into Go {where} of type {self.type}"


def _json_type(value: Any) -> str:
    names = {str: "string", bool: "bool", dict: "object", list: "array"}
    return names.get(type(value), "number")


@functools.cache
def _decoder(name: str) -> _Decoder:
    if name in _SPECIAL:
        return _SPECIAL[name]
    schema = definitions()[name]
    if "properties" not in schema:
        return _compile(schema)
    return _struct(schema, *_go_names(name))


def _compile(schema: Schema) -> _Decoder:
    if "$ref" in schema:
        name = _referent(schema["$ref"])
        # Looked up at use: a type may contain itself.
        return lambda value, path, unknown: _decoder(name)(value, path, unknown)
    type = _type(schema)
    if type == "array":
        return _list(schema["items"])
    if type == "object":
        values = schema.get("additionalProperties")
        return _map(values) if isinstance(values, dict) else _anything
    if type == "integer":
        return _integer(schema.get("format", "int64"))
    if schema.get("format") == "byte":
        return _bytes
    if schema.get("format") == "date-time":
        return _time
    return {"string": _string, "boolean": _boolean, "number": _number}[type]


def _struct(schema: Schema, go_name: str, go_type: str) -> _Decoder:
    fields: dict[str, Schema] = schema["properties"]
    decoders = {name: _compile(part) for name, part in fields.items()}
    # Go writes out what is required even where nobody set it, as "", 0 or false.
    needed = [name for name in schema.get("required", ()) if "$ref" not in fields[name]]
    zeros = {name: _zero(fields[name]) for name in needed if _type(fields[name]) in _SCALARS}
    # And it leaves out lists and maps in which there is nothing, as `omitempty` says.
    kept = (*needed, *_KEPT_EMPTY.get(go_name, ()))
    omitted = {n for n, part in fields.items() if n not in kept and _is_collection(part)}

    def decode_struct(value: Any, path: str, unknown: list[str]) -> Any:
        if type(value) is not dict:
            raise _WrongType(value, go_type)
        clean = {}
        for name, item in value.items():
            decoder = decoders.get(name)
            where = f"{path}.{name}" if path else name
            if decoder is None:
                unknown.append(where)
            elif item is not None:
                try:
                    decoded = decoder(item, where, unknown)
                except _WrongType as error:
                    error.field = error.field or f"{go_name}.{_INDEX.sub('', where)}"
                    raise
                if decoded or name not in omitted:
                    clean[name] = decoded
        for name, zero in zeros.items():
            clean.setdefault(name, zero)
        return clean

    return decode_struct


# Lists that Go writes out although they are empty and not required.
_KEPT_EMPTY = {"ClusterRole": ("rules",), "EndpointSlice": ("ports",), "Role": ("rules",)}


def _is_collection(schema: Schema) -> bool:
    return _type(schema) == "array" or isinstance(schema.get("additionalProperties"), dict)


def _list(items: Schema) -> _Decoder:
    decoder, zero, go_type = _compile(items), _zero(items), f"[]{_go_type(items)}"

    def decode_list(value: Any, path: str, unknown: list[str]) -> Any:
        if type(value) is not list:
            raise _WrongType(value, go_type)
        return [
            decoder(zero if item is None else item, f"{path}[{i}]", unknown)
            for i, item in enumerate(value)
        ]

    return decode_list


def _map(values: Schema) -> _Decoder:
    decoder, zero, go_type = _compile(values), _zero(values), f"map[string]{_go_type(values)}"

    def decode_map(value: Any, path: str, unknown: list[str]) -> Any:
        if type(value) is not dict:
            raise _WrongType(value, go_type)
        return {
            key: decoder(zero if item is None else item, f"{path}[{key}]", unknown)
            for key, item in value.items()
        }

    return decode_map


def _integer(format: str) -> _Decoder:
    bound = 2 ** (31 if format == "int32" else 63)

    def decode_integer(value: Any, path: str, unknown: list[str]) -> Any:
        if type(value) is int and -bound <= value < bound:
            return value
        raise _WrongType(value, format, exact=type(value) in (int, float))

    return decode_integer


def _scalar(go_type: str, *types: type) -> _Decoder:
    def decode_scalar(value: Any, path: str, unknown: list[str]) -> Any:
        if type(value) in types:
            return value
        raise _WrongType(value, go_type)

    return decode_scalar


_string = _scalar("string", str)
_boolean = _scalar("bool", bool)
_number = _scalar("float64", int, float)
_int_or_string = _scalar("int32", int, str)


def _anything(value: Any, path: str, unknown: list[str]) -> Any:
    return value


def _quantity(value: Any, path: str, unknown: list[str]) -> Any:
    if type(value) not in (str, int, float):
        raise _WrongType(value, "resource.Quantity")
    return quantity.canonical(value)


def _bytes(value: Any, path: str, unknown: list[str]) -> Any:
    try:
        base64.b64decode(_string(value, path, unknown), validate=True)
    except binascii.Error as error:
        raise ValueError(f"illegal base64 data in {path}: {error}") from None
    return value


_CANONICAL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def _time(value: Any, path: str, unknown: list[str]) -> Any:
    text = _string(value, path, unknown)
    if _CANONICAL_TIME.fullmatch(text):
        return text
    return _moment(text).strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(value: Any, path: str, unknown: list[str]) -> Any:
    return _moment(_string(value, path, unknown)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # told below, as a time without a zone is
    layout = "2006-01-02T15:04:05Z07:00"
    raise ValueError(f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"')


_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_SPECIAL: dict[str, _Decoder] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": _quantity,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    f"{_META}Time": _time,
    f"{_META}MicroTime": _micro_time,
}


def _go_names(definition: str) -> tuple[str, str]:
    """ "PodSpec" and "v1.PodSpec"."""
    package, name = definition.split(".")[-2:]
    return name, f"{package}.{name}"


def _go_type(schema: Schema) -> str:
    if "$ref" in schema:
        return _go_names(_referent(schema["$ref"]))[1]
    name = _type(schema)
    if name == "array":
        return f"[]{_go_type(schema['items'])}"
    return {"boolean": "bool", "integer": str(schema.get("format", "int64"))}.get(name, name)


def _type(schema: Schema) -> str:
    """The JSON type, of which "null" is always an alternative too."""
    types = schema.get("type", "object")
    return types if isinstance(types, str) else str(types[0])


_SCALARS: dict[str, Any] = {"string": "", "boolean": False, "integer": 0, "number": 0}


def _zero(schema: Schema) -> Any:
    """What Go has where nothing was given: in place of a null in a list, for instance."""
    if "$ref" in schema:
        name = _referent(schema["$ref"])
        return {"Quantity": "0", "IntOrString": 0}.get(_go_names(name)[0], {})
    return [] if _type(schema) == "array" else _SCALARS.get(_type(schema), {})

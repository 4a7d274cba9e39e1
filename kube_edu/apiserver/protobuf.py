"""Kubernetes' protobuf request bodies, decoded into plain JSON objects.

kubectl from 1.32 on sends its typed requests (`create deployment`, `auth can-i`, ...) as
`application/vnd.kubernetes.protobuf` and does not fall back to JSON; answers may always be JSON,
so a decoder is enough. The envelope is four magic bytes and a `runtime.Unknown`
(apimachinery/pkg/runtime/serializer/protobuf); field numbers are in data/protobuf.json.

Go's encoder sends the zero value of every field that is not a pointer, so a zero is left out
here, as `omitempty` does, unless the table marks the field (replicas: 0 is not "no replicas").
"""

from __future__ import annotations

import base64
import datetime
import json
import struct
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from kube_edu.api.meta import Object
from kube_edu.apiserver import strictjson
from kube_edu.wire.protobuf import fields, read_varint

MAGIC = b"k8s\x00"


def decode(body: bytes) -> Object:
    """The object in an envelope; raises ValueError when it cannot be one."""
    if not body.startswith(MAGIC):
        raise ValueError("provided data does not appear to be a protobuf message")
    try:
        return _envelope(_parts(body[len(MAGIC) :]))
    except (IndexError, OverflowError, OSError, struct.error) as error:
        raise ValueError("proto: unexpected EOF") from error


def _envelope(envelope: dict[int, Any]) -> Object:
    type_meta = {
        number: _bytes(value).decode() for number, value in _parts(envelope.get(1, b"")).items()
    }
    api_version, kind = type_meta.get(1, ""), type_meta.get(2, "")
    message = _message_name(api_version, kind)
    if message not in _table():
        raise ValueError(f'no kind "{kind}" is registered for version "{api_version}"')
    content = _message(message, _bytes(envelope.get(2, b"")))
    return {"apiVersion": api_version, "kind": kind, **content}


def _message_name(api_version: str, kind: str) -> str:
    group, _, version = api_version.rpartition("/")
    if kind == "DeleteOptions":
        return "meta.v1.DeleteOptions"  # every group serves it as its own
    return f"{(group or 'core').split('.')[0]}.{version}.{kind}"


class _Field(NamedTuple):
    name: str
    type: str
    kind: str
    """"" one value, "?" one value kept when zero, "[]" repeated, "{}" map from strings."""


@cache
def _table() -> dict[str, str]:
    text = resources.files(__package__).joinpath("data/protobuf.json").read_text()
    messages: dict[str, str] = json.loads(text)["messages"]
    return messages


@cache
def _fields_of(message: str) -> dict[int, _Field]:
    found = {}
    for row in _table()[message].split("; "):
        number, name, type_ = row.split(" ")
        plain = type_.rstrip("[]{}?")
        found[int(number)] = _Field(name, plain, type_[len(plain) :])
    return found


def _message(message: str, data: bytes) -> Object:
    """Decode one message. Unknown field numbers are skipped, as protobuf asks."""
    known = _fields_of(message)
    result: Object = {}
    for number, _, raw in fields(data):
        if (field := known.get(number)) is None:
            continue
        if field.kind == "{}":
            entry = _parts(raw)
            key = _bytes(entry.get(1, b"")).decode()
            result.setdefault(field.name, {})[key] = _value(field.type, entry.get(2, b""))
        elif field.kind == "[]":
            items = result.setdefault(field.name, [])
            packed = field.type.startswith("int") and isinstance(raw, bytes)
            items.extend(_packed(raw) if packed else [_value(field.type, raw)])
        elif field.name == ".":
            result.update(_value(field.type, raw))
        elif (value := _value(field.type, raw)) or field.kind == "?":
            result[field.name] = value
        elif isinstance(value, dict):
            result[field.name] = value  # an empty struct says something: `emptyDir: {}`
    return result


def _value(type_: str, raw: Any) -> Any:
    match type_:
        case "string":
            return _bytes(raw).decode()
        case "int32" | "int64":
            return _signed(raw)
        case "bool":
            return bool(raw)
        case "bytes":
            return base64.b64encode(_bytes(raw)).decode()
        case "double":
            return struct.unpack("<d", struct.pack("<Q", raw))[0]
        case "resource.Quantity":
            return _bytes(_parts(raw).get(1, b"0")).decode()
        case "intstr.IntOrString":
            parts = _parts(raw)
            if parts.get(1):
                return _bytes(parts.get(3, b"")).decode()
            return _signed(parts.get(2, 0))
        case "runtime.RawExtension" | "meta.v1.FieldsV1":
            return strictjson.loads(_parts(raw).get(1, b"{}"))[0]
        case "meta.v1.Time" | "meta.v1.MicroTime":
            return _time(_parts(raw), type_)
        case "authentication.v1.ExtraValue":
            return [_bytes(item).decode() for _, _, item in fields(_bytes(raw))]
        case _:
            return _message(type_, _bytes(raw))


def _time(parts: dict[int, Any], type_: str) -> str | None:
    """Time and MicroTime are {seconds, nanos}; the zero time is sent as an empty message."""
    if not parts:
        return None
    moment = datetime.datetime.fromtimestamp(_signed(parts.get(1, 0)), datetime.UTC)
    if type_ == "meta.v1.Time":
        return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{parts.get(2, 0) // 1000:06d}Z"


def _parts(data: Any) -> dict[int, Any]:
    """The fields of a message that has no repeated ones, by number."""
    return {number: raw for number, _, raw in fields(_bytes(data))}


def _packed(data: bytes) -> list[int]:
    values, position = [], 0
    while position < len(data):
        value, position = read_varint(data, position)
        values.append(_signed(value))
    return values


def _signed(value: Any) -> int:
    """Negative numbers travel as 64-bit two's complement."""
    if not isinstance(value, int):
        raise ValueError("proto: wrong wireType for an integer")
    return value - (1 << 64) if value >= 1 << 63 else value


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("proto: wrong wireType for bytes")
    return value

"""Protocol buffers for dataclasses: the wire format of etcd, driven by the dataclass itself.

A message is a dataclass whose fields carry their protobuf number in their metadata and say the
rest with their type: `int` (int64, or uint64 where the metadata says so), `bool`, `str`, `bytes`,
an `IntEnum`, another message, `X | None` for a field with presence (nested messages and the arms
of a oneof), `tuple[X, ...]` for a repeated one. Fields without presence that hold their default
are left out, as in proto3; fields with unknown numbers are skipped.

    @dataclass(frozen=True, slots=True)
    class PutRequest:
        key: bytes = pb(1, b"")
        lease: int = pb(3, 0)

See the encoding guide of the protobuf documentation ("Encoding").
"""

from __future__ import annotations

import dataclasses
import functools
import struct
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


class DecodeError(ValueError):
    """The bytes are not a message of this kind."""


def pb(number: int, default: Any, *, unsigned: bool = False) -> Any:
    """A dataclass field with its protobuf number."""
    return dataclasses.field(default=default, metadata={"number": number, "unsigned": unsigned})


def encode(message: Any) -> bytes:
    """The bytes of a message."""
    out = bytearray()
    for name, default, write in _codec(type(message)).writers:
        value = getattr(message, name)
        if value != default:
            write(out, value)
    return bytes(out)


def decode(cls: type[T], data: bytes) -> T:
    """The message of class `cls` that these bytes hold; raises DecodeError."""
    values: dict[str, Any] = {}
    readers = _codec(cls).readers
    try:
        for number, wire, raw in fields(data):
            reader = readers.get(number)
            if reader is None:
                continue
            name, wire_expected, repeated, read = reader
            if repeated and wire == LENGTH != wire_expected:  # packed numbers
                values.setdefault(name, []).extend(read(value) for value in _varints(raw))
            elif wire != wire_expected:
                raise DecodeError(f"field {name} of {cls.__name__} has wire type {wire}")
            elif repeated:
                values.setdefault(name, []).append(read(raw))
            else:
                values[name] = read(raw)
    except (struct.error, ValueError) as error:
        raise DecodeError(f"not a {cls.__name__}: {error}") from error
    return cls(**{k: tuple(v) if type(v) is list else v for k, v in values.items()})


def message(cls: type[T], body: Any) -> T:
    """A body as a message: off a socket it is bytes, in memory it is the message already."""
    return decode(cls, body) if isinstance(body, bytes) else body


def fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """The (field number, wire type, raw value) triples of a message, whatever its kind: an int
    for numbers (unsigned, as on the wire), bytes for everything that has a length."""
    position, end = 0, len(data)
    while position < end:
        tag, position = read_varint(data, position)
        wire = tag & 7
        value: Any
        if wire == VARINT:
            value, position = read_varint(data, position)
        elif wire == LENGTH:
            length, start = read_varint(data, position)
            position = start + length
            if position > end:
                raise DecodeError("a field is longer than its message")
            value = data[start:position]
        elif wire == FIXED64:
            (value,) = struct.unpack_from("<Q", data, position)
            position += 8
        elif wire == FIXED32:
            (value,) = struct.unpack_from("<I", data, position)
            position += 4
        else:
            raise DecodeError(f"unknown wire type {wire}")
        yield tag >> 3, wire, value


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at `position`, and the position behind it."""
    value, shift = 0, 0
    try:
        if (byte := data[position]) < 128:  # most are
            return byte, position + 1
        while True:
            byte = data[position]
            position += 1
            if byte < 128:
                return value | byte << shift, position
            value |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise DecodeError("a number is longer than 64 bits")
    except IndexError:
        raise DecodeError("a number is cut off") from None


def write_varint(out: bytearray, value: int) -> None:
    """Append a number; a negative one as its 64-bit two's complement."""
    if 0 <= value < 128:
        out.append(value)
    else:
        out += _varint(value)


@functools.lru_cache(maxsize=1024)  # identities, terms and revisions come again and again
def _varint(value: int) -> bytes:
    out = bytearray()
    value %= 1 << 64
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


# -- one codec a class, made from its annotations on first use --------------------------------

Writer = Callable[[bytearray, Any], None]


class _Codec(typing.NamedTuple):
    writers: list[tuple[str, Any, Writer]]
    readers: dict[int, tuple[str, int, bool, Callable[[Any], Any]]]


_CODECS: dict[type, _Codec] = {}


def _codec(cls: type) -> _Codec:
    if cls not in _CODECS:
        _CODECS[cls] = _make_codec(cls)
    return _CODECS[cls]


def _make_codec(cls: Any) -> _Codec:
    hints = typing.get_type_hints(cls)
    codec = _Codec([], {})
    for field in sorted(dataclasses.fields(cls), key=lambda field: int(field.metadata["number"])):
        kind, repeated = _kind(hints[field.name])
        number = field.metadata["number"]
        wire = LENGTH if kind in (str, bytes) or dataclasses.is_dataclass(kind) else VARINT
        write = _writer(number << 3 | wire, kind)
        codec.writers.append((field.name, field.default, _each(write) if repeated else write))
        reader = _reader(kind, bool(field.metadata.get("unsigned")))
        codec.readers[number] = (field.name, wire, repeated, reader)
    return codec


def _kind(hint: Any) -> tuple[type, bool]:
    """The type of one value, and whether the field is repeated."""
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)[0], True
    if isinstance(hint, types.UnionType):
        return typing.get_args(hint)[0], False
    return hint, False


def _writer(tag: int, kind: type) -> Writer:
    head = bytearray()
    write_varint(head, tag)
    prefix = bytes(head)

    def write_number(out: bytearray, value: Any) -> None:
        out += prefix
        write_varint(out, value)

    def write_bytes(out: bytearray, value: Any) -> None:
        data = value if kind is bytes else value.encode() if kind is str else encode(value)
        out += prefix
        write_varint(out, len(data))
        out += data

    return write_bytes if tag & 7 == LENGTH else write_number


def _each(write: Writer) -> Writer:
    def write_each(out: bytearray, values: Any) -> None:
        for value in values:
            write(out, value)

    return write_each


def _reader(kind: type, unsigned: bool) -> Callable[[Any], Any]:
    if kind is str:
        return bytes.decode
    if kind is int and not unsigned:
        return lambda value: value - (1 << 64) if value >= 1 << 63 else value
    if dataclasses.is_dataclass(kind):
        return functools.partial(decode, kind)
    return kind


def _varints(data: bytes) -> Iterator[int]:
    position = 0
    while position < len(data):
        value, position = read_varint(data, position)
        yield value

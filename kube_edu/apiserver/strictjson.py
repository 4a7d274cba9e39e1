"""JSON bodies, with a note of the keys that stand twice in one object.

Go's decoder takes the last of them and, under strict field validation, tells of it
(sigs.k8s.io/json, UnmarshalStrict).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isinf
from typing import Any

from kube_edu.api.meta import check_depth


def loads(data: bytes) -> tuple[Any, list[str]]:
    """The value, and the paths of duplicate fields; raises ValueError."""
    twice: list[_Twice] = []

    def from_pairs(pairs: list[tuple[str, Any]]) -> Any:
        plain = dict(pairs)
        if len(plain) == len(pairs):
            return plain
        found = _Twice(plain)
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen and name not in found.names:
                found.names.append(name)
            seen.add(name)
        twice.append(found)
        return found

    value = json.loads(
        data,
        object_pairs_hook=from_pairs,
        parse_constant=_no_number,
        parse_float=_float,
        parse_int=_int,
    )
    check_depth([value])
    return (_plain(value), list(_paths(value, ""))) if twice else (value, [])


class _Twice(dict[str, Any]):
    """An object in which some names stood twice."""

    def __init__(self, plain: dict[str, Any]) -> None:
        super().__init__(plain)
        self.names: list[str] = []


def _paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        at = f"{path}." if path else ""
        if isinstance(value, _Twice):
            yield from (at + name for name in value.names)
        for name, part in value.items():
            yield from _paths(part, at + name)
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from _paths(part, f"{path}[{i}]")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _no_number(text: str) -> Any:
    raise ValueError(f"invalid character '{text[0]}' looking for beginning of value")


def _int(text: str) -> int | float:
    number = int(text)
    return number if -(2**63) <= number < 2**63 else _float(text)


def _float(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError(f"cannot unmarshal number {text[:20]} into Go value of type float64")
    return number

"""What single fields have to be: rows of data/rules.txt, by type, and what the schemas require.

Source: kubernetes, pkg/apis/*/validation/validation.go.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from kube_edu.api import names, quantity, quota, schema, tables
from kube_edu.api.meta import Object
from kube_edu.api.selectors import LabelSelector, SelectorError
from kube_edu.api.status import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid_value,
    not_supported,
    required,
)
from kube_edu.api.tables import Row

Errors = Iterator[FieldError]

Rule = Callable[[str, Any], Errors]
"""From a field's path and value to what is wrong with it."""


def check(obj: Object) -> list[FieldError]:
    """What is wrong with the fields of an object, each for itself; its metadata and status are
    not looked at."""
    errors: list[FieldError] = []
    parts = {name: value for name, value in obj.items() if name not in _NOT_CHECKED}
    _check(schema.definition_name(obj["apiVersion"], obj["kind"]), parts, "", errors)
    return errors


def check_change(new: Object, old: Object) -> Errors:
    """What has changed of the fields that may not."""
    for path, rule, why in _fixed(schema.definition_name(new["apiVersion"], new["kind"])):
        if values_at(new, path) != values_at(old, path):
            if rule == "fixed":
                yield forbidden_field(path, why)
            else:
                value = next((value for _, value in values_at(new, path)), None)
                yield invalid_value(path, value, why or "field is immutable")


def values_at(root: Any, path: str) -> list[tuple[str, Any]]:
    """Every value that a path leads to, each with its own path: "spec.ports[0].port"."""
    found = [("", root)]
    for name, is_list in _steps(path):
        found = [
            (f"{where}.{name}" if where else name, value[name])
            for where, value in found
            if isinstance(value, dict) and value.get(name) is not None
        ]
        if is_list:
            found = [
                (f"{where}[{i}]", item) for where, items in found for i, item in enumerate(items)
            ]
    return found


@functools.cache
def _steps(path: str) -> tuple[tuple[str, bool], ...]:
    return tuple((part.removesuffix("[]"), part.endswith("[]")) for part in path.split("."))


def _check(type: str, struct: Object, prefix: str, errors: list[FieldError]) -> None:
    """Look at the fields of a struct, and then at what is inside them."""
    facts = _facts(type)
    for row in facts.required:
        if struct.get(row.field) in (None, "", []) and row.holds(struct):
            errors.append(required(prefix + row.field, " ".join(row.words[1:])))
    for row, rule in facts.rules:
        if row.holds(struct):
            for where, value in values_at(struct, row.field):
                errors += rule(prefix + where, value)
    for name, part in struct.items():
        inner = facts.structs.get(name)
        if inner is None:
            continue
        if isinstance(part, list):
            for i, item in enumerate(part):
                _check(inner, item, f"{prefix}{name}[{i}].", errors)
        else:
            _check(inner, part, f"{prefix}{name}.", errors)


class _Facts(NamedTuple):
    """What there is to check in a type."""

    required: list[Row]
    rules: list[tuple[Row, Rule]]
    structs: dict[str, str]
    """The fields that hold structs, and of what types."""


_NOT_CHECKED = ("apiVersion", "kind", "metadata", "status")
# Required by the schema, and yet allowed to be empty.
_MAY_BE_EMPTY = ("drivers", "endpoints", "value")
_OF_CHANGES = ("fixed", "immutable")


@functools.cache
def _facts(type: str) -> _Facts:
    needed = schema.definitions()[type].get("required", [])
    of_schema = [name for name in needed if name not in (*_NOT_CHECKED, *_MAY_BE_EMPTY)]
    facts = _Facts([Row.parse(name) for name in of_schema], [], schema.structs(type))
    for row in schema.rows("rules", type):
        name, *words = row.words
        if name == "required":
            facts.required.append(row)
        elif name not in _OF_CHANGES:
            arguments = [tables.value(word) for word in words]
            facts.rules.append((row, functools.partial(_apply, _RULES[name], arguments)))
    return facts


def _apply(rule: Callable[..., Errors], arguments: list[Any], path: str, value: Any) -> Errors:
    return rule(path, value, *arguments)


@functools.cache
def _fixed(type: str) -> tuple[tuple[str, str, str], ...]:
    rows = [(row.field, *row.words) for row in schema.rows("rules", type)]
    return tuple((path, rule, " ".join(why)) for path, rule, *why in rows if rule in _OF_CHANGES)


# The rules, from a field's path and value, and a row's arguments


def amount(path: str, value: Any) -> Errors:
    """A number or a percentage, as in a Deployment's maxSurge."""
    if isinstance(value, int):
        yield from at_least(path, value, 0)
    else:
        yield from _formed(path, value, "percent")


def at_least(path: str, value: Any, low: int) -> Errors:
    if value < low:
        why = f"greater than or equal to {low}" if low == 0 else f"greater than {low - 1}"
        yield invalid_value(path, value, f"must be {why}")


def between(path: str, value: Any, low: int, high: int) -> Errors:
    if isinstance(value, int) and not low <= value <= high:
        yield invalid_value(path, value, f"must be between {low} and {high}, inclusive")


def forbidden(path: str, value: Any, *why: str) -> Errors:
    yield forbidden_field(path, " ".join(why))


def keyed(path: str, value: Any, form: str) -> Errors:
    """A map, each key of which is well-formed."""
    for key in value:
        yield from _formed(f"{path}[{key}]", key, form)


def labels(path: str, value: Any) -> Errors:
    for key, text in value.items():
        yield from _formed(path, key, "qualified_name")
        yield from _formed(path, text, "label_value")


def listed(path: str, value: Any, name: str) -> Errors:
    """A text of a block of data/lists.txt."""
    yield from one_of(path, value, *tables.read("lists")[name])


def named(path: str, value: Any, form: str) -> Errors:
    """A text of one of the forms of names.py, if there is one."""
    if value:
        yield from _formed(path, value, form)


def _formed(path: str, value: Any, form: str) -> Errors:
    for problem in getattr(names, form)(value):
        yield invalid_value(path, value, problem)


def one_kind(path: str, value: Any, what: str, *kinds: str) -> Errors:
    """A struct that is what one of its fields makes of it."""
    found = [kind for kind in kinds if kind in value]
    if not found:
        yield required(path, f"must specify a {what} type")
    for extra in found[1:]:
        yield forbidden_field(f"{path}.{extra}", f"may not specify more than 1 {what} type")


def one_of(path: str, value: Any, *supported: str) -> Errors:
    if value not in supported:
        yield not_supported(path, value, supported)


def quantities(path: str, value: Any) -> Errors:
    """A map of quantities, none of them negative; what is counted comes in whole numbers."""
    for resource, text in value.items():
        number = quantity.parse(text)
        if number < 0:
            why = "must be greater than or equal to 0"
            yield invalid_value(f"{path}[{resource}]", text, why)
        if resource.startswith(quota.WHOLE) and number % 1:
            yield invalid_value(f"{path}[{resource}]", text, "must be an integer")


def selector(path: str, value: Any) -> Errors:
    try:
        LabelSelector.from_dict(value)
    except SelectorError as problem:
        yield invalid_value(path, value, str(problem))


def unique(path: str, value: Any, key: str = "") -> Errors:
    """No two elements of a list are the same, or have the same key."""
    found = [item.get(key) if key else item for item in value]
    for i, name in enumerate(found):
        if name and name in found[:i]:
            yield duplicate(f"{path}[{i}]" + (f".{key}" if key else ""), name)


_ALL: tuple[Callable[..., Errors], ...] = (
    amount, at_least, between, forbidden, keyed, labels, listed, named, one_kind, one_of,
    quantities, selector, unique,
)  # fmt: skip
_RULES = {rule.__name__: rule for rule in _ALL}

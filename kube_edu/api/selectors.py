"""Label selectors and field selectors: which objects a list, a watch or a Service means.

Source: apimachinery, pkg/labels/selector.go, pkg/fields/selector.go and
pkg/apis/meta/v1/helpers.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kube_edu.api import names, tables
from kube_edu.api.meta import Object, at

Labels = Mapping[str, str]


class SelectorError(ValueError):
    """A selector that cannot be parsed; its text is what the API server answers with 400."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label. Operators are written as in selector texts:
    "=", "==", "!=", "in", "notin", "exists", "!", "gt", "lt"."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "=" | "==" | "in":
                return value in self.values
            case "!=" | "notin":
                return value not in self.values
        if value is None or not _is_integer(value):
            return False
        bound = int(self.values[0])
        return int(value) > bound if self.operator == "gt" else int(value) < bound

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(self.values)})"
        sign = {"gt": ">", "lt": "<"}.get(self.operator, self.operator)
        return f"{self.key}{sign}{self.values[0]}"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All of these requirements together; with none, everything matches."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False
    """Matches no object at all: what the absent selector (null) of a spec means."""

    @classmethod
    def parse(cls, text: str) -> LabelSelector:
        """From the text of `kubectl get -l`: "app=web,tier in (a,b),!canary"."""
        return cls(tuple(sorted(_Parser(text).requirements(), key=lambda r: r.key)))

    @classmethod
    def from_dict(cls, selector: Object | None) -> LabelSelector:
        """From {"matchLabels": ..., "matchExpressions": ...}, as in spec.selector of workloads."""
        if selector is None:
            return cls(nothing=True)
        found = [
            _checked(key, "=", [value])
            for key, value in (selector.get("matchLabels") or {}).items()
        ]
        for expression in selector.get("matchExpressions") or ():
            operator = expression.get("operator", "")
            if operator not in _EXPRESSION_OPERATORS:
                raise SelectorError(f'"{operator}" is not a valid label selector operator')
            values = expression.get("values") or []
            found.append(_checked(expression["key"], _EXPRESSION_OPERATORS[operator], values))
        return cls(tuple(sorted(found, key=lambda r: r.key)))

    def matches(self, labels: Labels) -> bool:
        return not self.nothing and all(r.matches(labels) for r in self.requirements)

    @property
    def empty(self) -> bool:
        """Whether it selects everything."""
        return not self.requirements and not self.nothing

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


_EXPRESSION_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def _is_integer(text: str) -> bool:
    return re.fullmatch("[+-]?[0-9]+", text) is not None


def _checked(key: str, operator: str, values: list[str]) -> Requirement:
    """A requirement whose key and values are well-formed (labels.NewRequirement)."""
    problems = [f"<nil>: Invalid value: {_quoted(key)}: {p}" for p in names.qualified_name(key)]
    if operator in ("in", "notin") and not values:
        problems.append(
            "values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty"
        )
    for i, value in enumerate(values):
        if operator in ("gt", "lt") and not _is_integer(value):
            problems.append(
                f"values[{i}]: Invalid value: {_quoted(value)}: for 'Gt', 'Lt' operators, the "
                "value must be an integer"
            )
        where = f"values[{i}][{key}]"
        problems += [
            f"{where}: Invalid value: {_quoted(value)}: {p}" for p in names.label_value(value)
        ]
    if problems:
        raise SelectorError(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")
    return Requirement(key, operator, tuple(sorted(set(values))))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


_TOKEN = re.compile(r"==|!=|[=!(),<>]|[^\s=!(),<>]+")
_OPERATORS = {"=": "=", "==": "==", "!=": "!=", "in": "in", "notin": "notin", ">": "gt", "<": "lt"}


class _Parser:
    """A recursive-descent parser of label selector texts. The words "in" and "notin" are
    operators only where an operator may stand; elsewhere they are ordinary names."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = [*_TOKEN.findall(text), ""]

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        while token := self.tokens[0]:
            if not self._is_name(token) and token != "!":
                raise SelectorError(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            separator = self._next()
            if separator == "":
                break
            if separator != ",":
                raise SelectorError(f"found '{separator}', expected: ',' or 'end of string'")
            if not self._is_name(self.tokens[0]) and self.tokens[0] != "!":
                raise SelectorError(f"found '{self.tokens[0]}', expected: identifier after ','")
        return found

    def _requirement(self) -> Requirement:
        negated = self.tokens[0] == "!"
        if negated:
            self._next()
        key = self._next()
        if not self._is_name(key):
            raise SelectorError(f"found '{key}', expected: identifier")
        if negated:
            return _checked(key, "!", [])
        if self.tokens[0] in ("", ","):
            return _checked(key, "exists", [])
        _checked(key, "exists", [])  # a bad key is reported before whatever follows it
        sign = self._next()
        if sign not in _OPERATORS:
            raise SelectorError(f"found '{sign}', expected: in, notin, =, ==, !=, gt, lt")
        operator = _OPERATORS[sign]
        values = self._set() if operator in ("in", "notin") else [self._value()]
        return _checked(key, operator, values)

    def _value(self) -> str:
        if self.tokens[0] in ("", ","):
            return ""
        value = self._next()
        if not self._is_name(value):
            raise SelectorError(f"found '{value}', expected: identifier")
        return value

    def _set(self) -> list[str]:
        """The values between parentheses; an empty place counts as the empty string."""
        if (token := self._next()) != "(":
            raise SelectorError(f"found '{token}' expected: '('")
        values = []
        while True:
            values.append(self._next() if self._is_name(self.tokens[0]) else "")
            token = self._next()
            if token == ")":
                return values
            if token != ",":
                raise SelectorError(f"found '{token}', expected: ',' or ')'")

    def _next(self) -> str:
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]

    @staticmethod
    def _is_name(token: str) -> bool:
        return token != "" and token[0] not in "=!(),<>"


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One condition on one field: "=" or "!=" a text."""

    field: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All of these requirements together; with none, everything matches."""

    requirements: tuple[FieldRequirement, ...] = ()

    @classmethod
    def parse(cls, text: str, kind: str | None = None) -> FieldSelector:
        """From the text of `--field-selector`: "spec.nodeName=n1,status.phase!=Running". With a
        kind, fields that cannot be selected by for it are refused."""
        parts = sorted(part for part in re.split(r"(?<!\\),", text) if part)
        selector = cls(tuple(_field_requirement(part, text) for part in parts))
        if kind is None:
            return selector
        selector._check(kind)
        renamed = (replace(r, field=_ALIASES.get(r.field, r.field)) for r in selector.requirements)
        return cls(tuple(renamed))

    def matches(self, obj: Object) -> bool:
        for requirement in self.requirements:
            equal = _field(obj, requirement.field) == requirement.value
            if equal != (requirement.operator == "="):
                return False
        return True

    def exact(self, field: str) -> str:
        """What a field has to be; "" where that is left open (RequiresExactMatch)."""
        asked = (r.value for r in self.requirements if (r.field, r.operator) == (field, "="))
        return next(asked, "")

    @property
    def empty(self) -> bool:
        return not self.requirements

    def __str__(self) -> str:
        return ",".join(f"{r.field}{r.operator}{_escaped(r.value)}" for r in self.requirements)

    def _check(self, kind: str) -> None:
        for requirement in self.requirements:
            field = requirement.field
            beyond = tables.read("selectable").get(kind, [])
            selectable = (*_META_FIELDS, *beyond)
            if field in selectable or _ALIASES.get(field) in selectable:
                continue
            if beyond:
                raise SelectorError(f"field label not supported: {field}")
            known = ", ".join(f'"{name}"' for name in _META_FIELDS)
            raise SelectorError(f'"{field}" is not a known field selector: only {known}')


_META_FIELDS = ("metadata.name", "metadata.namespace")

# What fields are called elsewhere: in events.k8s.io/v1, or in a selector alone.
_ALIASES = {
    "reportingController": "reportingComponent",
    "status.successful": "status.succeeded",
    **{
        f"regarding.{field}": f"involvedObject.{field}"
        for field in ("apiVersion", "fieldPath", "kind", "name", "namespace", "uid")
    },
}

# What an absent field stands for, where that is not the empty string.
_ABSENT = {"spec.unschedulable": "false", "spec.hostNetwork": "false", "status.replicas": "0",
           "status.succeeded": "0"}  # fmt: skip


def _field(obj: Object, field: str) -> str:
    """A field's value as a text, as field selectors compare it."""
    if field == "source":
        return _field(obj, "source.component") or _field(obj, "reportingComponent")
    value = at(obj, field)
    if value is None:
        return _ABSENT.get(field, "")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _field_requirement(part: str, whole: str) -> FieldRequirement:
    found = re.search("!=|==|=", part)
    if found is None:
        raise SelectorError(f"invalid selector: '{whole}'; can't understand '{part}'")
    operator = "!=" if found[0] == "!=" else "="
    return FieldRequirement(part[: found.start()], operator, _unescaped(part[found.end() :]))


def _unescaped(text: str) -> str:
    r"""A value without its escapes: only `\\`, `\,` and `\=` are known."""
    for escape in re.findall(r"\\.|\\$|[,=]", text):
        if escape in (",", "="):
            raise SelectorError(
                f"invalid field selector: unescaped character in value: {ord(escape)}"
            )
        if escape not in (r"\\", r"\,", r"\="):
            raise SelectorError(f"invalid field selector: invalid escape sequence: {escape}")
    return re.sub(r"\\(.)", r"\1", text)


def _escaped(text: str) -> str:
    return re.sub(r"([\\,=])", r"\\\1", text)

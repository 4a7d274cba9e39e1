"""Which names, labels and keys are well-formed; each check answers with what is wrong.

Source: apimachinery, pkg/util/validation/validation.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kube_edu.api import tables

NameCheck = Callable[[str], list[str]]
"""From a name to what is wrong with it, in words; nothing when it is well-formed."""


def _shape(name: str) -> NameCheck:
    """A check of length and characters, by a block of data/names.txt."""
    facts: dict[str, list[str]] = {}
    for row in tables.read("names")[name]:
        fact, text = row.split(maxsplit=1)
        facts.setdefault(fact, []).append(text)
    (pattern,), (rule,) = facts["pattern"], facts["rule"]
    limit = int(facts["limit"][0]) if "limit" in facts else None
    shown = " or ".join(f"'{example}', " for example in facts.get("example", ()))
    text = f"{rule} (e.g. {shown}regex used for validation is '{pattern}')"

    def check(value: str) -> list[str]:
        too_long = limit is not None and len(value) > limit
        problems = [f"must be no more than {limit} characters"] if too_long else []
        return problems if re.fullmatch(pattern, value) else [*problems, text]

    return check


dns1123_subdomain = _shape("dns1123_subdomain")
"""Names of most objects."""

dns1035_label = _shape("dns1035_label")
"""Names of services: they become DNS names."""

http_header = _shape("http_header")
label_value = _shape("label_value")
percent = _shape("percent")
wildcard_subdomain = _shape("wildcard_subdomain")
_config_key = _shape("config_key")
_label = _shape("dns1123_label")
_label_key = _shape("label_key")
_name_part = _shape("name_part")
_variable = _shape("variable")


def dns1123_label(value: str) -> list[str]:
    """Names of namespaces, containers, service ports."""
    if "." in value and not dns1123_subdomain(value):
        return ["must not contain dots"]
    return _label(value)


def qualified_name(value: str) -> list[str]:
    """Keys of labels and annotations: "name" or "example.com/name"."""
    prefix, slash, part = value.rpartition("/")
    if "/" in prefix:
        form = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [problem + form for problem in _label_key(value)]
    problems = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif prefix:
        problems += [f"prefix part {problem}" for problem in dns1123_subdomain(prefix)]
    if not part:
        problems.append("name part must be non-empty")
    return problems + [f"name part {problem}" for problem in _name_part(part)]


def config_map_key(value: str) -> list[str]:
    """Keys of ConfigMaps and Secrets: they become file names."""
    return _config_key(value) + _not_a_parent_directory(value)


def env_var_name(value: str) -> list[str]:
    return _variable(value) + _not_a_parent_directory(value)


def _not_a_parent_directory(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def port_name(value: str) -> list[str]:
    """Names of container ports (RFC 6335 service names)."""
    problems = ["must be no more than 15 characters"] if len(value) > 15 else []
    if not re.fullmatch("[-a-z0-9]+", value):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        problems.append("must contain at least one letter (a-z)")
    if "--" in value:
        problems.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def host(value: str) -> list[str]:
    """The host of an Ingress rule; a star may stand for its first label."""
    return (wildcard_subdomain if "*" in value else dns1123_subdomain)(value)


def cron_schedule(value: str) -> list[str]:
    """When a CronJob runs: five fields, or "@daily" and its like (robfig/cron, ParseStandard)."""
    if value.startswith("@"):
        return [] if value in _SCHEDULES else [f"unrecognized descriptor: {value}"]
    fields = value.split()
    if len(fields) != len(_CRON_FIELDS):
        return [f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"]
    problems = (_cron_field(*row) for row in zip(fields, _CRON_FIELDS, strict=True))
    return [problem for problem in problems if problem]


_SCHEDULES = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_CRON_FIELDS: list[tuple[int, int, list[str]]] = [
    (0, 59, []), (0, 23, []), (1, 31, []), (1, 12, _MONTHS), (0, 6, _DAYS),
]  # fmt: skip


def _cron_field(field: str, limits: tuple[int, int, list[str]]) -> str:
    """A list of numbers, ranges and steps: "*/15", "1,3-5"."""
    low, high, words = limits
    for part in field.lower().split(","):
        span, slash, step = part.partition("/")
        ends = ["*"] if span in ("*", "?") else span.split("-")
        numbers = [low if end == "*" else _cron_number(end, low, words) for end in ends]
        bad_step = slash and not (step.isdecimal() and int(step))
        if bad_step or len(ends) > 2 or None in numbers:
            return f"failed to parse {part}"
        if any(number is not None and not low <= number <= high for number in numbers):
            return f"{part} is out of range ({low} to {high})"
    return ""


def _cron_number(text: str, low: int, words: list[str]) -> int | None:
    if text in words:
        return words.index(text) + low
    return int(text) if text.isdecimal() and text.isascii() else None


def path_segment(value: str) -> list[str]:
    """Names that need only fit into a URL, such as those of RBAC roles."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in value]


def prefix_of(check: NameCheck, prefix: str) -> list[str]:
    """Check a `generateName`, which may end in a hyphen."""
    return check(prefix[:-1] + "a" if prefix.endswith("-") else prefix)


BY_KIND: dict[str, NameCheck] = {
    "ClusterRole": path_segment,
    "ClusterRoleBinding": path_segment,
    "Namespace": dns1123_label,
    "Role": path_segment,
    "RoleBinding": path_segment,
    "Service": dns1035_label,
}
"""How objects are named, where not by a DNS subdomain."""

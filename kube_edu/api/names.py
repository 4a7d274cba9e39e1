"""Which names, labels and keys are well-formed; each check answers with what is wrong.

Source: apimachinery, pkg/util/validation/validation.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable

NameCheck = Callable[[str], list[str]]
"""From a name to what is wrong with it, in words; nothing when it is well-formed."""


def dns1123_label(value: str) -> list[str]:
    """Names of namespaces, containers, container ports."""
    problems = _too_long(value, 63)
    if not _matches(_LABEL, value):
        dotted = _matches(_SUBDOMAIN, value)
        problems.append("must not contain dots" if dotted else _LABEL_TEXT)
    return problems


def dns1123_subdomain(value: str) -> list[str]:
    """Names of most objects."""
    return _too_long(value, 253) + _unless(_SUBDOMAIN, value, _SUBDOMAIN_TEXT)


def dns1035_label(value: str) -> list[str]:
    """Names of services: they become DNS names."""
    return _too_long(value, 63) + _unless(_DNS1035, value, _DNS1035_TEXT)


def label_value(value: str) -> list[str]:
    return _too_long(value, 63) + _unless(_LABEL_VALUE, value, _LABEL_VALUE_TEXT)


def qualified_name(value: str) -> list[str]:
    """Keys of labels and annotations: "name" or "example.com/name"."""
    prefix, slash, part = value.rpartition("/")
    if "/" in prefix:
        return [_QUALIFIED_TEXT]
    problems = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif prefix:
        problems += [f"prefix part {problem}" for problem in dns1123_subdomain(prefix)]
    if not part:
        problems.append("name part must be non-empty")
    problems += [f"name part {problem}" for problem in _too_long(part, 63)]
    return problems + _unless(_QUALIFIED, part, _NAME_PART_TEXT)


def config_map_key(value: str) -> list[str]:
    """Keys of ConfigMaps and Secrets: they become file names."""
    problems = _too_long(value, 253) + _unless(_CONFIG_KEY, value, _CONFIG_KEY_TEXT)
    return problems + _not_a_parent_directory(value)


def env_var_name(value: str) -> list[str]:
    return _unless(_ENV_NAME, value, _ENV_NAME_TEXT) + _not_a_parent_directory(value)


def port_name(value: str) -> list[str]:
    """Names of container ports (RFC 6335 service names)."""
    problems = _too_long(value, 15)
    if not _matches("[-a-z0-9]+", value):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        problems.append("must contain at least one letter (a-z)")
    if "--" in value:
        problems.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def path_segment(value: str) -> list[str]:
    """Names that need only fit into a URL, such as those of RBAC roles."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in value]


def prefix_of(check: NameCheck, prefix: str) -> list[str]:
    """Check a `generateName`, which may end in a hyphen."""
    return check(prefix[:-1] + "a" if prefix.endswith("-") else prefix)


_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_ENV_NAME = "[-._a-zA-Z][-._a-zA-Z0-9]*"


def _rule(text: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {shown}regex used for validation is '{pattern}')"


_LABEL_TEXT = _rule(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character",
    _LABEL,
    "my-name",
    "123-abc",
)
_SUBDOMAIN_TEXT = _rule(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_DNS1035_TEXT = _rule(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character",
    _DNS1035,
    "my-name",
    "abc-123",
)
_CHARACTERS = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character"
)
_NAME_EXAMPLES = ("MyName", "my.name", "123-abc")
_NAME_PART_TEXT = _rule(f"name part {_CHARACTERS}", _QUALIFIED, *_NAME_EXAMPLES)
_QUALIFIED_TEXT = (
    _rule(f"a valid label key {_CHARACTERS}", _QUALIFIED, *_NAME_EXAMPLES)
    + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)
_LABEL_VALUE_TEXT = _rule(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character",
    _LABEL_VALUE,
    "MyValue",
    "my_value",
    "12345",
)
_CONFIG_KEY_TEXT = _rule(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _CONFIG_KEY,
    "key.name",
    "KEY_NAME",
    "key-name",
)
_ENV_NAME_TEXT = _rule(
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', "
    "or '.', and must not start with a digit",
    _ENV_NAME,
    "my.env-name",
    "MY_ENV.NAME",
    "MyEnvName1",
)


def _matches(pattern: str, value: str) -> bool:
    return re.fullmatch(pattern, value) is not None


def _unless(pattern: str, value: str, problem: str) -> list[str]:
    return [] if _matches(pattern, value) else [problem]


def _too_long(value: str, limit: int) -> list[str]:
    return [f"must be no more than {limit} characters"] if len(value) > limit else []


def _not_a_parent_directory(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []

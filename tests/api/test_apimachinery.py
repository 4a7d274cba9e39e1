"""Our quantities, selectors, names and patches answer as Kubernetes' own libraries do.

The cases are in tests/data/apimachinery.json; None in the place of an answer means: refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kube_edu.api import names, patch, quantity, schema
from kube_edu.api.meta import Object
from kube_edu.api.resources import STORED
from kube_edu.api.selectors import FieldSelector, LabelSelector, SelectorError
from kube_edu.api.status import ApiError
from kube_edu.client.apply import three_way

FACTS = json.loads((Path(__file__).parents[1] / "data/apimachinery.json").read_text())
VERSIONS = {resource.kind: resource.api_version for resource in STORED}


def facts(section: str) -> Any:
    return pytest.mark.parametrize("case", FACTS[section], ids=_id)


def _id(case: Any) -> str:
    return str(case)[:40]


def refused(error: type[Exception], call: Callable[[], object]) -> None:
    with pytest.raises(error):
        call()


@facts("quantity")
def test_quantity(case: Any) -> None:
    text, canonical, value, milli = case
    if canonical is None:
        refused(ValueError, lambda: quantity.parse(text))
        return
    assert quantity.canonical(text) == canonical
    if value is not None:
        assert quantity.whole(quantity.parse(text)) == int(value)
    if milli is not None:
        assert quantity.milli(quantity.parse(text)) == int(milli)


@facts("quantity_arithmetic")
def test_quantity_arithmetic(case: Any) -> None:
    a, operation, b, style, result = case
    left, right = quantity.parse(a), quantity.parse(b)
    if operation == "cmp":
        assert (left > right) - (left < right) == result
    else:
        total = left + right if operation == "add" else left - right
        assert quantity.format(total, style) == result


@facts("label_selector")
def test_label_selector(case: Any) -> None:
    text, canonical = case
    if canonical is None:
        refused(SelectorError, lambda: LabelSelector.parse(text))
        return
    assert str(LabelSelector.parse(text)) == canonical


@facts("label_match")
def test_label_selector_matches(case: Any) -> None:
    selector = LabelSelector.parse(case[0])
    assert [selector.matches(labels) for labels, _ in case[1]] == [match for _, match in case[1]]


@facts("structured_selector")
def test_structured_selector(case: Any) -> None:
    selector, text, matches = case
    if not matches:
        refused(SelectorError, lambda: LabelSelector.from_dict(selector))
        return
    parsed = LabelSelector.from_dict(selector)
    assert str(parsed) == text
    assert [parsed.matches(labels) for labels, _ in matches] == [match for _, match in matches]


@facts("field_selector")
def test_field_selector(case: Any) -> None:
    text, canonical = case
    if canonical is None:
        refused(SelectorError, lambda: FieldSelector.parse(text))
        return
    assert str(FieldSelector.parse(text)) == canonical


@facts("field_match")
def test_field_selector_matches(case: Any) -> None:
    selector = FieldSelector.parse(case[0])
    found = [selector.matches(_nested(fields)) for fields, _ in case[1]]
    assert found == [match for _, match in case[1]]


def _nested(fields: dict[str, str]) -> Object:
    obj: Object = {}
    for path, value in fields.items():
        *parents, last = path.split(".")
        part = obj
        for parent in parents:
            part = part.setdefault(parent, {})
        part[last] = value
    return obj


@facts("percent")
def test_a_share_of_a_whole(case: Any) -> None:
    value, whole, up, share = case
    if share is None:
        refused(ValueError, lambda: quantity.share(value, whole, round_up=up))
    else:
        assert quantity.share(value, whole, round_up=up) == share


NAME_CHECKS: dict[str, names.NameCheck] = {
    "configMapKey": names.config_map_key,
    "dns1035Label": names.dns1035_label,
    "dns1123Label": names.dns1123_label,
    "dns1123Subdomain": names.dns1123_subdomain,
    "envVarName": names.env_var_name,
    "generateNameIsDNSLabel": lambda text: names.prefix_of(names.dns1123_label, text),
    "generateNameIsDNSSubdomain": lambda text: names.prefix_of(names.dns1123_subdomain, text),
    "httpHeaderName": names.http_header,
    "labelValue": names.label_value,
    "nameIsDNS1035Label": names.dns1035_label,
    "nameIsDNSSubdomain": names.dns1123_subdomain,
    "pathSegmentName": names.path_segment,
    "percent": names.percent,
    "portName": names.port_name,
    "qualifiedName": names.qualified_name,
    "wildcardDNS1123Subdomain": names.wildcard_subdomain,
}


@facts("name")
def test_name(case: Any) -> None:
    check, text, valid, messages = case
    problems = NAME_CHECKS[check](text)
    assert (not problems) == valid
    assert problems == messages


def _patched(case: Object, media_type: str) -> None:
    kind = case.get("kind", "Pod")
    doc = {"apiVersion": VERSIONS[kind], "kind": kind, **case["doc"]}
    if "result" not in case:
        refused(ApiError, lambda: patch.apply_patch(doc, case["patch"], media_type))
        return
    result = patch.apply_patch(doc, case["patch"], media_type)
    given = {key for key in ("apiVersion", "kind") if key in case["doc"]}
    assert {k: v for k, v in result.items() if k in given or k not in ("apiVersion", "kind")} == (
        case["result"]
    )


@facts("strategic_patch")
def test_strategic_merge_patch(case: Any) -> None:
    _patched(case, patch.STRATEGIC_MERGE_PATCH)


@facts("json_patch")
def test_json_patch(case: Any) -> None:
    _patched(case, patch.JSON_PATCH)


@facts("merge_patch")
def test_merge_patch(case: Any) -> None:
    assert patch.merge_patch(case["doc"], case["patch"]) == case["result"]


@pytest.mark.parametrize("case", [*FACTS["apply"], *FACTS["difference"]], ids=_id)
def test_a_patch_of_ours_has_the_effect_of_kubectls(case: Any) -> None:
    """Ours leaves out the order of elements; what comes of it is the same. Where nobody else has
    changed anything, the current state is the original."""
    kind, original = case["kind"], case["original"]
    current = case.get("current", original)
    live = {"apiVersion": VERSIONS[kind], "kind": kind, **current}
    definition = schema.definition(VERSIONS[kind], kind)
    ours = three_way(case["modified"], original, current, definition)
    made, expected = (
        patch.apply_patch(live, change, patch.STRATEGIC_MERGE_PATCH)
        for change in (ours, case["result"])
    )
    assert _unordered(made) == _unordered(expected)


def _unordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unordered(part) for key, part in value.items()}
    if isinstance(value, list):
        return sorted(map(_unordered, value), key=lambda item: json.dumps(item, sort_keys=True))
    return value

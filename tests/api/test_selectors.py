"""Label and field selectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_edu.api.selectors import FieldSelector, LabelSelector, Requirement, SelectorError

SIGNS = st.sampled_from(["=", "!="])
KEYS, VALUES = st.sampled_from("abc"), st.sampled_from(["", "x", "y", "7", "in"])
LABELS = st.dictionaries(KEYS, VALUES)
REQUIREMENTS = st.one_of(
    st.builds(lambda k: Requirement(k, "exists"), KEYS),
    st.builds(lambda k: Requirement(k, "!"), KEYS),
    st.builds(
        lambda k, op, v: Requirement(k, op, (v,)), KEYS, st.sampled_from(["=", "!="]), VALUES
    ),
    st.builds(
        lambda k, op, v: Requirement(k, op, tuple(sorted(v))),
        KEYS,
        st.sampled_from(["in", "notin"]),
        st.sets(VALUES, min_size=1),
    ),
)


@given(st.lists(REQUIREMENTS), LABELS)
def test_a_selector_written_out_and_parsed_again_is_the_same(requirements, labels):
    selector = LabelSelector(tuple(sorted(requirements, key=lambda r: r.key)))
    assert LabelSelector.parse(str(selector)) == selector
    assert selector.matches(labels) == all(r.matches(labels) for r in requirements)


@given(LABELS, KEYS, st.sets(VALUES, min_size=1))
def test_an_operator_and_its_opposite_never_agree(labels, key, values):
    values = tuple(sorted(values))
    for one, other in (("in", "notin"), ("=", "!="), ("exists", "!")):
        some = values[:1] if one == "=" else values
        assert Requirement(key, one, some).matches(labels) != Requirement(key, other, some).matches(
            labels
        )


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        ("tier", {"tier": ""}, {}),
        ("!tier", {"x": "y"}, {"tier": ""}),
        ("! tier", {}, {"tier": "a"}),
        ("tier=a", {"tier": "a"}, {"tier": "b"}),
        ("tier!=a", {}, {"tier": "a"}),
        ("tier in (a, b)", {"tier": "b"}, {"tier": "c"}),
        ("tier notin (a)", {}, {"tier": "a"}),
        ("tier in (a,)", {"tier": ""}, {}),
        ("size > 5", {"size": "6"}, {"size": "five"}),
        ("size<5", {"size": "4"}, {}),
        ("in in (in)", {"in": "in"}, {}),
        ("a=b,c", {"a": "b", "c": ""}, {"a": "b"}),
        ("", {}, None),
    ],
)
def test_selectors_mean_what_they_say(text, matching, other):
    selector = LabelSelector.parse(text)
    assert selector.matches(matching)
    assert other is None or not selector.matches(other)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a,", "found '', expected: identifier after ','"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a!", "found '!', expected: in, notin, =, ==, !=, gt, lt"),
        ("!", "found '', expected: identifier"),
        ("a==(", "found '(', expected: identifier"),
        ("a>b", "the value must be an integer"),
        ("a=b-", "a valid label must be an empty string or consist of"),
        ("x/y/z=1", "a valid label key must consist of"),
    ],
)
def test_what_is_no_selector_is_told_precisely(text, problem):
    with pytest.raises(SelectorError) as told:
        LabelSelector.parse(text)
    assert problem in str(told.value)


def test_no_selector_selects_nothing_and_an_empty_one_everything():
    assert not LabelSelector.from_dict(None).matches({})
    assert LabelSelector.from_dict({}).matches({"any": "thing"})


def test_a_selector_of_a_spec_joins_labels_and_expressions():
    selector = LabelSelector.from_dict(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["canary"]}],
        }
    )
    assert str(selector) == "app=web,tier notin (canary)"
    assert selector.matches({"app": "web"})
    assert not selector.matches({"app": "web", "tier": "canary"})


@pytest.mark.parametrize(
    "expression",
    [
        {"key": "a", "operator": "Gt", "values": ["1"]},
        {"key": "a", "operator": "In"},
        {"key": "-", "operator": "Exists"},
    ],
)
def test_bad_expressions_are_refused(expression):
    with pytest.raises(SelectorError):
        LabelSelector.from_dict({"matchExpressions": [expression]})


POD = {
    "metadata": {"name": "p", "namespace": "shop"},
    "spec": {"nodeName": "node-1"},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("spec.nodeName=node-1", True),
        ("spec.nodeName==node-1,status.phase!=Failed", True),
        ("spec.nodeName=", False),
        ("status.podIP=", True),
        ("spec.hostNetwork=false", True),
        ("metadata.namespace!=shop", False),
    ],
)
def test_fields_are_compared_as_texts(text, matches):
    assert FieldSelector.parse(text, "Pod").matches(POD) is matches


def test_an_event_may_be_selected_by_its_source():
    event = {"reportingComponent": "kubelet", "involvedObject": {"name": "p"}}
    assert FieldSelector.parse("source=kubelet,involvedObject.name=p", "Event").matches(event)


@given(st.text())
def test_any_value_can_be_escaped(value):
    escaped = value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
    selector = FieldSelector.parse(f"metadata.name={escaped}")
    assert selector.requirements[0].value == value
    assert FieldSelector.parse(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "kind", "problem"),
    [
        ("spec.color=red", "Pod", "field label not supported: spec.color"),
        ("a=b", "ConfigMap", '"a" is not a known field selector: only "metadata.name"'),
        ("a", None, "invalid selector: 'a'; can't understand 'a'"),
        ("a=b=c", None, "unescaped character in value"),
        ("a=\\x", None, "invalid escape sequence: \\x"),
    ],
)
def test_bad_field_selectors_are_refused(text, kind, problem):
    with pytest.raises(SelectorError) as told:
        FieldSelector.parse(text, kind)
    assert problem in str(told.value)

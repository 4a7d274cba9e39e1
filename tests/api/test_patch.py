"""Patches, of all three kinds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_edu.api.meta import clone
from kube_edu.api.patch import (
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_MERGE_PATCH,
    apply_patch,
    merge_patch,
)
from kube_edu.api.status import ApiError
from tests.api.manifests import config, deployment, pod, service

VALUES = st.recursive(
    st.none() | st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)
MAPS = st.dictionaries(st.sampled_from("abc"), VALUES)


def strategic(obj, patch):
    before = clone(obj)
    patched = apply_patch(obj, patch, STRATEGIC_MERGE_PATCH)
    assert obj == before
    return patched


# Merge patch


@given(MAPS, MAPS)
def test_a_merge_patch_applied_twice_changes_nothing_more(target, patch):
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(MAPS, MAPS)
def test_a_merge_patch_leaves_alone_what_it_does_not_name(target, patch):
    merged = merge_patch(target, patch)
    assert all(merged[name] == target[name] for name in target if name not in patch)
    assert all(name not in merged for name, value in patch.items() if value is None)


def test_a_merge_patch_replaces_lists():
    merged = apply_patch(service(), {"spec": {"ports": [{"port": 81}]}}, MERGE_PATCH)
    assert merged["spec"]["ports"] == [{"port": 81}]
    assert merged["spec"]["selector"] == {"app": "web"}


# Strategic merge patch


def containers(*names):
    return [{"name": name, "image": f"{name}:1"} for name in names]


def names(obj):
    return [container["name"] for container in obj["spec"]["containers"]]


def test_containers_are_told_apart_by_name():
    patch = {"spec": {"containers": [{"name": "b", "image": "b:2"}]}}
    patched = strategic(pod(containers=containers("a", "b")), patch)
    assert patched["spec"]["containers"] == [containers("a")[0], {"name": "b", "image": "b:2"}]


def test_a_new_element_goes_first_unless_an_order_is_given():
    old = pod(containers=containers("a", "b"))
    new = {"containers": containers("c")}
    assert names(strategic(old, {"spec": new})) == ["c", "a", "b"]
    order = [{"name": name} for name in ("a", "c", "b")]
    ordered = {**new, "$setElementOrder/containers": order}
    assert names(strategic(old, {"spec": ordered})) == ["a", "c", "b"]
    reordered = {"$setElementOrder/containers": order[::-1]}
    assert names(strategic(old, {"spec": reordered})) == ["b", "a"]


def test_an_element_can_be_deleted_and_a_list_replaced():
    old = pod(containers=containers("a", "b"))
    gone = {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}
    assert names(strategic(old, gone)) == ["b"]
    replaced = {"spec": {"containers": [{"$patch": "replace"}, *containers("z")]}}
    assert names(strategic(old, replaced)) == ["z"]


def test_lists_of_plain_values_merge_or_shrink():
    old = config(metadata={"finalizers": ["x/a", "x/b"]})

    def finalizers(metadata):
        return strategic(old, {"metadata": metadata})["metadata"]["finalizers"]

    assert finalizers({"finalizers": ["x/c"]}) == ["x/c", "x/a", "x/b"]
    assert finalizers({"$deleteFromPrimitiveList/finalizers": ["x/a"]}) == ["x/b"]


def test_atomic_lists_are_replaced():
    node = {"apiVersion": "v1", "kind": "Node", "spec": {"taints": [{"key": "a"}]}}
    patched = strategic(node, {"spec": {"taints": [{"key": "b"}], "unschedulable": None}})
    assert patched["spec"] == {"taints": [{"key": "b"}]}


def test_a_union_keeps_only_the_member_that_is_set():
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    patched = strategic(deployment(strategy=rolling), patch)
    assert patched["spec"]["strategy"] == {"type": "Recreate"}


def test_null_removes_and_maps_merge():
    patch = {"spec": {"selector": {"app": None, "tier": "a"}}, "metadata": None}
    patched = strategic(service(), patch)
    assert patched["spec"]["selector"] == {"tier": "a"}
    assert "metadata" not in patched


def test_directives_are_never_stored():
    patch = {"spec": {"nodeSelector": {"$patch": "replace", "a": "b"}}}
    assert strategic(pod(), patch)["spec"]["nodeSelector"] == {"a": "b"}


@pytest.mark.parametrize(
    "patch",
    [
        {"$patch": "explode"},
        {"spec": {"containers": [{"image": "nameless"}]}},
        {"spec": {"containers": ["c"]}},
        {"spec": {"$retainKeys": ["a"], "b": 1}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": 5, "finalizers": ["x/y"]}},
        ["not", "a", "map"],
    ],
)
def test_a_patch_that_makes_no_sense_is_refused(patch):
    with pytest.raises(ApiError) as refused:
        strategic(pod(), patch)
    assert refused.value.code == 400


# JSON patch


def test_json_patch_operations_run_in_order():
    patched = apply_patch(
        service(),
        [
            {"op": "test", "path": "/spec/ports/0/port", "value": 80},
            {"op": "add", "path": "/spec/ports/-", "value": {"port": 81}},
            {"op": "copy", "from": "/spec/ports/1", "path": "/spec/ports/0"},
            {"op": "remove", "path": "/spec/ports/1"},
            {"op": "add", "path": "/metadata/labels", "value": {"a/b": "c"}},
            {"op": "replace", "path": "/metadata/labels/a~1b", "value": "d"},
            {"op": "move", "from": "/spec/selector", "path": "/metadata/annotations"},
        ],
        JSON_PATCH,
    )
    assert patched["spec"] == {"ports": [{"port": 81}, {"port": 81}]}
    assert patched["metadata"]["labels"] == {"a/b": "d"}
    assert patched["metadata"]["annotations"] == {"app": "web"}


def test_replace_also_adds_and_negative_indexes_count_from_the_end():
    operations = [
        {"op": "replace", "path": "/metadata/annotations", "value": {}},
        {"op": "replace", "path": "/spec/ports/-1", "value": {"port": 8080}},
    ]
    patched = apply_patch(service(), operations, JSON_PATCH)
    assert patched["metadata"]["annotations"] == {}
    assert patched["spec"]["ports"] == [{"port": 8080}]


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ([{"op": "test", "path": "/kind", "value": "Pod"}], 422),
        ([{"op": "remove", "path": "/spec/ports/7"}], 422),
        ([{"op": "add", "path": "/no/such", "value": 1}], 422),
        ([{"op": "explode", "path": "/spec"}], 422),
        ([{"op": "replace", "path": "", "value": 5}], 422),
        ({"op": "remove", "path": "/spec"}, 400),
        (["remove"], 400),
    ],
)
def test_json_patches_apply_whole_or_not_at_all(operations, code):
    with pytest.raises(ApiError) as refused:
        apply_patch(service(), operations, JSON_PATCH)
    assert refused.value.code == code


def test_other_formats_are_not_taken():
    with pytest.raises(ApiError) as refused:
        apply_patch(pod(), {}, "application/json")
    assert refused.value.code == 415

"""Names, owners, time stamps, conditions."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from kube_edu.api import meta

OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web", "uid": "u-1"}}


def test_a_key_has_a_namespace_only_where_the_object_has_one():
    assert meta.key({"metadata": {"name": "web", "namespace": "shop"}}) == "shop/web"
    assert meta.key({"metadata": {"name": "node-1"}}) == "node-1"


def test_an_object_is_owned_by_its_controller_and_not_by_a_namesake():
    pod = {"metadata": {"name": "p", "ownerReferences": [meta.owner_reference(OWNER)]}}
    namesake = {**OWNER, "metadata": {"name": "web", "uid": "u-2"}}
    assert meta.owned_by(pod, OWNER)
    assert not meta.owned_by(pod, namesake)
    assert not meta.owned_by({"metadata": {"name": "orphan"}}, OWNER)


def test_an_owner_that_is_no_controller_does_not_own():
    reference = meta.owner_reference(OWNER, controller=False)
    assert not meta.owned_by({"metadata": {"ownerReferences": [reference]}}, OWNER)


@given(st.integers(0, 4_000_000_000))
def test_time_stamps_can_be_read_back(at: int):
    assert meta.seconds(meta.timestamp(at)) == at
    assert abs(meta.seconds(meta.micro_timestamp(at + 0.123456)) - at - 0.123456) < 1e-5


def test_a_clone_shares_nothing_that_can_change():
    original = {"a": [{"b": {"c": 1}}], "d": None}
    copy = meta.clone(original)
    copy["a"][0]["b"]["c"] = 2
    assert original == {"a": [{"b": {"c": 1}}], "d": None}


def test_a_condition_keeps_its_transition_time_while_its_status_stays():
    first = meta.set_condition([], {"type": "Ready", "status": "True", "reason": "A"}, 100)
    same = meta.set_condition(first, {"type": "Ready", "status": "True", "reason": "B"}, 200)
    other = meta.set_condition(same, {"type": "Ready", "status": "False", "reason": "C"}, 300)
    assert [c[0]["lastTransitionTime"] for c in (first, same, other)] == [
        meta.timestamp(100),
        meta.timestamp(100),
        meta.timestamp(300),
    ]
    assert same[0]["reason"] == "B"
    assert meta.condition_is({"status": {"conditions": other}}, "Ready", "False")


def test_conditions_keep_their_order():
    conditions = [{"type": "A", "status": "True"}, {"type": "B", "status": "True"}]
    changed = meta.set_condition(conditions, {"type": "A", "status": "False"}, 0)
    added = meta.set_condition(changed, {"type": "C", "status": "True"}, 0)
    assert [c["type"] for c in added] == ["A", "B", "C"]


def test_identities_come_from_the_random_source_alone():
    assert meta.new_uid(Random(1)) == meta.new_uid(Random(1)) != meta.new_uid(Random(2))
    uid = meta.new_uid(Random(3))
    assert [len(part) for part in uid.split("-")] == [8, 4, 4, 4, 12]
    assert uid[14] == "4"
    assert uid[19] in "89ab"
    assert len(meta.name_suffix(Random(1))) == 5

"""The arithmetic of rollouts, for any Deployment."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_edu.api.meta import Object
from kube_edu.controllers import rollout

Sets = list[tuple[int, int]]  # size and how many of them are available, oldest first
SETS = st.lists(
    st.integers(0, 12).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size))),
    min_size=1,
    max_size=4,
)
BOUND = st.one_of(st.integers(0, 6), st.integers(0, 100).map(lambda percent: f"{percent}%"))


def deployment(replicas: int, surge: int | str = "25%", unavailable: int | str = "25%") -> Object:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    return {"spec": {"replicas": replicas, "strategy": strategy}, "status": {}}


def replicasets(sets: Sets, before: int = 0) -> list[Object]:
    annotations = {rollout.MAX_REPLICAS: str(before)} if before else {}
    return [
        {
            "metadata": {
                "name": f"rs-{n}",
                "uid": f"{n}",
                "creationTimestamp": f"2026-01-01T00:00:{n:02}Z",
                "annotations": annotations,
            },
            "spec": {"replicas": size},
            "status": {"availableReplicas": available},
        }
        for n, (size, available) in enumerate(sets)
    ]


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (4, "25%", "25%", (1, 1)),
        (10, "25%", "25%", (3, 2)),  # up, and down
        (1, "25%", "25%", (1, 0)),
        (3, 0, 0, (0, 1)),
        (3, "0%", "20%", (0, 1)),
        (2, 1, 5, (1, 2)),
    ],
)
def test_percentages_are_rounded_so_that_something_can_always_move(
    replicas: int, surge: Any, unavailable: Any, expected: tuple[int, int]
) -> None:
    spec = deployment(replicas, surge, unavailable)
    assert (rollout.max_surge(spec), rollout.max_unavailable(spec)) == expected


@given(st.integers(0, 12), BOUND, BOUND, SETS)
def test_growing_never_passes_the_surge(
    replicas: int, surge: int | str, unavailable: int | str, sets: Sets
) -> None:
    spec = deployment(replicas, surge, unavailable)
    *old, new = replicasets(sets)
    before = rollout.total([*old, new])
    after = rollout.new_size(spec, new, old) + rollout.total(old)
    assert after <= max(before, replicas + rollout.max_surge(spec))
    assert rollout.new_size(spec, new, old) <= replicas


@given(st.integers(0, 12), BOUND, BOUND, SETS)
def test_shrinking_never_leaves_too_few_available(
    replicas: int, surge: int | str, unavailable: int | str, sets: Sets
) -> None:
    spec = deployment(replicas, surge, unavailable)
    *old, new = replicasets(sets)
    left = rollout.available(new)
    sizes = list(rollout.old_sizes(spec, new, old)) or [(o, o["spec"]["replicas"]) for o in old]
    for replicaset, size in sizes:
        assert 0 <= size <= replicaset["spec"]["replicas"]
        left += min(size, rollout.available(replicaset))  # the unavailable ones go first
    before = sum(available for _, available in sets)
    assert left >= min(before, replicas - rollout.max_unavailable(spec))


@given(st.integers(0, 12), BOUND, BOUND, SETS)
def test_as_long_as_there_is_something_to_do_something_can_be_done(
    replicas: int, surge: int | str, unavailable: int | str, sets: Sets
) -> None:
    """With every pod available, a step is open until the rollout is complete."""
    spec = deployment(replicas, surge, unavailable)
    *old, new = replicasets([(size, size) for size, _ in sets])
    done = new["spec"]["replicas"] == replicas and rollout.total(old) == 0
    up = rollout.new_size(spec, new, old) != new["spec"]["replicas"]
    down = any(o["spec"]["replicas"] != size for o, size in rollout.old_sizes(spec, new, old))
    assert done or up or down


@given(st.integers(0, 30), st.integers(0, 6), SETS)
def test_growing_in_mid_rollout_shares_out_exactly_what_is_allowed(
    more: int, surge: int, sets: Sets
) -> None:
    *old, new = replicasets([(size + 1, 0) for size, _ in sets], before=20)
    replicas = rollout.total([*old, new]) + more
    sizes = [size for _, size in rollout.scaled_sizes(deployment(replicas, surge, 1), new, old)]
    assert sum(sizes) == replicas + (surge if old else 0), "a single one takes what was asked for"


def test_the_hash_is_the_templates_and_nothing_elses() -> None:
    one: Object = {"spec": {"template": {"metadata": {}, "spec": {"a": 1, "b": 2}}}, "status": {}}
    same: Object = {"spec": {"template": {"spec": {"b": 2, "a": 1}, "metadata": {}}}, "status": {}}
    collided: Object = {**one, "status": {"collisionCount": 1}}
    assert rollout.template_hash(one) == rollout.template_hash(same)
    assert rollout.template_hash(one) != rollout.template_hash(collided)

"""Lab 06, first exercise: a JSON merge patch (RFC 7386)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from kube_edu import Cluster
from kube_edu.api.patch import merge_patch
from kube_edu.classroom.api_requests import MERGE_PATCH, Api
from kube_edu.classroom.exercise import Exercise, Report, Verdict, failed, passed, prose
from kube_edu.classroom.guard import Guard, first_difference
from kube_edu.classroom.search import first_failing, shrink
from kube_edu.viz.merge import three_way

REASONS: dict[str, str] = prose("06-api-server")["reasons"]["merge_patch"]

SEEDS, PATCHES = 50, 20
NAMES = ("labels", "spec", "color", "size", "ports")
SCALARS = ("red", "blue", 1, 3, True, 0, "", False)


@dataclass(frozen=True)
class Case:
    target: Any
    patch: Any


PLAIN = (
    Case({"color": "red"}, {"size": 1}),
    Case({"labels": {"color": "red", "size": 1}}, {"labels": {"color": "blue"}}),
    Case({"color": "red", "size": 1}, {"size": None}),
    Case({"ports": [1, 3]}, {"ports": [3]}),
)
"""What nearly everybody asks of a patch; then whatever the seeds draw."""


def judge_merge_patch(answer: Callable[..., Any], report: Report) -> Verdict:
    guard = Guard(answer)

    def differ(case: Case) -> tuple[Any] | None:
        yours = guard.call(case.target, case.patch)
        return None if same(yours, merge_patch(case.target, case.patch)) else (yours,)

    found = first_failing(_cases(report), differ)
    if found is not None:
        case, (yours,) = shrink(found, _smaller, differ, tries=400)
        right = merge_patch(case.target, case.patch)
        apart = first_difference(yours, right).partition(" was ")[0] or " (all of it)"
        return failed(
            why(case.target, case.patch, yours),
            f"where yours parts from the reference: {apart.removeprefix('.')}",
            figure=three_way(
                "The smallest patch that goes wrong",
                {"the object": case.target, "the patch": case.patch},
                {"yours": "None" if yours is None else yours, "right": right},
                "above: what there is, and the patch; below: what comes of it",
            ),
        )
    report("patching in a running cluster …")
    if problem := _live(answer):
        return failed(problem)
    return passed(f"{SEEDS * PATCHES} patches of {SEEDS} seeds, and a running cluster.")


def same(one: Any, other: Any) -> bool:
    """Equal as JSON, where true is not 1, and the order of members does not count."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


GREETING = """
apiVersion: v1
kind: ConfigMap
metadata: {name: greeting, labels: {tier: web}}
data: {color: red, size: small}
"""
PATCH = {"metadata": {"labels": {"tier": None, "app": "shop"}}, "data": {"color": "blue"}}


def _live(answer: Callable[..., Any]) -> str:
    cluster = Cluster(nodes=0, etcd_members=1, seed=7, roles={"apiserver.merge_patch": answer})
    cluster.apply(GREETING)
    path = "/api/v1/namespaces/default/configmaps/greeting"
    answered = Api(cluster)("PATCH", path, PATCH, MERGE_PATCH)
    found = cluster.get("configmap/greeting") or {"metadata": {}}
    patched = [found["metadata"].get("labels"), found.get("data")]
    if patched == [{"app": "shop"}, {"color": "blue", "size": "small"}]:
        return ""
    return f"in a running cluster a PATCH is answered with {answered}"


# --- cases


def _cases(report: Report) -> Iterator[Case]:
    yield from PLAIN
    for seed in range(SEEDS):
        report(f"patches of seed {seed + 1} of {SEEDS}")
        random = Random(seed)
        for _ in range(PATCHES):
            yield Case(_object(random, 0.0), _object(random, 0.3))


def _object(random: Random, nulls: float, depth: int = 0) -> dict[str, Any]:
    names = random.sample(NAMES, random.randint(0 if depth else 1, 3))
    return {name: _value(random, nulls, depth) for name in names}


def _value(random: Random, nulls: float, depth: int) -> Any:
    if random.random() < nulls:
        return None
    if depth < 2 and random.random() < 0.5:
        return _object(random, nulls, depth + 1)
    if random.random() < 0.3:
        return [random.choice([*SCALARS, None]) if nulls else random.choice(SCALARS)
                for _ in range(random.randint(0, 2))]  # fmt: skip
    return random.choice(SCALARS)


def _smaller(case: Case) -> Iterator[Case]:
    for target in _less(case.target):
        yield replace(case, target=target)
    for patch in _less(case.patch):
        yield replace(case, patch=patch)


def _less(value: Any) -> Iterator[Any]:
    """The same with one thing left out somewhere."""
    if isinstance(value, dict):
        for name in value:
            yield {other: value[other] for other in value if other != name}
        for name in value:
            yield from ({**value, name: less} for less in _less(value[name]))
    elif isinstance(value, list):
        yield from (value[:place] + value[place + 1 :] for place in range(len(value)))


# --- what is told


def why(target: Any, patch: Any, yours: Any) -> str:
    """What is wrong with `yours` as the patched target."""
    if not isinstance(patch, dict):
        return _why_replaced(target, patch, yours)
    if not isinstance(yours, dict):
        return REASONS["no object"].format(yours=yours)
    was = target if isinstance(target, dict) else {}
    for name in [*patch, *(name for name in was if name not in patch)]:
        if name not in patch:
            if name not in yours:
                return REASONS["not named"].format(name=name)
            if not same(yours[name], was[name]):
                return REASONS["changed"].format(name=name)
        elif patch[name] is None:
            if name in yours:
                return REASONS[_not_removed(name, target, yours[name])].format(name=name)
        elif name not in yours:
            return _why_missing(patch[name])
        elif not same(yours[name], merge_patch(was.get(name), patch[name])):
            return why(was.get(name), patch[name], yours[name])
    extra = [name for name in yours if name not in was and name not in patch]
    return REASONS["more"].format(name=extra[0])


def _not_removed(name: str, target: Any, yours: Any) -> str:
    if not isinstance(target, dict):
        return "null in new"
    if name not in target:
        return "null made"
    return "null stored" if yours is None else "not removed"


def _why_missing(value: Any) -> str:
    if value == {}:
        return REASONS["empty object"]
    return REASONS["missing"] if value else REASONS["empty"].format(value=value)


def _why_replaced(target: Any, value: Any, yours: Any) -> str:
    if isinstance(value, list) and isinstance(target, list):
        return REASONS["lists"]
    if isinstance(value, list) and None in value:
        return REASONS["nulls in lists"]
    return REASONS["replaced"].format(value=value, target=target, yours=yours)


PATCHING = Exercise("merge_patch", judge_merge_patch)

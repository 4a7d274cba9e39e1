"""Lab 06, first exercise: a JSON merge patch (RFC 7386)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from kube_edu import Cluster
from kube_edu.api.patch import merge_patch
from kube_edu.classroom.apiserver.requests import MERGE_PATCH, Api
from kube_edu.classroom.exercise import Exercise, Verdict, failed
from kube_edu.classroom.guard import Guard, first_difference
from kube_edu.classroom.trial import Failure, Judge, Reasons, Trial
from kube_edu.viz.figure import Figure
from kube_edu.viz.merge import three_way

SEEDS, PATCHES = 50, 20
NAMES = ("labels", "spec", "color", "size", "ports")
SCALARS = ("red", "blue", 1, 3, True, 0, "", False)

because = Reasons("06-api-server", "merge_patch")


@dataclass(frozen=True)
class Case:
    target: Any
    patch: Any

    def __str__(self) -> str:
        return f"patch {self.patch}"

    def simpler(self) -> Iterator[Case]:
        for target in _less(self.target):
            yield replace(self, target=target)
        for patch in _less(self.patch):
            yield replace(self, patch=patch)


PLAIN = (
    Case({"color": "red"}, {"size": 1}),
    Case({"labels": {"color": "red", "size": 1}}, {"labels": {"color": "blue"}}),
    Case({"color": "red", "size": 1}, {"size": None}),
    Case({"ports": [1, 3]}, {"ports": [3]}),
)
"""What nearly everybody asks of a patch; then whatever the seeds draw."""


class Patched(Trial):
    failing: Failure

    def __init__(self, case: Case, answer: Callable[..., Any]) -> None:
        self._case, self._guard = case, Guard(answer)
        self._right = merge_patch(case.target, case.patch)
        self._yours: Any = None

    def run(self) -> Failure | None:
        self._yours = self._guard.call(self._case.target, self._case.patch)
        if same(self._yours, self._right):
            return None
        return why(self._case.target, self._case.patch, self._yours)

    def details(self) -> Sequence[str]:
        apart = first_difference(self._yours, self._right).partition(" was ")[0]
        return [f"where yours parts from the reference: {apart.removeprefix('.') or 'all of it'}"]

    def drawn(self) -> Figure:
        return three_way(
            "The smallest patch that goes wrong",
            {"the object": self._case.target, "the patch": self._case.patch},
            {"yours": "None" if self._yours is None else self._yours, "right": self._right},
            "above: what there is, and the patch; below: what comes of it",
        )


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


def _live(answer: Callable[..., Any]) -> Verdict | None:
    cluster = Cluster(nodes=0, etcd_members=1, seed=7, roles={"apiserver.merge_patch": answer})
    cluster.apply(GREETING)
    path = "/api/v1/namespaces/default/configmaps/greeting"
    answered = Api(cluster)("PATCH", path, PATCH, MERGE_PATCH)
    found = cluster.get("configmap/greeting") or {"metadata": {}}
    patched = [found["metadata"].get("labels"), found.get("data")]
    if patched == [{"app": "shop"}, {"color": "blue", "size": "small"}]:
        return None
    return failed(f"in a running cluster a PATCH is answered with {answered}")


# --- cases


def _cases() -> Iterator[Case]:
    yield from PLAIN
    for seed in range(SEEDS):
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


def _less(value: Any) -> Iterator[Any]:
    """The same with one thing left out somewhere, or one of its parts in its place."""
    if isinstance(value, dict):
        for name in value:
            yield {other: value[other] for other in value if other != name}
        yield from (part for part in value.values() if isinstance(part, dict))
        for name in value:
            yield from ({**value, name: less} for less in _less(value[name]))
    elif isinstance(value, list):
        yield from (value[:place] + value[place + 1 :] for place in range(len(value)))


# --- what is told


def why(target: Any, patch: Any, yours: Any) -> Failure:
    """What is wrong with `yours` as the patched target."""
    if not isinstance(patch, dict):
        return _why_replaced(target, patch, yours)
    if not isinstance(yours, dict):
        return because("no object", yours=f"{yours!r:.40}")
    was = target if isinstance(target, dict) else {}
    for name in [*patch, *(name for name in was if name not in patch)]:
        if name not in patch:
            if name not in yours:
                return because("not named", name=repr(name))
            if not same(yours[name], was[name]):
                return because("changed", name=repr(name))
        elif patch[name] is None:
            if name in yours:
                return because(_not_removed(name, target, yours[name]), name=repr(name))
        elif name not in yours:
            return _why_missing(patch[name])
        elif not same(yours[name], merge_patch(was.get(name), patch[name])):
            return why(was.get(name), patch[name], yours[name])
    extra = [name for name in yours if name not in was and name not in patch]
    return because("more", name=repr(extra[0]))


def _not_removed(name: str, target: Any, yours: Any) -> str:
    if not isinstance(target, dict):
        return "null in new"
    if name not in target:
        return "null made"
    return "null stored" if yours is None else "not removed"


def _why_missing(value: Any) -> Failure:
    if value == {}:
        return because("empty object")
    return because("missing" if value else "empty", value=repr(value))


def _why_replaced(target: Any, value: Any, yours: Any) -> Failure:
    if isinstance(value, list) and isinstance(target, list):
        return because("lists")
    if isinstance(value, list) and None in value:
        return because("nulls in lists")
    return because("replaced", value=repr(value), target=f"{target!r:.40}", yours=f"{yours!r:.40}")


PATCHING = Exercise(
    "merge_patch",
    Judge(
        Patched,
        merge_patch,
        _cases,
        praise="{runs} patches, and a running cluster.",
        tries=400,
        pace=100,
        then=_live,
    ),
)

"""The arithmetic of a rollout: which ReplicaSet may be how big now.

Pure functions of a Deployment and its ReplicaSets (upstream util/deployment_util.go, rolling.go
and the scaling half of sync.go). `old` is every ReplicaSet but the one of the present template.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence

from kube_edu.api import meta, quantity
from kube_edu.api.meta import Object

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
HASH_LABEL = "pod-template-hash"

NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
)
"""Annotations that are a Deployment's alone; its ReplicaSets get all others."""

Sizes = Iterator[tuple[Object, int]]
"""ReplicaSets with the size that each is to have."""


# The rolling update


def new_size(deployment: Object, new: Object, old: Sequence[Object]) -> int:
    """How big the new ReplicaSet may be: as many pods as `maxSurge` leaves room for."""
    wanted, size = int(deployment["spec"]["replicas"]), int(new["spec"]["replicas"])
    if size >= wanted or strategy(deployment) == "Recreate":
        return wanted
    room = wanted + max_surge(deployment) - size - total(old)
    return size + max(0, min(room, wanted - size))


def old_sizes(deployment: Object, new: Object, old: Sequence[Object]) -> Sizes:
    """How small the old ones may be: pods that are not available go at once, others as far as
    `maxUnavailable` allows."""
    least = deployment["spec"]["replicas"] - max_unavailable(deployment)
    new_unavailable = new["spec"]["replicas"] - available(new)
    may_go = total([*old, new]) - least - new_unavailable
    if may_go <= 0:
        return
    sizes = {meta.uid(replicaset): replicaset["spec"]["replicas"] for replicaset in old}
    oldest_first = sorted(old, key=_age)
    for replicaset in oldest_first:
        unavailable = max(0, replicaset["spec"]["replicas"] - available(replicaset))
        gone = min(may_go, unavailable)
        sizes[meta.uid(replicaset)] -= gone
        may_go -= gone
    spare = sum(available(replicaset) for replicaset in [*old, new]) - least
    for replicaset in oldest_first:
        gone = max(0, min(spare, sizes[meta.uid(replicaset)]))
        sizes[meta.uid(replicaset)] -= gone
        spare -= gone
    for replicaset in oldest_first:
        yield replicaset, sizes[meta.uid(replicaset)]


# Scaling while a rollout is under way


def is_scaling(deployment: Object, sets: Sequence[Object]) -> bool:
    """Whether spec.replicas has changed since the ReplicaSets were last sized by it."""
    desired = str(deployment["spec"]["replicas"])
    return strategy(deployment) == "RollingUpdate" and any(
        meta.annotations(replicaset).get(DESIRED_REPLICAS, desired) != desired
        for replicaset in active(sets)
    )


def scaled_sizes(deployment: Object, new: Object | None, old: Sequence[Object]) -> Sizes:
    """A single ReplicaSet takes the whole change; of several each takes its proportional part,
    so that a rollout that goes wrong gets no more than its share of the new pods."""
    sets = [*old, new] if new is not None else [*old]
    replicas = deployment["spec"]["replicas"]
    alive = active(sets)
    if len(alive) <= 1:
        latest = alive[0] if alive else new or max(old, key=_age, default=None)
        if latest is not None:
            yield latest, replicas
    elif new is not None and _is_saturated(deployment, new):
        for replicaset in active(old):
            yield replicaset, 0
    elif strategy(deployment) == "RollingUpdate":
        yield from _proportional(deployment, alive)


def _proportional(deployment: Object, alive: Sequence[Object]) -> Sizes:
    replicas = deployment["spec"]["replicas"]
    allowed = replicas + max_surge(deployment) if replicas > 0 else 0
    to_add = allowed - total(alive)
    # The biggest first; of equal ones the newest when growing, the oldest when shrinking.
    by_age = sorted(alive, key=_age, reverse=to_add > 0)
    ordered = sorted(by_age, key=lambda replicaset: -int(replicaset["spec"]["replicas"]))
    parts = []
    left = to_add
    for replicaset in ordered:
        part = _fraction(deployment, replicaset)
        part = max(0, min(part, left)) if to_add > 0 else min(0, max(part, left))
        parts.append(part)
        left -= part
    parts[0] += left
    for replicaset, part in zip(ordered, parts, strict=True):
        yield replicaset, max(0, replicaset["spec"]["replicas"] + part)


def _fraction(deployment: Object, replicaset: Object) -> int:
    """How much a ReplicaSet would grow, were it to keep its part of the whole."""
    size, replicas = int(replicaset["spec"]["replicas"]), int(deployment["spec"]["replicas"])
    if replicas == 0:
        return -size
    before = int(meta.annotations(replicaset).get(MAX_REPLICAS, 0))
    before = before or deployment.get("status", {}).get("replicas", 0) or 1
    return math.floor(size * (replicas + max_surge(deployment)) / before + 0.5) - size


def _is_saturated(deployment: Object, new: Object) -> bool:
    replicas = deployment["spec"]["replicas"]
    desired = meta.annotations(new).get(DESIRED_REPLICAS)
    return bool(
        new["spec"]["replicas"] == replicas
        and desired == str(replicas)
        and available(new) == replicas
    )


# Templates and revisions


def new_and_old(deployment: Object, sets: Sequence[Object]) -> tuple[Object | None, list[Object]]:
    """The ReplicaSet with the Deployment's present template (the oldest of them), and the
    others."""
    in_order = sorted(sets, key=_age)
    new = next((s for s in in_order if same_template(deployment, s)), None)
    return new, [s for s in in_order if s is not new]


def same_template(deployment: Object, replicaset: Object) -> bool:
    template = meta.clone(replicaset["spec"]["template"])
    template["metadata"].get("labels", {}).pop(HASH_LABEL, None)
    return bool(template == deployment["spec"]["template"])


def template_hash(deployment: Object) -> str:
    """What tells the templates' ReplicaSets and pods apart by name. Upstream hashes a dump of Go
    structs, here it is the JSON text: other hashes for the same template, of the same form."""
    text = json.dumps(deployment["spec"]["template"], sort_keys=True)
    collisions = deployment.get("status", {}).get("collisionCount", 0)
    digest = 2166136261  # FNV-1a, 32 bits
    for byte in f"{text}{collisions or ''}".encode():
        digest = (digest ^ byte) * 16777619 % 2**32
    alphabet = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, so no words (apimachinery, util/rand)
    return "".join(alphabet[ord(digit) % len(alphabet)] for digit in str(digest))


def replicaset_annotations(
    deployment: Object, had: dict[str, str], old: Sequence[Object]
) -> dict[str, str]:
    """What the new ReplicaSet is annotated with, from what it had: the Deployment's annotations,
    its revision, and the revisions that it had before (upstream SetNewReplicaSetAnnotations)."""
    copied = meta.annotations(deployment).items()
    wanted = {**had, **{name: value for name, value in copied if name not in NOT_COPIED}}
    past, now = had.get(REVISION), next_revision(old)
    if past is None or int(past) < now:
        wanted[REVISION] = str(now)
        if past is not None:
            history = [text for text in (had.get(REVISION_HISTORY), past) if text]
            wanted[REVISION_HISTORY] = ",".join(history)
    return wanted


def next_revision(old: Sequence[Object]) -> int:
    """One more than any old one has: a rollback is a step forward as well."""
    return 1 + max((revision(replicaset) for replicaset in old), default=0)


def revision(replicaset: Object) -> int:
    return int(meta.annotations(replicaset).get(REVISION, 0))


def beyond_history(deployment: Object, old: Sequence[Object]) -> list[Object]:
    """The old ReplicaSets that nobody needs any more, beyond `revisionHistoryLimit`."""
    idle = [
        replicaset
        for replicaset in old
        if not replicaset["spec"]["replicas"]
        and not replicaset.get("status", {}).get("replicas", 0)
        and not meta.is_deleting(replicaset)
    ]
    keep = deployment["spec"].get("revisionHistoryLimit", 10)
    return sorted(idle, key=revision)[: max(0, len(idle) - keep)]


def size_annotations(deployment: Object) -> dict[str, str]:
    replicas = deployment["spec"]["replicas"]
    return {
        DESIRED_REPLICAS: str(replicas),
        MAX_REPLICAS: str(replicas + max_surge(deployment)),
    }


# What a Deployment says


def strategy(deployment: Object) -> str:
    return str(deployment["spec"].get("strategy", {}).get("type", "RollingUpdate"))


def max_surge(deployment: Object) -> int:
    return _fenceposts(deployment)[0]


def max_unavailable(deployment: Object) -> int:
    return min(_fenceposts(deployment)[1], int(deployment["spec"]["replicas"]))


def _fenceposts(deployment: Object) -> tuple[int, int]:
    """maxSurge is rounded up and maxUnavailable down; were both 0, nothing could ever move."""
    if strategy(deployment) != "RollingUpdate":
        return 0, 0
    replicas = deployment["spec"]["replicas"]
    rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate") or {}
    surge = quantity.share(rolling.get("maxSurge", "25%"), replicas, round_up=True)
    unavailable = quantity.share(rolling.get("maxUnavailable", "25%"), replicas, round_up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)


# Sums


def active(sets: Sequence[Object]) -> list[Object]:
    return [replicaset for replicaset in sets if replicaset["spec"]["replicas"] > 0]


def total(sets: Sequence[Object]) -> int:
    return sum(replicaset["spec"]["replicas"] for replicaset in sets)


def available(replicaset: Object) -> int:
    return int(replicaset.get("status", {}).get("availableReplicas", 0))


def _age(replicaset: Object) -> tuple[str, str]:
    return replicaset["metadata"]["creationTimestamp"], meta.name(replicaset)

"""What a pod as a whole asks for (kubernetes, pkg/api/v1/resource/helpers.go): the quota counts it
in Decimals, the scheduler in integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeVar

from kube_edu.api.meta import Object

N = TypeVar("N", int, Decimal)


def pod_total(spec: Object, of: Callable[[Object], Mapping[str, N]]) -> dict[str, N]:
    """What the containers ask for together, each what `of` says; or an init container, if that is
    more. Init containers that stay (restartPolicy Always, the sidecars) count with both."""
    sidecars: dict[str, N] = {}
    largest: dict[str, N] = {}
    for container in spec.get("initContainers") or ():
        asked = of(container)
        if container.get("restartPolicy") == "Always":
            sidecars, asked = add(sidecars, asked), {}
        largest = _larger(largest, add(sidecars, asked))
    running = sidecars
    for container in spec.get("containers") or ():
        running = add(running, of(container))
    return _larger(running, largest)


def add(a: Mapping[str, N], b: Mapping[str, N]) -> dict[str, N]:
    return {**a, **b, **{name: a[name] + b[name] for name in a if name in b}}


def _larger(a: Mapping[str, N], b: Mapping[str, N]) -> dict[str, N]:
    return {**a, **b, **{name: max(a[name], b[name]) for name in a if name in b}}

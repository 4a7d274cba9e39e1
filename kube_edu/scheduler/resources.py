"""What a pod asks for and what a node has, as integers: CPU in thousandths, all else in units.

Source: kubernetes, pkg/api/v1/resource/helpers.go and pkg/scheduler/util/pod_resources.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from kube_edu.api import quantity
from kube_edu.api.meta import Object
from kube_edu.api.podresources import add, pod_total

Resources = dict[str, int]

DEFAULT_REQUEST: Resources = {"cpu": 100, "memory": 200 * 1024 * 1024}
"""What a container that requests nothing counts for when nodes are scored (never when they are
filtered), so that such pods do not all pile up on one node."""


def amounts(quantities: Mapping[str, str]) -> Resources:
    """A resource list ({"cpu": "500m"}) as integers, rounded up."""
    return {
        name: (quantity.milli if name == "cpu" else quantity.whole)(quantity.parse(value))
        for name, value in quantities.items()
    }


def requests(pod: Object, default: Resources | None = None) -> Resources:
    """What a pod requests, and its overhead."""
    together = pod_total(pod["spec"], lambda container: _container(container, default))
    return add(together, amounts(pod["spec"].get("overhead") or {}))


def _container(container: Object, default: Resources | None) -> Resources:
    asked = amounts((container.get("resources") or {}).get("requests") or {})
    return {**(default or {}), **asked}


def subtract(a: Resources, b: Resources) -> Resources:
    return {name: a.get(name, 0) - b.get(name, 0) for name in {**a, **b}}

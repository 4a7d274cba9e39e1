"""One object in two versions of the API: how it is stored, and how another version shows it.

Events are stored as core/v1 and also seen through events.k8s.io/v1; HorizontalPodAutoscalers are
stored as autoscaling/v2 and also seen through autoscaling/v1 (kubernetes,
pkg/apis/events/v1/conversion.go and pkg/apis/autoscaling/v1/conversion.go). A view that has no
room for something carries it in an annotation, so nothing is lost on the way there and back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from kube_edu.api import meta
from kube_edu.api.meta import Object


def to_stored(obj: Object) -> Object:
    """The object in the version in which it is stored."""
    way = _WAYS.get((obj.get("apiVersion", ""), obj.get("kind", "")))
    return obj if way is None else {**way.to_stored(obj), "apiVersion": way.stored}


def to_version(obj: Object, api_version: str) -> Object:
    """A stored object as this version of the API shows it."""
    way = _WAYS.get((api_version, obj.get("kind", "")))
    return obj if way is None else {**way.to_view(obj), "apiVersion": api_version}


class _Way(NamedTuple):
    stored: str
    to_stored: Callable[[Object], Object]
    to_view: Callable[[Object], Object]


# Events: the same fields by other names

_CORE_EVENT = {
    "deprecatedCount": "count",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedSource": "source",
    "note": "message",
    "regarding": "involvedObject",
    "reportingController": "reportingComponent",
}
_NEW_EVENT = {core: new for new, core in _CORE_EVENT.items()}


def _renamed(names: dict[str, str]) -> Callable[[Object], Object]:
    return lambda obj: {names.get(field, field): value for field, value in obj.items()}


# Autoscalers: version 1 knows one metric, how busy the processors are

_TARGET, _CURRENT = "targetCPUUtilizationPercentage", "currentCPUUtilizationPercentage"
_PREFIX = "autoscaling.alpha.kubernetes.io/"


def _autoscaler_v1(v2: Object) -> Object:
    spec, status = dict(v2.get("spec", {})), dict(v2.get("status", {}))
    cpu, metrics = _split(spec.pop("metrics", None) or [], "target")
    current, current_metrics = _split(status.pop("currentMetrics", None) or [], "current")
    carried = {
        "behavior": spec.pop("behavior", None),
        "conditions": status.pop("conditions", None),
        "current-metrics": current_metrics,
        "metrics": metrics,
    }
    notes = {_PREFIX + name: json.dumps(value) for name, value in carried.items() if value}
    spec |= {} if cpu is None else {_TARGET: cpu}
    status |= {} if current is None else {_CURRENT: current}
    return _with_notes({**v2, "spec": spec, "status": status}, meta.annotations(v2) | notes)


def _split(metrics: list[Object], part: str) -> tuple[int | None, list[Object]]:
    """The percentage of cpu, and all the other metrics."""
    others, percentage = [], None
    for metric in metrics:
        resource = metric.get("resource") or {}
        found = resource.get(part, {}).get("averageUtilization")
        if resource.get("name") == "cpu" and found is not None and percentage is None:
            percentage = found
        else:
            others.append(metric)
    return percentage, others


def _autoscaler_v2(v1: Object) -> Object:
    spec, status = dict(v1.get("spec", {})), dict(v1.get("status", {}))
    notes = dict(meta.annotations(v1))
    metrics = _taken(notes, "metrics") or []
    current = _taken(notes, "current-metrics") or []
    if (target := spec.pop(_TARGET, None)) is not None:
        utilization = {"type": "Utilization", "averageUtilization": target}
        metrics = [_cpu("target", utilization), *metrics]
    if (percentage := status.pop(_CURRENT, None)) is not None:
        current = [_cpu("current", {"averageUtilization": percentage}), *current]
    for place, name, value in (
        (spec, "metrics", metrics),
        (spec, "behavior", _taken(notes, "behavior")),
        (status, "currentMetrics", current),
        (status, "conditions", _taken(notes, "conditions")),
    ):
        if value:
            place[name] = value
    return _with_notes({**v1, "spec": spec, "status": status}, notes)


def _cpu(part: str, value: Object) -> Object:
    return {"type": "Resource", "resource": {"name": "cpu", part: value}}


def _taken(notes: dict[str, str], name: str) -> Any:
    """What an annotation carries, which ends here; one that nobody can read is dropped."""
    try:
        carried = json.loads(notes.pop(_PREFIX + name, "null"))
    except ValueError:
        return None
    return carried if isinstance(carried, (list, dict)) else None


def _with_notes(obj: Object, notes: dict[str, str]) -> Object:
    data = {key: value for key, value in obj["metadata"].items() if key != "annotations"}
    return {**obj, "metadata": data | ({"annotations": notes} if notes else {})}


_WAYS = {
    ("events.k8s.io/v1", "Event"): _Way("v1", _renamed(_CORE_EVENT), _renamed(_NEW_EVENT)),
    ("autoscaling/v1", "HorizontalPodAutoscaler"): _Way(
        "autoscaling/v2", _autoscaler_v2, _autoscaler_v1
    ),
}

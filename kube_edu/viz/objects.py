"""Objects and what ties them together: owners, selectors, placements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kube_edu.viz.figure import Figure
from kube_edu.viz.graph import Card, Tie, graph
from kube_edu.viz.svg import BLUE, GREEN, ORANGE, PURPLE, SKY, SOFT

Object = dict[str, Any]

COLOURS = {
    "Deployment": BLUE,
    "ReplicaSet": SKY,
    "Pod": GREEN,
    "Service": ORANGE,
    "EndpointSlice": PURPLE,
}
OWNS, SELECTS, LISTS = "owns", "selects by labels", "lists the addresses of"
STYLES = {OWNS: (SOFT, False), SELECTS: (ORANGE, True), LISTS: (PURPLE, True)}


def object_graph(objects: Sequence[Object], title: str = "Objects and their ties") -> Figure:
    """Who owns whom (ownerReferences), which pods a Service selects, which an EndpointSlice
    lists."""
    cards = {
        _label(obj): Card(obj["kind"], obj["metadata"]["name"], COLOURS.get(obj["kind"], SOFT))
        for obj in objects
    }
    found = list(ties_of(objects))  # what lists a pod stands to its right
    ties = [Tie(tail, head, *STYLES[tie], back=tie == LISTS) for tail, head, tie in found]
    used = [(STYLES[tie][0], tie) for tie in STYLES if any(tie == its for _, _, its in found)]
    words = [f"{tail} {tie} {head}" for tail, head, tie in found]
    return graph(title, cards, ties, used).figure(words)


def ties_of(objects: Sequence[Object]) -> Iterable[tuple[str, str, str]]:
    """(from, to, what ties them), as "Kind/name"."""
    by_uid = {obj["metadata"].get("uid"): obj for obj in objects}
    labels = {_label(obj) for obj in objects}
    for obj in objects:
        for owner in obj["metadata"].get("ownerReferences", []):
            if owner["uid"] in by_uid:
                yield _label(by_uid[owner["uid"]]), _label(obj), OWNS
        if obj["kind"] == "Service":
            for pod in objects:
                if pod["kind"] == "Pod" and selects(obj, pod):
                    yield _label(obj), _label(pod), SELECTS
        for endpoint in obj.get("endpoints") or []:
            target = endpoint.get("targetRef", {})
            if f"{target.get('kind')}/{target.get('name')}" in labels:
                yield _label(obj), f"{target['kind']}/{target['name']}", LISTS


def selects(service: Object, pod: Object) -> bool:
    """Does a Service's selector match the pod: every label of the selector, and at least one."""
    selector = service.get("spec", {}).get("selector") or {}
    labels = pod["metadata"].get("labels") or {}
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def _label(obj: Object) -> str:
    return f"{obj['kind']}/{obj['metadata']['name']}"

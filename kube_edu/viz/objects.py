"""Objects and what ties them together: owners, selectors, placements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import networkx

from kube_edu.viz.figure import Figure
from kube_edu.viz.layout import layout
from kube_edu.viz.svg import BLUE, GREEN, ORANGE, PURPLE, SKY, SOFT, Drawing, width_of

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
    graph = networkx.DiGraph()
    for obj in objects:
        width = max(110.0, width_of(obj["metadata"]["name"], 11, True) + 20)
        graph.add_node(_label(obj), width=width, height=42.0)
    ties = list(ties_of(objects))
    for tail, head, tie in ties:  # what lists a pod stands to its right
        graph.add_edge(*((head, tail) if tie == LISTS else (tail, head)))
    plan = layout(graph)
    drawing = Drawing(max(plan.width + 48, 420), plan.height + 88, title)
    for tail, head, tie in ties:
        curve = plan.curves[head, tail][::-1] if tie == LISTS else plan.curves[tail, head]
        colour, dash = STYLES[tie]
        drawing.arrow(*((x + 24, y + 44) for x, y in curve), colour=colour, dash=dash, curve=True)
    for obj in objects:
        name = _label(obj)
        x, y = plan.places[name][0] + 24, plan.places[name][1] + 44
        box = graph.nodes[name]["width"]
        colour = COLOURS.get(obj["kind"], SOFT)
        drawing.box(x - box / 2, y - 21, box, 42, fill="#ffffff", stroke=colour, thick=1.8)
        drawing.box(x - box / 2, y - 21, 6, 42, fill=colour, stroke="none", radius=2)
        drawing.text(x + 3, y - 5, obj["kind"], size=11, colour=SOFT, anchor="middle")
        drawing.text(x + 3, y + 12, obj["metadata"]["name"], size=11, mono=True, anchor="middle")
    used = [tie for tie in STYLES if any(tie == found for _, _, found in ties)]
    drawing.legend(18, plan.height + 72, [(STYLES[tie][0], tie) for tie in used])
    lines = [f"{tail} {tie} {head}" for tail, head, tie in ties]
    return Figure(drawing.svg(), "\n".join([title, *(f"  {line}" for line in lines)]))


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

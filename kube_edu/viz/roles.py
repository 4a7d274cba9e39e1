"""The role graph: from subjects by way of bindings and roles to rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import networkx

from kube_edu.viz.figure import Figure
from kube_edu.viz.layout import layout
from kube_edu.viz.svg import BLUE, GREEN, ORANGE, PURPLE, SKY, SOFT, Drawing, width_of

Object = dict[str, Any]
Box = tuple[str, str, str]
"""Kind, text and colour of what is drawn."""

COLUMNS = {"subject": SKY, "binding": ORANGE, "role": BLUE, "rule": GREEN}


def role_graph(
    objects: Sequence[Object], title: str = "Who may do what", said: Sequence[str] = ()
) -> Figure:
    """Roles and bindings, of which those in no namespace hold everywhere; `said` are lines that
    stand below the title."""
    boxes: dict[str, Box] = {}
    ties: list[tuple[str, str]] = []
    for obj in objects:
        for tail, head in _ties(obj, boxes):
            ties.append((tail, head))
    ties = [tie for tie in dict.fromkeys(ties) if tie[1] in boxes and tie[0] in boxes]
    graph = networkx.DiGraph()
    for name, (_, text, _) in boxes.items():
        width = max(128.0, max(width_of(line, 11, True) for line in text.split("\n")) + 22)
        graph.add_node(name, width=width, height=44.0)
    graph.add_edges_from(ties)
    plan = layout(graph)
    top = 44.0 + 18 * len(said)
    drawing = Drawing(max(plan.width + 48, 480), plan.height + top + 44, title)
    for row, line in enumerate(said):
        drawing.text(18, 49 + 18 * row, line, size=12)
    for tie in ties:
        drawing.arrow(*((x + 24, y + top) for x, y in plan.curves[tie]), curve=True)
    for name, (kind, text, colour) in boxes.items():
        x, y = plan.places[name][0] + 24, plan.places[name][1] + top
        box = graph.nodes[name]["width"]
        drawing.box(x - box / 2, y - 22, box, 44, fill="#ffffff", stroke=colour, thick=1.8)
        drawing.box(x - box / 2, y - 22, 6, 44, fill=colour, stroke="none", radius=2)
        first, _, second = text.partition("\n") if kind == "rule" else (kind, "", text)
        mono = kind == "rule"
        drawing.text(x + 3, y - 5, first, size=11, anchor="middle", mono=mono,
                     colour="#1f2933" if mono else SOFT)  # fmt: skip
        drawing.text(x + 3, y + 12, second, size=11, mono=True, anchor="middle")
    drawing.legend(18, plan.height + top + 28, [(c, name) for name, c in COLUMNS.items()])
    words = [f"  {_words(boxes[tail])} → {_words(boxes[head])}" for tail, head in ties]
    return Figure(drawing.svg(), "\n".join([title, *(f"  {line}" for line in said), *words]))


def _ties(obj: Object, boxes: dict[str, Box]) -> Iterator[tuple[str, str]]:
    """Note what an object is drawn as; the arrows that it gives rise to."""
    kind, name = obj["kind"], obj["metadata"]["name"]
    namespace = obj["metadata"].get("namespace", "")
    me = f"{kind}/{namespace}/{name}"
    where = f"{name} in {namespace}" if namespace else name
    if kind in ("Role", "ClusterRole"):
        boxes[me] = kind, where, BLUE
        for number, rule in enumerate(obj.get("rules") or ()):
            boxes[f"{me}/{number}"] = "rule", rule_text(rule), GREEN
            yield me, f"{me}/{number}"
        return
    boxes[me] = kind, where, ORANGE
    for subject in obj.get("subjects") or ():
        of = f"{subject['name']} in {subject['namespace']}" if "namespace" in subject else ""
        who = f"{subject['kind']}/{of or subject['name']}"
        boxes[who] = subject["kind"], of or subject["name"], SKY
        yield who, me
    role = obj["roleRef"]
    of = "" if role["kind"] == "ClusterRole" else namespace
    missing = f"{role['kind']}/{of}/{role['name']}"
    boxes.setdefault(missing, (role["kind"], f"{role['name']} (not there)", PURPLE))
    yield me, missing


def rule_text(rule: Object) -> str:
    """A rule in two lines: verbs, and what they are about."""
    groups = [group for group in rule.get("apiGroups") or () if group]
    about = ",".join([*(rule.get("resources") or ()), *(rule.get("nonResourceURLs") or ())])
    of = f" of {','.join(groups)}" if groups else ""
    core = '""' if groups and "" in rule["apiGroups"] else ""
    of += f",{core}" if core else ""
    named = f" named {','.join(rule['resourceNames'])}" if rule.get("resourceNames") else ""
    return f"{','.join(rule.get('verbs') or ())}\n{about}{of}{named}"


def _words(box: Box) -> str:
    kind, text, _ = box
    return f"{kind} {text}".replace("\n", " ")

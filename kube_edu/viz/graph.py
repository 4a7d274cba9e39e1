"""A graph of cards with arrows between them, from left to right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import networkx

from kube_edu.viz.layout import layout
from kube_edu.viz.svg import INK, SOFT, Drawing, width_of

HEIGHT, MARGIN = 44.0, 24.0


@dataclass(frozen=True)
class Card:
    """Two lines: what it is, and its name (of `code`, both are as they are written)."""

    kind: str
    name: str
    colour: str
    code: bool = False

    @property
    def width(self) -> float:
        longest = max(self.name, self.kind if self.code else "", key=len)
        return max(120.0, width_of(longest, 11, True) + 22)

    def draw(self, drawing: Drawing, x: float, y: float) -> None:
        drawing.card(x - self.width / 2, y - HEIGHT / 2, self.width, HEIGHT, self.colour)
        colour = INK if self.code else SOFT
        drawing.text(x + 3, y - 5, self.kind, size=11, colour=colour, anchor="middle",
                     mono=self.code)  # fmt: skip
        drawing.text(x + 3, y + 12, self.name, size=11, mono=True, anchor="middle")


@dataclass(frozen=True)
class Tie:
    """An arrow between the cards of these names. One that is `back` leads to the left."""

    tail: str
    head: str
    colour: str = SOFT
    dash: bool = False
    back: bool = False

    @property
    def ends(self) -> tuple[str, str]:
        """From left to right."""
        return (self.head, self.tail) if self.back else (self.tail, self.head)


def graph(
    title: str,
    cards: Mapping[str, Card],
    ties: Sequence[Tie],
    legend: Iterable[tuple[str, str]],
    said: Sequence[str] = (),
) -> Drawing:
    """`said` are lines below the title."""
    nodes = networkx.DiGraph()
    for name, card in cards.items():
        nodes.add_node(name, width=card.width, height=HEIGHT)
    nodes.add_edges_from(tie.ends for tie in ties)
    plan = layout(nodes)
    top = 44.0 + 18 * len(said)
    drawing = Drawing(max(plan.width + 2 * MARGIN, 480), plan.height + top + 44, title)
    for row, line in enumerate(said):
        drawing.text(18, 49 + 18 * row, line, size=12)
    for tie in ties:
        curve = plan.curves[tie.ends][:: -1 if tie.back else 1]
        points = ((x + MARGIN, y + top) for x, y in curve)
        drawing.arrow(*points, colour=tie.colour, dash=tie.dash, curve=True)
    for name, card in cards.items():
        x, y = plan.places[name]
        card.draw(drawing, x + MARGIN, y + top)
    drawing.legend(18, plan.height + top + 28, legend)
    return drawing

"""What is declared, what was, what is: the three sides of an apply, and what is made of them."""

from __future__ import annotations

from typing import Any

import yaml

from kube_edu.viz.figure import Figure
from kube_edu.viz.svg import BLUE, GREEN, GREY, INK, ORANGE, RED, SOFT, Drawing, fit

CARD, LINE = 245.0, 15.0


SIDES = "above: the three sides of the decision; below: what comes of it"


def three_way(
    title: str, sides: dict[str, Any], outcomes: dict[str, Any], note: str = SIDES
) -> Figure:
    """Cards side by side, each a YAML document (None: it is not there): above the three sides
    that a decision is made from, below what comes of it. The outcome named "right" is green."""
    rows = [_cards(sides), _cards(outcomes)]
    heights = [42 + LINE * max(len(lines) for _, lines in row) for row in rows]
    drawing = Drawing(36 + 3 * CARD + 28, 44 + sum(heights) + 44, title)
    colours = {"yours": RED, "declared": BLUE, "the patch": BLUE, "last applied": SOFT,
               "right": GREEN}  # fmt: skip
    y = 44.0
    for row, height in zip(rows, heights, strict=True):
        for column, (name, lines) in enumerate(row):
            x = 18 + column * (CARD + 14)
            colour = colours.get(name, ORANGE)
            drawing.card(x, y, CARD, height, colour)
            drawing.text(x + 16, y + 20, name, size=12.5, bold=True, colour=colour)
            for index, line in enumerate(lines):
                ink = GREY if line.startswith("(") else INK
                text = fit(line, CARD - 24, 11, mono=True)
                drawing.text(x + 16, y + 40 + LINE * index, text, size=11, mono=True, colour=ink)
        y += height + 14
    drawing.note(18, y + 8, note, 11.5)
    words = [
        f"{name}:\n" + "\n".join(f"    {line}" for line in lines)
        for row in rows
        for name, lines in row
    ]
    return Figure(drawing.svg(), "\n".join([title, *words]))


def _cards(documents: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(name, _yaml(document)) for name, document in documents.items()]


def _yaml(document: Any) -> list[str]:
    if document is None:
        return ["(not there)"]
    if isinstance(document, str):
        return document.splitlines()
    text: str = yaml.safe_dump(document, sort_keys=False)
    return text.removesuffix("\n...\n").splitlines()

"""A small SVG writer: cards, boxes, text, arrows, legends.

A drawing is a card with a background and colours of its own, so that it reads on a light and on
a dark page. The colours are those of Okabe and Ito, which colour-blind readers can tell apart
(https://jfly.uni-koeln.de/color/); no figure speaks by colour alone. There are no ids and no
style sheets in it: many drawings on one page cannot disturb one another, and the same input
gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from math import hypot

from kube_edu.viz.figure import Figure

INK, SOFT, FAINT, PAPER, PANEL = "#1f2933", "#5b6670", "#c9d1d9", "#fdfdfb", "#f1f4f7"
BLUE, SKY, GREEN, ORANGE, RED, PURPLE, YELLOW, GREY = (
    "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#f0e442", "#9aa5b1",
)  # fmt: skip
SANS = "system-ui, 'Segoe UI', 'DejaVu Sans', Verdana, sans-serif"
MONO = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"

Point = tuple[float, float]
Sign = Callable[[float, float], None]
"""Draws something, about 20 wide, from a place at its left on."""


def number(value: float) -> str:
    """A coordinate in its shortest form: 12, 3.5."""
    return f"{value:.1f}".removesuffix(".0")


def width_of(text: str, size: float = 13, mono: bool = False) -> float:
    """About how wide a text will be drawn, on the safe side, whatever font the reader has."""
    return len(text) * size * (0.62 if mono else 0.56)


def fit(text: str, width: float, size: float = 13, mono: bool = False) -> str:
    """The text, cut with an ellipsis where it would not fit the width."""
    room = int(width / (size * (0.62 if mono else 0.56)))
    return text if len(text) <= room else text[: max(room - 1, 1)] + "…"


def nothing(title: str, why: str) -> Figure:
    """Where there is nothing to draw."""
    return Drawing(420, 60, f"{title}: {why}").figure(())


class Drawing:
    """A card to draw on; y grows downwards, and later strokes cover earlier ones."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self._parts: list[str] = []
        self.box(0.5, 0.5, width - 1, height - 1, fill=PAPER, stroke=FAINT, radius=10)
        self.text(18, 28, title, size=15, bold=True)

    def svg(self) -> str:
        size = f'width="{number(self.width)}" height="{number(self.height)}"'
        view = f'viewBox="0 0 {number(self.width)} {number(self.height)}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view} role="img">'
        return "\n".join([head, f"<title>{escape(self.title)}</title>", *self._parts, "</svg>"])

    def text(self, x: float, y: float, text: str, *, size: float = 13, colour: str = INK,
             anchor: str = "start", bold: bool = False, mono: bool = False) -> None:  # fmt: skip
        """One line of text; `y` is its base line, `anchor` start, middle or end."""
        style = f'font-family="{MONO if mono else SANS}" font-size="{number(size)}"'
        style += f' text-anchor="{anchor}"' if anchor != "start" else ""
        style += ' font-weight="600"' if bold else ""
        style += ' xml:space="preserve"' if mono else ""
        place = f'x="{number(x)}" y="{number(y)}"'
        self._parts.append(f'<text {place} fill="{colour}" {style}>{escape(text)}</text>')

    def note(self, x: float, y: float, text: str, size: float = 11, anchor: str = "start") -> None:
        """Something less important."""
        self.text(x, y, text, size=size, colour=SOFT, anchor=anchor)

    def box(self, x: float, y: float, width: float, height: float, *, fill: str = PANEL,
            stroke: str = FAINT, dash: bool = False, radius: float = 6,
            thick: float = 1.2) -> None:  # fmt: skip
        place = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
        self._parts.append(
            f'<rect {place} rx="{number(radius)}" fill="{fill}" {_stroke(stroke, thick, dash)}/>'
        )

    def card(self, x: float, y: float, width: float, height: float, colour: str,
             bar: bool = True) -> None:  # fmt: skip
        """A white box in a colour, with a bar of it at the left."""
        self.box(x, y, width, height, fill="#ffffff", stroke=colour, thick=1.8)
        if bar:
            self.box(x, y, 6, height, fill=colour, stroke="none", radius=2)

    def line(self, *points: Point, colour: str = SOFT, thick: float = 1.4,
             dash: bool = False) -> None:  # fmt: skip
        path = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        self._parts.append(
            f'<polyline points="{path}" fill="none" {_stroke(colour, thick, dash)}/>'
        )

    def shape(self, *points: Point, fill: str) -> None:
        path = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        self._parts.append(f'<polygon points="{path}" fill="{fill}"/>')

    def circle(self, x: float, y: float, radius: float, *, fill: str, stroke: str = "none") -> None:
        place = f'cx="{number(x)}" cy="{number(y)}" r="{number(radius)}"'
        self._parts.append(f'<circle {place} fill="{fill}" {_stroke(stroke, 1.2, False)}/>')

    def arrow(self, *points: Point, colour: str = SOFT, thick: float = 1.6, dash: bool = False,
              curve: bool = False) -> None:  # fmt: skip
        """A line through the points (or a curve: the control points of cubic Béziers, as Graphviz
        gives them) with a head at the last."""
        (x1, y1), (x2, y2) = points[-2:]
        length = hypot(x2 - x1, y2 - y1) or 1.0
        dx, dy = (x2 - x1) / length, (y2 - y1) / length
        base = (x2 - 8 * dx, y2 - 8 * dy)
        line = [*points[:-1], base]
        if curve:
            first, *rest = (f"{number(x)},{number(y)}" for x, y in line)
            path = f"M{first} C{' '.join(rest)}"
            self._parts.append(f'<path d="{path}" fill="none" {_stroke(colour, thick, dash)}/>')
        else:
            self.line(*line, colour=colour, thick=thick, dash=dash)
        left, right = ((base[0] - side * 4 * dy, base[1] + side * 4 * dx) for side in (1, -1))
        self.shape(left, (x2, y2), right, fill=colour)

    def crown(self, x: float, y: float) -> None:
        """A leader's crown, 20 wide, standing on (x, y)."""
        steps = [(-10, 0), (-11, -11), (-5, -5), (0, -13), (5, -5), (11, -11), (10, 0)]
        self.shape(*((x + dx, y + dy) for dx, dy in steps), fill=ORANGE)

    def cross(self, x: float, y: float, radius: float = 5, colour: str = RED) -> None:
        for side in (1, -1):
            self.line((x - radius, y - side * radius), (x + radius, y + side * radius),
                      colour=colour, thick=2.4)  # fmt: skip

    def tick(self, x: float, y: float, radius: float = 5, colour: str = GREEN) -> None:
        self.line((x - radius, y), (x - radius / 4, y + radius * 0.75),
                  (x + radius, y - radius * 0.75), colour=colour, thick=2.4)  # fmt: skip

    def legend(self, x: float, y: float, entries: Iterable[tuple[str | Sign, str]]) -> None:
        """In one row, what colours mean, and signs, which draw themselves at a place."""
        for sign, meaning in entries:
            if isinstance(sign, str):
                self.box(x, y - 9, 11, 11, fill=sign, stroke="none", radius=2)
                x += 16
            else:
                sign(x, y - 4)
                x += 28
            self.note(x, y, meaning, 11.5)
            x += (18 if isinstance(sign, str) else 12) + width_of(meaning, 11.5)

    def dash(self, x: float, y: float, *, colour: str, head: bool = False, dash: bool = True,
             thick: float = 1.6) -> None:  # fmt: skip
        """A sign: a short line, or an arrow."""
        draw = self.arrow if head else self.line
        draw((x, y), (x + 22, y), colour=colour, thick=thick, dash=dash)

    def figure(self, words: Iterable[str]) -> Figure:
        """With the same said in words, line by line below the title."""
        return Figure(self.svg(), "\n".join([self.title, *(f"  {line}" for line in words)]))


def _stroke(colour: str, thick: float, dash: bool) -> str:
    if colour == "none":
        return 'stroke="none"'
    dashes = ' stroke-dasharray="5 4"' if dash else ""
    return f'stroke="{colour}" stroke-width="{number(thick)}" stroke-linejoin="round"{dashes}'

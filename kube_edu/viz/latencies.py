"""How long each write took, against how long it was until the next heartbeat."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from statistics import median

from kube_edu.viz.figure import Figure
from kube_edu.viz.svg import BLUE, FAINT, GREY, INK, ORANGE, RED, SOFT, Drawing, nothing

LEFT, TOP, WIDE, HIGH = 60.0, 66.0, 420.0, 250.0
WAITED = 1.0
"""A write that took at least this part of the time until the next heartbeat, and three times as
long as the quickest, has waited for it."""


def latencies(title: str, points: Sequence[tuple[float, float] | None]) -> Figure:
    """`points` are (seconds until the next heartbeat, seconds that the write took). If writes
    waited for heartbeats the points would lie on the diagonal. None is a write that nobody has
    measured yet."""
    measured = [point for point in points if point is not None]
    if not measured:
        return nothing(title, "not measured yet")
    until = [1000 * point[0] for point in measured]
    took = [1000 * point[1] for point in measured]
    right, top = 20 * ceil(max(*until, 100) / 20), 50 * ceil(max(*took, 100) / 50)
    bottom = TOP + HIGH
    drawing = Drawing(800, bottom + 56, title)

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + x * WIDE / right, bottom - y * HIGH / top

    for mark in range(0, right + 1, 20):
        x, _ = place(mark, 0)
        drawing.line((x, TOP), (x, bottom), colour=FAINT, thick=1)
        drawing.note(x, bottom + 17, str(mark), anchor="middle")
    for mark in range(0, top + 1, 20 if top <= 200 else 100):
        _, y = place(0, mark)
        drawing.line((LEFT, y), (LEFT + WIDE, y), colour=FAINT, thick=1)
        drawing.note(LEFT - 8, y + 4, str(mark), anchor="end")
    drawing.line(place(0, 0), place(right, right), colour=RED, thick=2, dash=True)
    for x, y in zip(until, took, strict=True):
        waited = _waited(x, y, min(took))
        drawing.circle(*place(x, y), 3.2, fill=ORANGE if waited else BLUE, stroke="#ffffff")
    drawing.note(LEFT, TOP - 8, "ms that the write took", 12)
    axis = "ms until the next heartbeat, when it was asked for"
    drawing.note(LEFT + WIDE / 2, bottom + 38, axis, 12, "middle")
    _aside(drawing, until, took)
    return drawing.figure(_said(until, took))


def _aside(drawing: Drawing, until: Sequence[float], took: Sequence[float]) -> None:
    x, y = LEFT + WIDE + 34, TOP + 6
    waited = any(_waited(a, b, min(took)) for a, b in zip(until, took, strict=True))
    drawing.line((x, y), (x + 26, y), colour=RED, thick=2, dash=True)
    drawing.text(x + 36, y + 4, "the claim: it waits", size=12)
    drawing.circle(x + 13, y + 24, 3.6, fill=BLUE)
    drawing.text(x + 36, y + 28, "a write, as it was", size=12)
    if waited:
        drawing.circle(x + 13, y + 48, 3.6, fill=ORANGE)
        drawing.text(x + 36, y + 52, "a write that did wait", size=12)
    for number, line in enumerate(_said(until, took)):
        drawing.text(x, y + 96 + 20 * number, line, size=12.5, colour=INK if number < 2 else SOFT)
    drawing.line((x, y + 74), (x + 210, y + 74), colour=GREY, thick=1)


def _said(until: Sequence[float], took: Sequence[float]) -> list[str]:
    waited = sum(_waited(x, y, min(took)) for x, y in zip(until, took, strict=True))
    return [
        f"{len(took)} writes; half of them within {median(took):.1f} ms",
        f"waited for a heartbeat: {waited}",
        f"the quickest {min(took):.1f} ms, the slowest {max(took):.1f} ms",
        f"until the next heartbeat: {median(until):.0f} ms (median)",
    ]


def _waited(until: float, took: float, quickest: float) -> bool:
    return took >= WAITED * until and took > 3 * quickest

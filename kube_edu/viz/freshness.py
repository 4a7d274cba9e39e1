"""Reads, by how long each took, and whether what it showed was already old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from statistics import median

from kube_edu.viz.figure import Figure
from kube_edu.viz.svg import BLUE, FAINT, RED, SOFT, Drawing

LEFT, TOP, WIDE, ROW = 210.0, 66.0, 520.0, 64.0
FROM, TO = 0.001, 5.0
"""Seconds at the ends of the scale, which is logarithmic."""


def freshness(title: str, reads: Mapping[str, Sequence[tuple[float, bool]]]) -> Figure:
    """For each kind of read: (seconds that it took, whether it was stale), one after the other."""
    drawing = Drawing(LEFT + WIDE + 30, TOP + ROW * len(reads) + 74, title)
    bottom = TOP + ROW * len(reads)
    for mark in (0.001, 0.01, 0.1, 1.0):
        drawing.line((_x(mark), TOP - 8), (_x(mark), bottom), colour=FAINT, thick=1)
        label = f"{1000 * mark:.0f} ms" if mark < 1 else "1 s"
        drawing.note(_x(mark), bottom + 18, label, anchor="middle")
    words = []
    for row, (name, points) in enumerate(reads.items()):
        stale = sum(old for _, old in points)
        took = [seconds for seconds, _ in points]
        drawing.text(18, TOP + ROW * row + 20, name, size=12.5, bold=True)
        drawing.text(18, TOP + ROW * row + 37, f"{stale} of {len(points)} were stale", size=11.5,
                     colour=RED if stale else SOFT)  # fmt: skip
        for number, (seconds, old) in enumerate(points):
            y = TOP + ROW * row + 8 + 36 * number / len(points)  # one below the other, to be seen
            if old:
                drawing.cross(_x(seconds), y, 3.5)
            else:
                drawing.circle(_x(seconds), y, 3, fill=BLUE)
        words.append(f"{name}: {stale} of {len(points)} stale; median {_ms(median(took))}, "
                     f"slowest {_ms(max(took))}")  # fmt: skip
    drawing.legend(18, bottom + 52, [(BLUE, "shows what was just written"),
                                     (RED, "shows an older state (a cross)")])  # fmt: skip
    return drawing.figure(words)


def _x(seconds: float) -> float:
    part = (log10(min(max(seconds, FROM), TO)) - log10(FROM)) / (log10(TO) - log10(FROM))
    return LEFT + WIDE * part


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"

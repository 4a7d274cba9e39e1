"""How long members wait before they stand for election: the time-outs that they drew, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kube_edu.viz.figure import Figure
from kube_edu.viz.svg import BLUE, FAINT, GREEN, RED, Drawing, width_of

WIDTH, HEIGHT, LEFT, BASE, TALL = 800.0, 220.0, 60.0, 160.0, 92.0


def patience(title: str, drawn: Sequence[int], ticks: int) -> Figure:
    """A bar for each number of ticks that was drawn, in front of the span that Raft draws from:
    from `ticks` to twice as many. Whatever lies below it is too soon, and is red."""
    counts = Counter(drawn)
    last = max([2 * ticks, *counts]) + 1
    step = (WIDTH - LEFT - 30) / (last + 1)
    drawing = Drawing(WIDTH, HEIGHT, title)

    def x(value: float) -> float:
        return LEFT + step * value

    drawing.box(x(ticks), BASE - TALL - 12, step * ticks, TALL + 12, fill=GREEN + "22",
                stroke="none", radius=3)  # fmt: skip
    for value, count in sorted(counts.items()):
        tall = TALL * count / max(counts.values())
        drawing.box(x(value), BASE - tall, max(step - 1.5, 1.2), tall, radius=1, stroke="none",
                    fill=RED if value < ticks else BLUE)  # fmt: skip
    drawing.line((x(0), BASE), (x(last + 1), BASE), colour=FAINT)
    every = next(n for n in (1, 2, 5, 10, 50, 100, 500, 1000, last) if step * n > 34)
    for value in range(0, last + 1, every):
        drawing.note(x(value + 0.5), BASE + 16, str(value), anchor="middle")
    drawing.note(LEFT - 8, BASE + 16, "ticks", anchor="end")
    entries = [(BLUE, f"drawn, of {len(drawn)}"), (RED, "too soon"), (GREEN + "22", "Raft's span")]
    drawing.legend(LEFT, BASE + 42, entries)
    said = f"{len(drawn)} draws, ticks = {ticks}"
    drawing.note(WIDTH - 18 - width_of(said, 11.5), BASE + 42, said, 11.5)
    words = ", ".join(f"{value} ({count})" for value, count in sorted(counts.items()))
    return drawing.figure([f"{said}: {words}"])

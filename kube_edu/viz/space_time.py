"""A space-time diagram of Raft: a line a member, time downwards, messages as slanted arrows.

Lamport's picture ("Time, Clocks, and the Ordering of Events in a Distributed System", 1978). Each
moment at which something happened has a row of its own: an arrow's slope says that a message took
time, not how much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from kube_edu.trace import Event
from kube_edu.viz.figure import Figure
from kube_edu.viz.raft_steps import (
    KINDS,
    ROLES,
    Arrow,
    Line,
    kind_signs,
    members_in,
    message_words,
    messages_in,
    network_words,
    quiet,
    rows_of,
    said_beside,
    shortened,
    take,
    worth_a_row,
)
from kube_edu.viz.svg import FAINT, GREEN, INK, PAPER, RED, SOFT, Drawing, Sign, fit, width_of

WIDTH, LEFT, TOP, ROW = 800.0, 74.0, 64.0, 21.0
ROWS = 46
"""More would not be read: of a longer run, the last ones are drawn."""


def space_time(
    trace: Iterable[Event],
    title: str,
    *,
    members: Sequence[str] = (),
    since: float = 0.0,
    until: float = float("inf"),
    mark: int | None = None,
    why: str = "",
    heartbeats: bool = False,
    rows: int = ROWS,
) -> Figure:
    """The Raft events of a trace between two moments. `mark` is the position in the trace of the
    step that is wrong, and `why` says what is wrong with it; nothing after it is drawn.
    Heartbeats that changed nothing are left out, unless asked for."""
    events = list(trace)
    members = members or members_in(events)
    end = len(events) if mark is None else mark + 1
    arrows = messages_in(events[:end], members)
    shown = [
        number
        for number, event in enumerate(events[:end])
        if since <= event.time <= until and worth_a_row(event, members)
    ]
    if not heartbeats:
        unseen = quiet(events[:end], arrows)
        shown = [number for number in shown if number not in unseen]
    places = rows_of(events, shown, rows)
    drawn = _Diagram(events, list(members), arrows, places, mark, why)
    return drawn.drawing(title).figure(_words(events, places, mark, why))


class _Diagram:
    """The drawing of chosen events: lines first, then arrows, then what is written on them."""

    def __init__(
        self,
        events: Sequence[Event],
        members: Sequence[str],
        arrows: Sequence[Arrow],
        places: dict[int, int],
        mark: int | None,
        why: str,
    ) -> None:
        self._events, self._members, self._arrows = events, members, arrows
        self._places, self._mark, self._why = places, mark, why
        self._first = min(places, default=0)
        self._last = max(places, default=0)
        self._lines = {name: Line() for name in members}
        self._column = (WIDTH - LEFT - 10) / max(len(members), 1)

    def drawing(self, title: str) -> Drawing:
        rows = max(self._places.values(), default=0) + 1
        bottom = TOP + ROW * rows + 14
        drawing = Drawing(WIDTH, bottom + 62 + (26 if self._why else 0), title)
        self._draw_times(drawing)
        self._follow(bottom)
        for name in self._members:
            self._draw_line(drawing, name)
        for arrow in self._arrows:
            self._draw_arrow(drawing, arrow, bottom)
        for name in self._members:
            self._draw_notes(drawing, name)
        self._draw_network(drawing)
        self._draw_mark(drawing, bottom)
        self._draw_legend(drawing, bottom)
        return drawing

    def _x(self, name: str) -> float:
        return LEFT + self._column * (self._members.index(name) + 0.14)

    def _y(self, number: int) -> float:
        return TOP + 14 + ROW * self._places[number]

    def _draw_times(self, drawing: Drawing) -> None:
        before = ""
        for number in self._places:
            text = f"{self._events[number].time:.2f} s"
            if text != before:
                drawing.text(LEFT - 14, self._y(number) + 4, text, size=10.5, colour=SOFT,
                             anchor="end")  # fmt: skip
            before = text

    def _follow(self, bottom: float) -> None:
        """Roles and terms along each line, and what is to be written beside it."""
        for line in self._lines.values():
            line.since = TOP
        for number, event in enumerate(self._events[: self._last + 1]):
            if event.host not in self._lines:
                continue
            line = self._lines[event.host]
            before = line.role, line.term, line.up
            take(line, event)
            if (line.role, line.term, line.up) != before and number >= self._first:
                y = self._y(number) if number in self._places else line.since
                line.spans.append((line.since, y, before[0] if before[2] else "down"))
                line.since = y
            if number in self._places and (said := said_beside(event, before[:2])):
                line.notes.setdefault(self._places[number], []).append(said)
        for line in self._lines.values():
            line.spans.append((line.since, bottom - 6, line.role if line.up else "down"))

    def _draw_line(self, drawing: Drawing, name: str) -> None:
        x = self._x(name)
        drawing.text(x, TOP - 12, name, size=12.5, bold=True, anchor="middle")
        for start, stop, state in self._lines[name].spans:
            if stop <= start:
                continue
            if state == "down":
                drawing.line((x, start), (x, stop), colour=RED, thick=2, dash=True)
            else:
                drawing.line((x, start), (x, stop), colour=ROLES[state], thick=5)

    def _draw_arrow(self, drawing: Drawing, arrow: Arrow, bottom: float) -> None:
        end = arrow.arrived if arrow.arrived is not None else arrow.lost
        if arrow.sent not in self._places and (end is None or end not in self._places):
            return
        x1, x2 = self._x(arrow.source), self._x(arrow.target)
        side = 4 if x2 > x1 else -4
        y1 = self._y(arrow.sent) if arrow.sent in self._places else TOP - 2
        y2 = self._y(end) if end is not None and end in self._places else bottom - 4
        colour = KINDS[arrow.kind][0]
        dash = arrow.kind == "no"
        start, stop = (x1 + side, y1), (x2 - side, y2)
        if arrow.arrived is not None and arrow.arrived in self._places:
            drawing.arrow(start, stop, colour=colour, thick=1.5, dash=dash)
            return
        # lost, or under way, or on the way to somebody who is down
        share = 0.62
        stop = x1 + (x2 - x1) * share, min(y1 + (y2 - y1) * share, y1 + 2.5 * ROW)
        drawing.line(start, stop, colour=colour, thick=1.5, dash=dash)
        if arrow.lost is not None:
            drawing.cross(*stop, radius=4)

    def _draw_notes(self, drawing: Drawing, name: str) -> None:
        x = self._x(name)
        for row, notes in self._lines[name].notes.items():
            y = TOP + 14 + ROW * row
            text = fit("; ".join(shortened(notes)), self._column + 6, 10)
            drawing.box(x + 13, y - 14, width_of(text, 10) * 0.96 + 1, 12, fill=PAPER,
                        stroke="none", radius=3)  # fmt: skip
            drawing.text(x + 14, y - 4, text, size=10)
            drawing.circle(x, y, 4, fill=INK, stroke="#ffffff")

    def _draw_network(self, drawing: Drawing) -> None:
        for number in self._places:
            event = self._events[number]
            if event.kind in ("net.partition", "net.heal"):
                y, colour = self._y(number), RED if event.kind == "net.partition" else GREEN
                drawing.line((LEFT - 8, y), (WIDTH - 14, y), colour=colour, dash=colour == RED)
                said = fit(network_words(event), 420, 11)
                wide = width_of(said, 11) + 4
                drawing.box(WIDTH - 16 - wide, y - 9, wide, 18, fill=PAPER, stroke="none")
                drawing.text(WIDTH - 18, y + 4, said, size=11, bold=True, colour=colour,
                             anchor="end")  # fmt: skip

    def _draw_mark(self, drawing: Drawing, bottom: float) -> None:
        mark = self._mark
        if mark in self._places and (host := self._events[mark].host) in self._lines:
            x, y = self._x(host), self._y(mark)
            wide = min(self._column * 0.98, WIDTH - 6 - (x - 11))
            drawing.box(x - 11, y - 17, wide, 27, fill="none", stroke=RED, thick=2.4)
            drawing.text(x - 15, y + 6, "✗", size=17, colour=RED, bold=True, anchor="end")
        if self._why:
            drawing.text(18, bottom + 16, "✗ " + fit(self._why, WIDTH - 50, 12.5), size=12.5,
                         colour=RED, bold=True)  # fmt: skip

    def _draw_legend(self, drawing: Drawing, bottom: float) -> None:
        y = bottom + (44 if self._why else 18)
        drawing.line((18, y - 10), (WIDTH - 18, y - 10), colour=FAINT, thick=1)
        lines: list[tuple[Sign, str]] = [
            (partial(drawing.dash, colour=colour, dash=False, thick=5), role)
            for role, colour in ROLES.items()
        ]
        lines.append((partial(drawing.dash, colour=RED, thick=2), "down"))
        drawing.legend(18, y + 9, lines)
        lost: Sign = lambda x, y: drawing.cross(x + 12, y, radius=4)  # noqa: E731
        drawing.legend(18, y + 29, [*kind_signs(drawing), (lost, "lost")])


def _words(
    events: Sequence[Event], places: dict[int, int], mark: int | None, why: str
) -> Iterator[str]:
    """The diagram as a list of what happened, in order."""
    lines_of: dict[str, Line] = {}
    for number, event in enumerate(events[: max(places, default=-1) + 1]):
        line = lines_of.setdefault(event.host, Line())
        before = line.role, line.term
        take(line, event)
        if number not in places:
            continue
        said = message_words(event) or said_beside(event, before) or network_words(event)
        if said:
            sign = "✗ " if number == mark else "  "
            yield f"{sign}{event.time:6.2f} s  {event.host:<8} {said}"
    if why:
        yield f"✗ {why}"

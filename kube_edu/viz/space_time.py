"""A space-time diagram of Raft: a line a member, time downwards, messages as slanted arrows.

Lamport's picture ("Time, Clocks, and the Ordering of Events in a Distributed System", 1978). Each
moment at which something happened has a row of its own: an arrow's slope says that a message took
time, not how much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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
from kube_edu.viz.svg import FAINT, GREEN, INK, PAPER, RED, Drawing, Sign, fit, width_of

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
    return _Diagram(title, events, list(members), places, mark, why).drawn(arrows)


@dataclass
class _Diagram:
    """The drawing of chosen events: lines first, then arrows, then what is written on them."""

    title: str
    events: Sequence[Event]
    members: Sequence[str]
    places: dict[int, int]
    """Position in the trace → row."""
    mark: int | None
    why: str

    def __post_init__(self) -> None:
        self.lines = {name: Line() for name in self.members}
        self.column = (WIDTH - LEFT - 10) / max(len(self.members), 1)
        self.bottom = TOP + ROW * (max(self.places.values(), default=0) + 1) + 14
        height = self.bottom + 62 + (26 if self.why else 0)
        self.drawing = Drawing(WIDTH, height, self.title)

    def drawn(self, arrows: Sequence[Arrow]) -> Figure:
        self._draw_times()
        self._follow()
        for name in self.members:
            self._draw_line(name)
        for arrow in arrows:
            self._draw_arrow(arrow)
        for name in self.members:
            self._draw_notes(name)
        self._draw_network()
        self._draw_mark()
        self._draw_legend()
        return self.drawing.figure(_words(self.events, self.places, self.mark, self.why))

    def _x(self, name: str) -> float:
        return LEFT + self.column * (self.members.index(name) + 0.14)

    def _y(self, number: int) -> float:
        return TOP + 14 + ROW * self.places[number]

    def _draw_times(self) -> None:
        before = ""
        for number in self.places:
            text = f"{self.events[number].time:.2f} s"
            if text != before:
                self.drawing.note(LEFT - 14, self._y(number) + 4, text, 10.5, "end")
            before = text

    def _follow(self) -> None:
        """Roles and terms along each line, and what is to be written beside it."""
        first, last = min(self.places, default=0), max(self.places, default=0)
        for line in self.lines.values():
            line.since = TOP
        for number, event in enumerate(self.events[: last + 1]):
            if event.host not in self.lines:
                continue
            line = self.lines[event.host]
            before = line.role, line.term, line.up
            take(line, event)
            if (line.role, line.term, line.up) != before and number >= first:
                y = self._y(number) if number in self.places else line.since
                line.spans.append((line.since, y, before[0] if before[2] else "down"))
                line.since = y
            if number in self.places and (said := said_beside(event, before[:2])):
                line.notes.setdefault(self.places[number], []).append(said)
        for line in self.lines.values():
            line.spans.append((line.since, self.bottom - 6, line.role if line.up else "down"))

    def _draw_line(self, name: str) -> None:
        x = self._x(name)
        self.drawing.text(x, TOP - 12, name, size=12.5, bold=True, anchor="middle")
        for start, stop, state in self.lines[name].spans:
            if stop <= start:
                continue
            if state == "down":
                self.drawing.line((x, start), (x, stop), colour=RED, thick=2, dash=True)
            else:
                self.drawing.line((x, start), (x, stop), colour=ROLES[state], thick=5)

    def _draw_arrow(self, arrow: Arrow) -> None:
        end = arrow.arrived if arrow.arrived is not None else arrow.lost
        if arrow.sent not in self.places and (end is None or end not in self.places):
            return
        x1, x2 = self._x(arrow.source), self._x(arrow.target)
        side = 4 if x2 > x1 else -4
        y1 = self._y(arrow.sent) if arrow.sent in self.places else TOP - 2
        y2 = self._y(end) if end is not None and end in self.places else self.bottom - 4
        colour = KINDS[arrow.kind][0]
        dash = arrow.kind == "no"
        start, stop = (x1 + side, y1), (x2 - side, y2)
        if arrow.arrived is not None and arrow.arrived in self.places:
            self.drawing.arrow(start, stop, colour=colour, thick=1.5, dash=dash)
            return
        # lost, or under way, or on the way to somebody who is down
        share = 0.62
        stop = x1 + (x2 - x1) * share, min(y1 + (y2 - y1) * share, y1 + 2.5 * ROW)
        self.drawing.line(start, stop, colour=colour, thick=1.5, dash=dash)
        if arrow.lost is not None:
            self.drawing.cross(*stop, radius=4)

    def _draw_notes(self, name: str) -> None:
        x = self._x(name)
        for row, notes in self.lines[name].notes.items():
            y = TOP + 14 + ROW * row
            text = fit("; ".join(shortened(notes)), self.column + 6, 10)
            wide = width_of(text, 10) * 0.96 + 1
            self.drawing.box(x + 13, y - 14, wide, 12, fill=PAPER, stroke="none", radius=3)
            self.drawing.text(x + 14, y - 4, text, size=10)
            self.drawing.circle(x, y, 4, fill=INK, stroke="#ffffff")

    def _draw_network(self) -> None:
        for number in self.places:
            event = self.events[number]
            if event.kind in ("net.partition", "net.heal"):
                y, colour = self._y(number), RED if event.kind == "net.partition" else GREEN
                self.drawing.line((LEFT - 8, y), (WIDTH - 14, y), colour=colour, dash=colour == RED)
                said = fit(network_words(event), 420, 11)
                wide = width_of(said, 11) + 4
                self.drawing.box(WIDTH - 16 - wide, y - 9, wide, 18, fill=PAPER, stroke="none")
                place = WIDTH - 18, y + 4
                self.drawing.text(*place, said, size=11, bold=True, colour=colour, anchor="end")

    def _draw_mark(self) -> None:
        mark = self.mark
        if mark in self.places and (host := self.events[mark].host) in self.lines:
            x, y = self._x(host), self._y(mark)
            wide = min(self.column * 0.98, WIDTH - 6 - (x - 11))
            self.drawing.box(x - 11, y - 17, wide, 27, fill="none", stroke=RED, thick=2.4)
            self.drawing.text(x - 15, y + 6, "✗", size=17, colour=RED, bold=True, anchor="end")
        if self.why:
            why = "✗ " + fit(self.why, WIDTH - 50, 12.5)
            self.drawing.text(18, self.bottom + 16, why, size=12.5, colour=RED, bold=True)

    def _draw_legend(self) -> None:
        y = self.bottom + (44 if self.why else 18)
        self.drawing.line((18, y - 10), (WIDTH - 18, y - 10), colour=FAINT, thick=1)
        lines: list[tuple[Sign, str]] = [
            (partial(self.drawing.dash, colour=colour, dash=False, thick=5), role)
            for role, colour in ROLES.items()
        ]
        lines.append((partial(self.drawing.dash, colour=RED, thick=2), "down"))
        self.drawing.legend(18, y + 9, lines)
        lost: Sign = lambda x, y: self.drawing.cross(x + 12, y, radius=4)  # noqa: E731
        self.drawing.legend(18, y + 29, [*kind_signs(self.drawing), (lost, "lost")])


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

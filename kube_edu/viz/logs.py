"""The logs of all members, below one another: rows of entries with their terms, as in Figures 6, 7
and 8 of the Raft paper.

An entry is a box with its term and, where there is room, its command. A green line stands below
what the member knows to be committed; a red, broken frame is round an entry that is not the
leader's; a triangle shows up to where the leader knows that the log is like its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kube_edu.raft import ConfChangeType, Entry, RaftNode, Role
from kube_edu.viz.figure import Figure
from kube_edu.viz.svg import (
    BLUE,
    GREEN,
    GREY,
    INK,
    PANEL,
    RED,
    SOFT,
    Drawing,
    fit,
    width_of,
)

LEFT, TOP, ROW, HIGH = 176.0, 84.0, 58.0, 32.0
WIDTH, WIDEST, NARROWEST = 800.0, 66.0, 30.0

TERMS = ("#cfe8f7", "#fbe3ad", "#bfe6d8", "#f3d3e3", "#f8cfb8", "#f7f2ae", "#bcd7ea", "#dfe4e8")
"""The fill of an entry's box, by its term; the term stands in it, too."""


@dataclass(frozen=True)
class LogRow:
    """One member's log. `snapshot` is the last entry that only a snapshot stands for; `match` is
    what the leader knows of it, None if nobody leads."""

    name: str
    entries: Sequence[Entry]
    term: int = 0
    commit: int = 0
    leads: bool = False
    up: bool = True
    snapshot: int = 0
    match: int | None = None
    note: str = ""

    @property
    def last_index(self) -> int:
        return self.entries[-1].index if self.entries else self.snapshot


@dataclass(frozen=True)
class LogMark:
    """Something to point at: an entry (or the place of one) of a member's log, and why."""

    member: str
    index: int
    text: str = field(default="", compare=False)


def log_rows(nodes: Mapping[str, RaftNode]) -> list[LogRow]:
    """The logs of members as they are now."""
    leader = leading(list(nodes.values()))
    known = leader.leadership.progress if leader is not None and leader.leadership else {}
    return [
        LogRow(
            name,
            tuple(node.log.entries(node.log.first_index)),
            node.term,
            node.log.commit,
            node.role is Role.LEADER,
            snapshot=node.log.first_index - 1,
            match=known[name].match if name in known and node is not leader else None,
        )
        for name, node in nodes.items()
    ]


def leading(nodes: Sequence[RaftNode]) -> RaftNode | None:
    """Who leads in the latest term."""
    leaders = [node for node in nodes if node.role is Role.LEADER]
    return max(leaders, key=lambda node: node.term, default=None)


def logs(title: str, rows: Sequence[LogRow], marks: Sequence[LogMark] = ()) -> Figure:
    """Draw the rows over one axis of indices. Entries are compared with those of the leader of the
    latest term; without one nothing is a conflict."""
    return _Logs(title, rows, marks).drawn().figure(_words(rows, marks))


def conflicts(rows: Sequence[LogRow]) -> set[tuple[str, int]]:
    """(member, index) of the entries that are not as the leader has them, or that it lacks."""
    leader = max((row for row in rows if row.leads), key=lambda row: row.term, default=None)
    if leader is None:
        return set()
    right = {entry.index: entry.term for entry in leader.entries}
    return {
        (row.name, entry.index)
        for row in rows
        for entry in row.entries
        if entry.index > leader.snapshot and right.get(entry.index) != entry.term
    }


def label(entry: Entry) -> str:
    """What an entry says: its command, or the change of the configuration."""
    if entry.change is not None:
        signs = {ConfChangeType.RemoveNode: "−", ConfChangeType.AddLearnerNode: "+learner "}
        single = [signs.get(each.type, "+") + each.node for each in entry.change.changes]
        return " ".join(single) or "leave joint"
    text = entry.data.decode(errors="replace").strip()
    is_name = text == f"{entry.term}.{entry.index}"  # stands for want of a command
    return "" if is_name else text


class _Logs:
    def __init__(self, title: str, rows: Sequence[LogRow], marks: Sequence[LogMark]) -> None:
        self.rows, self.marks = rows, marks
        self.conflicts = conflicts(rows)
        # what every member has cut off need not be drawn, but for the place where a snapshot is
        self.begin = max(min((row.snapshot for row in rows), default=0), 0)
        has_snapshot = any(row.snapshot > 0 for row in rows)
        self.left = LEFT + (74.0 if has_snapshot else 0.0)
        last = max([row.last_index for row in rows] + [mark.index for mark in marks] + [1])
        self.count = last - self.begin
        room = WIDTH - self.left - 24
        self.step = min(WIDEST, max(room / self.count, NARROWEST))
        texts = [mark for mark in marks if mark.text]
        self.bottom = TOP + ROW * len(rows)
        width = max(WIDTH, self.left + self.step * self.count + 24)
        self.drawing = Drawing(width, self.bottom + 42 + 18 * len(texts), title)

    def drawn(self) -> Drawing:
        drawing = self.drawing
        for index in range(self.begin + 1, self.begin + self.count + 1):
            middle = self._x(index) + self.step / 2 - 2
            drawing.note(middle, TOP - 22, str(index), 11.5, "middle")
        drawing.note(self.left - 12, TOP - 22, "index", 11.5, "end")
        for number, row in enumerate(self.rows):
            self._row(row, TOP + ROW * number)
        for number, mark in enumerate([mark for mark in self.marks if mark.text]):
            y = self.bottom + 14 + 18 * number
            drawing.cross(24, y - 4, 4.5)
            drawing.text(38, y, fit(mark.text, drawing.width - 60, 12), size=12)
        self._legend()
        return drawing

    def _row(self, row: LogRow, y: float) -> None:
        drawing = self.drawing
        colour = INK if row.up else GREY
        if row.leads:
            drawing.crown(28, y + 17)
        drawing.text(46, y + 14, fit(row.name, 118), size=13, bold=True, colour=colour)
        state = "leader" if row.leads else "" if row.up else "down"
        says = row.note or ", ".join(part for part in (state, f"term {row.term}") if part)
        drawing.note(46, y + 29, fit(says, LEFT - 56, 11))
        if row.snapshot > 0:
            self._snapshot(row, y)
        for entry in row.entries:
            self._entry(row, entry, y)
        committed = min(row.commit, row.last_index)
        if committed > self.begin:
            start = self._x(max(row.snapshot, self.begin) + 1) if row.snapshot <= committed else 0
            end = self._x(committed + 1) - 4
            if end > start:
                drawing.line((start, y + HIGH + 6), (end, y + HIGH + 6), colour=GREEN, thick=4)
        if row.match is not None and row.match >= self.begin:
            x = self._x(row.match + 1) - 4
            drawing.shape((x - 6, y - 8), (x + 6, y - 8), (x, y - 1), fill=BLUE)
        for mark in self.marks:
            if mark.member == row.name and mark.index > self.begin:
                x = self._x(mark.index)
                drawing.box(x - 3, y - 3, self.step + 2, HIGH + 6, fill="none", stroke=RED, thick=3)

    def _snapshot(self, row: LogRow, y: float) -> None:
        x = self.left - 74
        width = self._x(row.snapshot + 1) - 4 - x
        self.drawing.box(x, y, width, HIGH, fill=PANEL, stroke=GREY, radius=3)
        self.drawing.text(x + width / 2, y + 14, "snapshot", size=11, anchor="middle")
        self.drawing.note(x + width / 2, y + 27, f"to {row.snapshot}", anchor="middle")

    def _entry(self, row: LogRow, entry: Entry, y: float) -> None:
        drawing, x, width = self.drawing, self._x(entry.index), self.step - 4
        bad = (row.name, entry.index) in self.conflicts
        fill = TERMS[(entry.term - 1) % len(TERMS)]
        stroke = RED if bad else INK if row.up else GREY
        drawing.box(x, y, width, HIGH, fill=fill, stroke=stroke, dash=bad, radius=3,
                    thick=2.2 if bad else 1.1)  # fmt: skip
        text = label(entry)
        if width < 38 or not text:
            drawing.text(x + width / 2, y + 21, str(entry.term), size=13, anchor="middle")
            return
        drawing.text(x + width / 2, y + 14, str(entry.term), size=12, anchor="middle")
        small = 10.5 if width_of(text, 10.5, mono=True) <= width else 9
        drawing.text(x + width / 2, y + 27, fit(text, width, small, mono=True), size=small,
                     colour=SOFT, anchor="middle", mono=True)  # fmt: skip

    def _legend(self) -> None:
        y = self.drawing.height - 14
        entries = [(TERMS[0], "term, command"), (GREEN, "committed, as it knows")]
        matches = any(row.match is not None for row in self.rows)
        entries += [(BLUE, "▼ like the leader's up to here, as it knows")] if matches else []
        entries += [(RED, "not the leader's entry")] if self.conflicts else []
        self.drawing.legend(18, y, entries)

    def _x(self, index: int) -> float:
        return self.left + self.step * (index - self.begin - 1)


def _words(rows: Sequence[LogRow], marks: Sequence[LogMark]) -> Iterator[str]:
    bad = conflicts(rows)
    width = max((len(row.name) for row in rows), default=0)
    for row in rows:
        parts = [f"[snapshot to {row.snapshot}]"] if row.snapshot else []
        for entry in row.entries:
            text = f"{entry.term}{':' if label(entry) else ''}{label(entry)}"
            parts.append(f"({text})" if (row.name, entry.index) in bad else text)
        state = ", leader" if row.leads else "" if row.up else ", down"
        match = "" if row.match is None else f", match {row.match}"
        says = row.note or f"term {row.term}{state}, commit {row.commit}{match}"
        yield f"{row.name:<{width}}  {' '.join(parts) or '-'}   ({says})"
    yield from (f"{mark.member}, entry {mark.index}: {mark.text}" for mark in marks if mark.text)

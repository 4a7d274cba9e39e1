"""Watch events fanning out of the API server's cache, and a broken watch that resumes.

A row for each write, in time; a column for each watcher. What the API server handed to a watcher
until the next row stands in its column: usually the write itself, after a break all that was
missed. What had to be handed over a second time did not arrive the first time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from kube_edu.trace import Event
from kube_edu.viz.figure import Figure
from kube_edu.viz.svg import (
    BLUE,
    FAINT,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    SOFT,
    Drawing,
    fit,
    width_of,
)

LEFT, STORE, CACHE, FIRST, COLUMN, TOP, ROW = 64.0, 110.0, 250.0, 400.0, 150.0, 96.0, 30.0
APISERVER = "kube-apiserver"
BEFALLS = {
    "net.partition": "the network is cut",
    "net.heal": "the network is whole again",
    "process.kill": "the API server is killed",
    "process.start": "and started again",
}
KINDS = {"ADDED": GREEN, "MODIFIED": BLUE, "DELETED": ORANGE, "410 Gone": RED, "listed": PURPLE}


@dataclass
class Row:
    """A write, or a change of the network, and what was handed over until the next."""

    time: float
    text: str
    revision: int = 0
    handed: dict[str, list[tuple[int, str, bool]]] = field(default_factory=dict)
    """For each watcher: revision, type, and whether it arrived."""


def fan_out(trace: Iterable[Event], title: str, resource: str, watchers: Sequence[str]) -> Figure:
    """The writes to a resource ("configmaps"), and which of these users heard of them when."""
    rows = rows_of(trace, resource, watchers)
    drawing = Drawing(FIRST + COLUMN * len(watchers), TOP + ROW * len(rows) + 50, title)
    bottom = TOP + ROW * len(rows) - 6
    places = {"etcd": STORE, "watch cache": CACHE}
    places |= {user: FIRST + COLUMN * number for number, user in enumerate(watchers)}
    for name, x in places.items():
        drawing.text(x, 60, fit(name, COLUMN - 12, 12.5), size=12.5, bold=True, anchor="middle")
        drawing.line((x, 68), (x, bottom), colour=FAINT)
    for number, row in enumerate(rows):
        y = TOP + ROW * number
        drawing.note(LEFT - 12, y + 4, f"{row.time:.2f} s", 10.5, "end")
        if row.revision:
            drawing.circle(STORE, y, 4, fill=SOFT)
            drawing.arrow((STORE + 6, y), (CACHE - 6, y), colour=SOFT)
            drawing.text(STORE + 10, y - 5, row.text, size=10.5)
        else:
            drawing.line((LEFT, y), (places[watchers[-1]] + 40, y), colour=RED, dash=True)
            drawing.text(STORE + 10, y - 5, row.text, size=10.5, colour=RED)
        for user, handed in row.handed.items():
            _draw(drawing, places[user], y + (0 if row.revision else 15), handed)
    seen = {kind for row in rows for handed in row.handed.values() for _, kind, _ in handed}
    legend = [(colour, kind) for kind, colour in KINDS.items() if kind in seen]
    drawing.legend(LEFT - 46, bottom + 34, legend)
    said = "crossed out: did not arrive"
    drawing.note(drawing.width - 18 - width_of(said, 11.5), bottom + 34, said, 11.5)
    return drawing.figure(_words(rows))


def rows_of(trace: Iterable[Event], resource: str, watchers: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    cut: dict[str, int] = {}  # who was cut off: the row from which on nothing arrived
    last: dict[tuple[str, int], tuple[list[tuple[int, str, bool]], int]] = {}
    for event in _writes_first(list(trace)):
        fields = event.fields
        if event.kind in BEFALLS and fields.get("process", APISERVER) == APISERVER:
            rows.append(Row(event.time, BEFALLS[event.kind]))
            cut |= {name: len(rows) for group in fields.get("groups", ()) for name in group}
        elif not str(fields.get("object", "")).startswith(f"{resource}/"):
            continue
        elif event.kind == "api.write":
            name = fields["object"].rpartition("/")[2]
            rows.append(Row(event.time, f"{fields['rv']}: {fields['verb']} {name}", fields["rv"]))
        elif not rows or fields.get("user") not in watchers:
            continue
        elif event.kind == "api.gate" and fields["verb"] == "list":
            for row in rows[cut.pop(fields["user"], len(rows)) :]:
                lost = [(rv, kind, not rv) for rv, kind, _ in row.handed.pop(fields["user"], [])]
                row.handed |= {fields["user"]: lost} if lost else {}
            rows[-1].handed.setdefault(fields["user"], []).append((0, "listed", True))
        elif event.kind == "api.watch" and fields["type"] == "ERROR":
            rows[-1].handed.setdefault(fields["user"], []).append((0, "410 Gone", True))
        elif event.kind == "api.watch":
            user, revision = fields["user"], fields["rv"]
            if (user, revision) in last:
                earlier, place = last[user, revision]
                earlier[place] = (*earlier[place][:2], False)
            handed = rows[-1].handed.setdefault(user, [])
            last[user, revision] = handed, len(handed)
            handed.append((revision, fields["type"], True))
    return rows


def _writes_first(trace: Sequence[Event]) -> Iterator[Event]:
    """In order, but for writes whose first watcher heard of them before the writer did."""
    writes = {_write(event): event for event in trace if event.kind == "api.write"}
    for event in trace:
        if event.kind in ("api.write", "api.watch") and _write(event) in writes:
            yield writes.pop(_write(event))
        if event.kind != "api.write":
            yield event


def _write(event: Event) -> tuple[str, int]:
    return event.fields["object"], event.fields["rv"]


def _draw(drawing: Drawing, x: float, y: float, handed: Sequence[tuple[int, str, bool]]) -> None:
    drawing.arrow((CACHE + 6, y), (x - 8, y), colour=KINDS[handed[-1][1]], thick=1.1)
    labels = [str(revision or kind) for revision, kind, _ in handed]
    widths = [18 + width_of(label, 9.5) for label in labels]
    squeeze = min(1.0, (COLUMN - 16) / sum(widths))
    for label, width, (_, kind, arrived) in zip(labels, widths, handed, strict=True):
        drawing.circle(x, y, 5, fill=KINDS[kind])
        drawing.note(x + 7, y - 4, label, 9.5)
        if not arrived:
            drawing.cross(x, y)
        x += squeeze * width


def _words(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        yield f"{row.time:7.2f} s  {row.text}"
        for user, handed in row.handed.items():
            told = (f"{kind} {revision or ''}{'' if arrived else ' (did not arrive)'}".rstrip()
                    for revision, kind, arrived in handed)  # fmt: skip
            yield f"           to {user}: {', '.join(told)}"

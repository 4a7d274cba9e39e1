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
    RED,
    SOFT,
    Drawing,
    fit,
    width_of,
)

LEFT, STORE, CACHE, FIRST, COLUMN, TOP, ROW = 64.0, 110.0, 250.0, 400.0, 150.0, 96.0, 30.0
KINDS = {"ADDED": GREEN, "MODIFIED": BLUE, "DELETED": ORANGE}


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
            _draw(drawing, places[user], y + (0 if row.revision else 12), handed)
    drawing.legend(LEFT - 46, bottom + 34, [(c, kind) for kind, c in KINDS.items()])
    said = "crossed out: did not arrive"
    drawing.note(drawing.width - 18 - width_of(said, 11.5), bottom + 34, said, 11.5)
    return drawing.figure(_words(rows))


def rows_of(trace: Iterable[Event], resource: str, watchers: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    last: dict[tuple[str, int], tuple[list[tuple[int, str, bool]], int]] = {}
    for event in trace:
        fields = event.fields
        if event.kind in ("net.partition", "net.heal"):
            cut = event.kind == "net.partition"
            rows.append(Row(event.time, "the network is cut" if cut else "whole again"))
        elif not str(fields.get("object", "")).startswith(f"{resource}/"):
            continue
        elif event.kind == "api.write":
            name = fields["object"].rpartition("/")[2]
            rows.append(Row(event.time, f"{fields['rv']}: {fields['verb']} {name}", fields["rv"]))
        elif event.kind == "api.watch" and fields["user"] in watchers and rows:
            user, revision = fields["user"], fields["rv"]
            if (user, revision) in last:
                earlier, place = last[user, revision]
                earlier[place] = (*earlier[place][:2], False)
            handed = rows[-1].handed.setdefault(user, [])
            last[user, revision] = handed, len(handed)
            handed.append((revision, fields["type"], True))
    return rows


def _draw(drawing: Drawing, x: float, y: float, handed: Sequence[tuple[int, str, bool]]) -> None:
    drawing.arrow((CACHE + 6, y), (x - 8, y), colour=KINDS[handed[-1][1]], thick=1.1)
    step = min(34.0, (COLUMN - 30) / len(handed))
    for number, (revision, kind, arrived) in enumerate(handed):
        place = x + step * number
        drawing.circle(place, y, 5, fill=KINDS[kind])
        drawing.note(place + 7, y - 4, str(revision), 9.5)
        if not arrived:
            drawing.cross(place, y)


def _words(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        yield f"{row.time:7.2f} s  {row.text}"
        for user, handed in row.handed.items():
            told = (f"{kind} {revision}{'' if arrived else ' (did not arrive)'}"
                    for revision, kind, arrived in handed)  # fmt: skip
            yield f"           to {user}: {', '.join(told)}"

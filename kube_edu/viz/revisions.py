"""The history of a store: a column a revision, a lane a key, and the watchers that ride along."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kube_edu.etcd.messages import Event, EventType
from kube_edu.viz.figure import Figure
from kube_edu.viz.svg import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PANEL,
    PURPLE,
    RED,
    SOFT,
    Drawing,
    fit,
)

WIDTH, LEFT, ROW, COLUMN = 800.0, 150.0, 34.0, 78.0
NOTHING_YET = "nothing has been written yet"
SHOWN = 14
"""Revisions that fit side by side; of a longer history the end is drawn."""

Changes = Sequence[tuple[Event, ...]]


@dataclass
class Rider:
    """A watcher: the revision that it began at, and those that it was told of. It may have ended,
    or been refused, because what it wants is compacted."""

    name: str
    start: int
    told: list[int]
    refused: bool = False
    ended: bool = False


def revisions(
    title: str,
    changes: Changes,
    *,
    riders: Sequence[Rider] = (),
    authors: Mapping[int, str] | None = None,
    compacted: int = 0,
    wrong: int = 0,
) -> Figure:
    """`changes` has the events of every revision from 2 on. `authors` says who made a revision,
    `wrong` is one to point at."""
    authors = authors or {}
    last = len(changes) + 1
    end = min(last, max(wrong + 2, SHOWN + 1)) if wrong else last
    first = max(2, end - SHOWN + 1)
    shown = range(first, end + 1)
    keys = list(dict.fromkeys(e.kv.key.decode() for rev in shown for e in changes[rev - 2]))
    keys = sorted(dict.fromkeys([*_alive(changes, first), *keys]))
    width = min(COLUMN, (WIDTH - LEFT - 24) / max(len(shown), 1))
    top = 66.0
    bottom = top + ROW * (len(riders) + len(keys))
    drawing = Drawing(WIDTH, bottom + (88 if authors else 72), title)

    def x(revision: int) -> float:
        return LEFT + width * (revision - first + 0.5)

    if first <= compacted:
        edge = x(min(compacted, end)) - width / 2
        drawing.box(LEFT, top - 6, edge - LEFT, bottom - top + 10, fill=PANEL, stroke="none")
    for rev in shown:
        here, place = rev == wrong, x(rev)
        line, ink = (RED, RED) if here else (FAINT, SOFT)
        drawing.line((place, top - 4), (place, bottom + 4), colour=line, thick=1, dash=here)
        drawing.text(place, bottom + 20, str(rev), size=11.5, anchor="middle", bold=here,
                     colour=ink)  # fmt: skip
        if rev in authors:
            name = fit(authors[rev], width - 2, 10)
            drawing.note(x(rev), bottom + 35, name, 10, "middle")
    drawing.note(LEFT - 14, bottom + 20, "revision", 11.5, "end")
    for row, rider in enumerate(riders):
        _ride(drawing, rider, top + ROW * row + 16, x, end)
    for row, key in enumerate(keys):
        y = top + ROW * (len(riders) + row) + 16
        name = fit(key, LEFT - 30, 11.5, mono=True)
        drawing.text(LEFT - 14, y + 4, name, size=11.5, anchor="end", mono=True)
        for rev, until, event in _lives(changes, key, first, end):
            start = x(rev) if rev >= first else LEFT - 6
            stop = x(until) if until else x(end) + width / 2
            drawing.line((start, y), (stop, y), colour=GREY, thick=3)
            if rev < first:
                drawing.text(LEFT + 2, y - 6, _value(event, width), size=10.5, mono=True)
        for rev in shown:
            for event in changes[rev - 2]:
                if event.kv.key.decode() == key:
                    _stop(drawing, event, x(rev), y, width)
    legend = [(GREEN, "created"), (BLUE, "changed"), (RED, "deleted")]
    if not changes:
        drawing.note(18, 56, NOTHING_YET, 12)
    leased = any(event.kv.lease for events in changes for event in events)
    legend += [(ORANGE, "hangs on a lease")] if leased else []
    legend += [(PURPLE, "a watcher is told")] if riders else []
    legend += [(FAINT, "compacted: forgotten")] if compacted else []
    drawing.legend(18, bottom + (68 if authors else 52), legend)
    return drawing.figure(_words(changes, riders, authors, compacted, wrong))


def _ride(drawing: Drawing, rider: Rider, y: float, x: Callable[[int], float], end: int) -> None:
    """A watcher's line, with a dot at every revision that it was told of."""
    name = fit(rider.name, LEFT - 30, 11.5)
    drawing.text(LEFT - 14, y + 4, name, size=11.5, anchor="end", colour=PURPLE, bold=True)
    begin = max(min(x(rider.start), x(end) + 20), LEFT + 8)
    if rider.refused and not rider.told:
        drawing.cross(begin, y)
        drawing.text(begin + 12, y + 4, "refused: compacted", size=11.5, colour=RED)
        return
    told = [x(rev) for rev in rider.told if LEFT < x(rev) <= x(end)]
    reached = max([*told, begin]) if rider.ended else x(end)
    tip = max(reached, begin) + 14
    drawing.arrow((begin - 12, y), (tip, y), colour=PURPLE)
    for place in told:
        drawing.circle(place, y, 5, fill=PURPLE)
    if rider.ended:
        drawing.line((tip + 1, y - 6), (tip + 1, y + 6), colour=PURPLE, thick=2)


def _stop(drawing: Drawing, event: Event, x: float, y: float, width: float) -> None:
    """What a revision made of a key."""
    if event.type is EventType.DELETE:
        drawing.cross(x, y, 6)
        return
    colour = GREEN if event.kv.version == 1 else BLUE
    half = width / 2 - 3
    drawing.box(x - half, y - 11, 2 * half, 22, fill="#ffffff", stroke=colour, thick=2)
    if event.kv.lease:
        drawing.box(x - half, y + 7, 2 * half, 4, fill=ORANGE, stroke="none", radius=1)
    drawing.text(x, y + 4, _value(event, width), size=10.5, anchor="middle", mono=True, colour=INK)


def _value(event: Event, width: float) -> str:
    return fit(event.kv.value.decode(errors="replace"), width - 8, 10.5, mono=True)


def _alive(changes: Changes, first: int) -> list[str]:
    """The keys that exist just before a revision."""
    alive: dict[str, bool] = {}
    for events in changes[: first - 2]:
        for event in events:
            alive[event.kv.key.decode()] = event.type is EventType.PUT
    return [key for key, exists in alive.items() if exists]


def _lives(changes: Changes, key: str, first: int, end: int) -> list[tuple[int, int, Event]]:
    """(from, to, first event shown) of each stretch in which a key exists; to is 0 for the end."""
    lives: list[tuple[int, int, Event]] = []
    since: tuple[int, Event] | None = None
    for number, events in enumerate(changes[: end - 1]):
        for event in events:
            if event.kv.key.decode() != key:
                continue
            if event.type is EventType.DELETE:
                if since is not None and number + 2 >= first:
                    lives.append((since[0], number + 2, since[1]))
                since = None
            elif since is None or number + 2 < first:
                since = (number + 2, event)
    if since is not None:
        lives.append((since[0], 0, since[1]))
    return lives


def _words(
    changes: Changes,
    riders: Sequence[Rider],
    authors: Mapping[int, str],
    compacted: int,
    wrong: int,
) -> Iterator[str]:
    for rev, events in enumerate(changes, 2):
        by = f"  by {authors[rev]}" if rev in authors else ""
        gone = "  (forgotten)" if rev < compacted else ""
        here = "   <- here" if rev == wrong else ""
        yield f"revision {rev}: {', '.join(map(_said, events))}{by}{gone}{here}"
    if not changes:
        yield NOTHING_YET
    for rider in riders:
        told = ", ".join(map(str, rider.told)) or "nothing"
        how = "is refused" if rider.refused else f"is told of {told}"
        ends = ", and ends" if rider.ended else ""
        yield f"{rider.name} watches from {rider.start} on, and {how}{ends}"


def _said(event: Event) -> str:
    key, value = event.kv.key.decode(), event.kv.value.decode(errors="replace")
    if event.type is EventType.DELETE:
        return f"{key} deleted"
    return f"{key} = {value}" + (" (lease)" if event.kv.lease else "")

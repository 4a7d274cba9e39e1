"""Time lines: what each thing was, from when to when, and what befell it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kube_edu.trace import Event, Trace
from kube_edu.viz.figure import Figure
from kube_edu.viz.states import STATES
from kube_edu.viz.svg import FAINT, GREEN, INK, ORANGE, RED, Drawing, fit

WIDTH, LEFT, ROW = 800.0, 190.0, 24.0
COLOURS = STATES | {"up": GREEN, "down": RED, "paused": ORANGE}


@dataclass(frozen=True)
class Lane:
    """One thing: its name, and its states as (from, to, state)."""

    name: str
    spans: Sequence[tuple[float, float, str]]


@dataclass(frozen=True)
class Mark:
    """Something that happened to all of them."""

    time: float
    text: str


def timeline(title: str, lanes: Sequence[Lane], marks: Sequence[Mark] = ()) -> Figure:
    """Lanes below one another over one axis of virtual time; marks are upright lines."""
    edges = [edge for lane in lanes for start, end, _ in lane.spans for edge in (start, end)]
    times = [*edges, *(mark.time for mark in marks)] or [0.0]
    begin, end = min(times), max(max(times), min(times) + 1)
    scale = (WIDTH - LEFT - 30) / (end - begin)
    top = 56.0 + 15 * min(len(marks), 6)
    bottom = top + ROW * max(len(lanes), 1)
    drawing = Drawing(WIDTH, bottom + 62, title)

    def place(time: float) -> float:
        return LEFT + (time - begin) * scale

    for moment in _ticks(begin, end):
        drawing.line((place(moment), top), (place(moment), bottom + 4), colour=FAINT, thick=1)
        drawing.note(place(moment), bottom + 18, f"{moment:g} s", anchor="middle")
    for index, mark in enumerate(marks):
        y = 50.0 + 15 * (index % 6)
        right = place(mark.time) > WIDTH * 0.7
        drawing.line((place(mark.time), y - 8), (place(mark.time), bottom), colour=INK, dash=True)
        x, anchor = place(mark.time) + (-5 if right else 5), "end" if right else "start"
        drawing.text(x, y, fit(mark.text, 420, 11.5), size=11.5, anchor=anchor)
    for row, lane in enumerate(lanes):
        y = top + ROW * row
        name = fit(lane.name, LEFT - 24, 11, mono=True)
        drawing.text(LEFT - 12, y + 16, name, size=11, anchor="end", mono=True)
        for start, stop, state in lane.spans:
            width = max((stop - start) * scale, 2.0)
            span = place(start), y + 4, width, ROW - 8
            drawing.box(*span, fill=COLOURS[state], stroke="#ffffff", radius=3)
    seen = [state for state in COLOURS if any(s == state for lane in lanes for *_, s in lane.spans)]
    drawing.legend(18, bottom + 46, [(COLOURS[state], state) for state in seen])
    return drawing.figure(_words(lanes, marks))


def host_lanes(trace: Trace, until: float, since: float = 0.0) -> list[Lane]:
    """Each machine, as up, down or paused."""
    states = {"start": "up", "crash": "down", "pause": "paused", "resume": "up"}
    changes: dict[str, list[tuple[float, str]]] = {}
    for event in trace.select("host."):
        state = states[event.kind.removeprefix("host.")]
        changes.setdefault(event.host, []).append((event.time, state))
    return [Lane(name, _spans(found, since, until)) for name, found in changes.items()]


def pod_lanes(trace: Trace, prefix: str, until: float, since: float = 0.0) -> list[Lane]:
    """Each pod whose name begins with `prefix` ("pods/default/web-"), from the writes that made
    and ended it and from what its kubelet did."""
    changes: dict[str, list[tuple[float, str]]] = {}
    for event in trace.select("api.write", "scheduler.bind", "kubelet.container"):
        name = event.fields["object"]
        if name.startswith(prefix):
            found = changes.setdefault(name, [])
            state = _pod_change(found[-1][1] if found else "", event)
            if state:
                found.append((event.time, state))
    lanes = [
        Lane(name.split("/")[2], _spans(found, since, until)) for name, found in changes.items()
    ]
    return [lane for lane in lanes if lane.spans]


def _pod_change(state: str, event: Event) -> str:
    """The state that an event takes a pod to ("gone": it is no more), or "" for none."""
    match event.kind, event.fields:
        case "api.write", {"verb": "create"} if not state:
            return "Pending"
        case "api.write", {"verb": "delete"}:  # the first takes leave, the second removes
            return "Terminating" if state in ("Starting", "Ready") else "gone"
        case "scheduler.bind", _ if state == "Pending":
            return "Starting"
        case "kubelet.container", {"state": "running"} if state == "Starting":
            return "Ready"
        case "kubelet.container", {"state": "exited"} if state == "Ready":
            return "Starting"
    return ""


def _spans(
    changes: Sequence[tuple[float, str]], since: float, until: float
) -> list[tuple[float, float, str]]:
    spans = []
    for index, (time, state) in enumerate(changes):
        stop = changes[index + 1][0] if index + 1 < len(changes) else until
        start, stop = max(time, since), min(stop, until)
        if state != "gone" and stop > start:
            spans.append((start, stop, state))
    return spans


def _ticks(begin: float, end: float) -> list[float]:
    """Round times, at most about ten."""
    step: float = next(
        (step for step in (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120) if (end - begin) / step <= 10),
        300,
    )
    first = int(begin / step) + (begin > 0)
    return [step * index for index in range(first, int(end / step) + 1)]


def _words(lanes: Sequence[Lane], marks: Sequence[Mark]) -> Iterator[str]:
    for mark in marks:
        yield f"at {mark.time:.1f} s: {mark.text}"
    for lane in lanes:
        spans = ", ".join(f"{state} {start:.1f}-{stop:.1f} s" for start, stop, state in lane.spans)
        yield f"{lane.name}: {spans}"

"""Raft members in a ring: role, term, patience, log, and the messages under way between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import cos, pi, sin

from kube_edu.viz.figure import Figure
from kube_edu.viz.raft_steps import KINDS, ROLES, kind_of, kind_signs
from kube_edu.viz.svg import FAINT, GREY, INK, PAPER, RED, SKY, SOFT, Drawing, Sign, fit, width_of

WIDTH, HEIGHT, MIDDLE = 800.0, 470.0, (400.0, 241.0)
RADIUS, DISC = 150.0, 33.0
CELL = 15.0
CELLS = 8
"""Entries of a log that are shown; of a longer one, the last."""


@dataclass(frozen=True)
class RingMember:
    name: str
    up: bool = True
    role: str = "follower"
    term: int = 0
    vote: str = ""
    votes: Mapping[str, bool] = field(default_factory=dict)
    """Answers that a candidate has so far."""
    elapsed: int = 0
    timeout: int = 0
    """Ticks since it heard of a leader, and its patience."""
    log: Sequence[int] = ()
    """The terms of its entries."""
    first: int = 1
    """The index of the first of these."""
    commit: int = 0


@dataclass(frozen=True)
class RingMessage:
    number: int
    source: str
    target: str
    type: str
    term: int
    reject: bool = False
    share: float = 0.5
    """Of its way, how much lies behind it."""


@dataclass(frozen=True)
class Ring:
    """All that the picture shows, at one instant."""

    time: float
    members: Sequence[RingMember]
    messages: Sequence[RingMessage] = ()
    links_cut: Sequence[tuple[str, str]] = ()


def ring(shot: Ring, title: str = "") -> Figure:
    """The picture of a moment."""
    drawing = Drawing(WIDTH, HEIGHT, title or f"The members at {shot.time:.2f} s")
    places = _places([member.name for member in shot.members])
    for number, (a, xy) in enumerate(places.items()):
        for b, other in list(places.items())[number + 1 :]:
            cut = (a, b) in shot.links_cut or (b, a) in shot.links_cut
            drawing.line(xy, other, colour=RED if cut else FAINT, thick=1.4 if cut else 1, dash=cut)
            if cut:
                drawing.cross((xy[0] + other[0]) / 2, (xy[1] + other[1]) / 2)
    for member in shot.members:
        _draw_member(drawing, member, places[member.name])
    for message in shot.messages:
        _draw_message(drawing, message, places)
    _draw_legend(drawing)
    return drawing.figure(_words(shot))


def _places(names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Clockwise, the first on top."""
    places = {}
    for number, name in enumerate(names):
        angle = 2 * pi * number / max(len(names), 1) - pi / 2
        places[name] = (MIDDLE[0] + 1.45 * RADIUS * cos(angle), MIDDLE[1] + RADIUS * sin(angle))
    return places


def _draw_member(drawing: Drawing, member: RingMember, place: tuple[float, float]) -> None:
    x, y = place
    colour = ROLES[member.role]
    drawing.circle(x, y, DISC + 7, fill=PAPER)
    if not member.up:
        drawing.circle(x, y, DISC, fill="#fdf3ec", stroke=RED)
        drawing.text(x, y + 1, member.name, size=12.5, bold=True, anchor="middle", colour=SOFT)
        drawing.text(x, y + 16, "down", size=11, bold=True, anchor="middle", colour=RED)
    else:
        drawing.circle(x, y, DISC, fill=colour + "33", stroke=colour)
        if member.role == "leader":
            drawing.crown(x, y - DISC - 5)
        else:
            _draw_patience(drawing, member, x, y)
        drawing.text(x, y - 3, member.name, size=12.5, bold=True, anchor="middle")
        drawing.text(x, y + 13, f"term {member.term}", size=11, anchor="middle")
    left = x < MIDDLE[0] - 20
    side = x - DISC - 18 if left else x + DISC + 18
    anchor = "end" if left else "start"
    for line, text in enumerate(_facts(member)):
        drawing.text(side, y - 14 + 14 * line, text, size=11, colour=INK if line == 0 else SOFT,
                     anchor=anchor, bold=line == 0)  # fmt: skip
    _draw_log(drawing, member, side, y + 20, left)


def _draw_patience(drawing: Drawing, member: RingMember, x: float, y: float) -> None:
    """An arc that closes: when it is full, the member stands for election."""
    if not member.timeout:
        return
    share = min(member.elapsed / member.timeout, 1.0)
    steps = max(int(40 * share), 1)
    points = [
        (x + (DISC + 5) * sin(2 * pi * share * step / steps),
         y - (DISC + 5) * cos(2 * pi * share * step / steps))
        for step in range(steps + 1)
    ]  # fmt: skip
    drawing.line(*points, colour=RED if share > 0.75 else GREY, thick=3.5)


def _draw_log(drawing: Drawing, member: RingMember, x: float, y: float, left: bool) -> None:
    """A cell an entry, with its term in it: filled is committed, outlined is not."""
    shown = list(member.log)[-CELLS:]
    skipped = len(member.log) - len(shown)
    if left:
        x -= CELL * len(shown)
    for position, term in enumerate(shown):
        committed = member.first + skipped + position <= member.commit
        place = x + CELL * position
        _cell(drawing, place - 8, y + 7, committed)
        drawing.text(place + (CELL - 1.5) / 2, y + 11.5, str(term), size=10, anchor="middle")


def _facts(member: RingMember) -> list[str]:
    if not member.up:
        return ["down", f"kept: term {member.term}, vote {member.vote or '–'}"]
    yes = sum(member.votes.values())
    facts = [member.role + (f", {yes} yes" if member.role.endswith("candidate") else "")]
    return [*facts, f"vote: {member.vote or '–'}"]


def _draw_message(
    drawing: Drawing, message: RingMessage, places: Mapping[str, tuple[float, float]]
) -> None:
    (x1, y1), (x2, y2) = places[message.source], places[message.target]
    colour = KINDS[kind_of(message.type, message.reject)][0]
    # aside from the line between the two, so that both directions can be told apart
    length = max(((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5, 1.0)
    dx, dy = (x2 - x1) / length, (y2 - y1) / length
    along = DISC + 24 + (length - 2 * DISC - 48) * message.share
    x, y = x1 + dx * along - dy * 9, y1 + dy * along + dx * 9
    drawing.arrow((x - dx * 13, y - dy * 13), (x + dx * 7, y + dy * 7), colour=colour, thick=2.4,
                  dash=message.reject)  # fmt: skip
    text = _label(message)
    drawing.box(x - width_of(text, 9) / 2, y + 5, width_of(text, 9), 12, fill=PAPER,
                stroke="none", radius=3)  # fmt: skip
    drawing.note(x, y + 14, text, 9, "middle")


def _label(message: RingMessage) -> str:
    no = " no" if message.reject else ""
    return fit(f"{message.number}: {message.type.removeprefix('Msg')}{no}, t{message.term}", 150, 9)


def _draw_legend(drawing: Drawing) -> None:
    def disc(colour: str) -> Sign:
        return lambda x, y: drawing.circle(x + 13, y, 6, fill=colour + "33", stroke=colour)

    def stroke(x: float, y: float) -> None:
        drawing.line((x + 4, y), (x + 22, y), colour=GREY, thick=3.5)

    cells = ("entry, its term", False), ("committed", True)
    states: list[tuple[Sign, str]] = [(disc(colour), role) for role, colour in ROLES.items()]
    states += [(stroke, "patience used up")]
    states += [(partial(_cell, drawing, committed=done), text) for text, done in cells]
    drawing.legend(18, HEIGHT - 30, states)
    cut = partial(drawing.dash, colour=RED)
    drawing.legend(18, HEIGHT - 11, [*kind_signs(drawing), (cut, "link cut")])


def _cell(drawing: Drawing, x: float, y: float, committed: bool) -> None:
    fill, stroke = (SKY + "66", INK) if committed else ("#ffffff", GREY)
    drawing.box(x + 8, y - 7, CELL - 1.5, CELL, radius=2, fill=fill, stroke=stroke,
                dash=not committed)  # fmt: skip


def _words(shot: Ring) -> Iterator[str]:
    for member in shot.members:
        log = " ".join(map(str, member.log)) or "empty"
        patience = f", waited {member.elapsed} of {member.timeout} ticks"
        waits = patience if member.up and member.role != "leader" else ""
        facts = f"term {member.term}, {', '.join(_facts(member))}{waits}"
        yield f"{member.name}  {facts}; log: {log}, committed up to {member.commit}"
    for message in shot.messages:
        yield f"under way: {_label(message)}  {message.source} → {message.target}"
    if shot.links_cut:
        yield "links cut: " + ", ".join(f"{a}–{b}" for a, b in shot.links_cut)

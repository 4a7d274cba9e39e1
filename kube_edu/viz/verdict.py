"""What the gate said to one request, stage by stage, read off the trace."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import NamedTuple

from kube_edu.trace import Event, Trace
from kube_edu.viz.figure import Figure
from kube_edu.viz.svg import BLUE, GREEN, GREY, INK, ORANGE, RED, SOFT, Drawing, nothing

QUESTIONS = {
    "who": ("Who are you?", "authentication"),
    "may": ("May you?", "authorization"),
    "changed": ("Should it be changed?", "mutating admission"),
    "allowed": ("Is it allowed?", "validating admission"),
}
PASSED, REFUSED, CHANGED, UNASKED, TOLD = "passed", "refused", "changed", "not asked", "told"
COLOURS = {PASSED: GREEN, CHANGED: ORANGE, REFUSED: RED, UNASKED: GREY, TOLD: BLUE}
READS = ("get", "list", "watch")
LEFT, WIDTH, LINE, COLUMNS = 222.0, 860.0, 17.0, 88

Answer = tuple[str, list[str]]
"""The verdict of a stage, and what there is to say about it."""


def gate_verdict(trace: Trace, verb: str, what: str) -> Figure:
    """The last request with this verb on `what` ("pods/shop/", "secrets/"; the beginning of
    resource/namespace/name)."""
    found = last_request(trace, verb, what)
    if found is None:
        return nothing(f"{verb} {what}", "not on the trace")
    event = trace[found]
    title = f"{verb} {event.fields['object'].rstrip('/')}: answered with {event.fields['status']}"
    return column(title, at_the_gate(event), [PASSED, CHANGED, REFUSED, UNASKED])


class Station(NamedTuple):
    """A box of the column, with its verdict and what there is to say."""

    question: str
    name: str
    verdict: str
    lines: list[str]


def last_request(trace: Trace, verb: str, what: str) -> int | None:
    """The place on the trace of the last such request."""
    for place in range(len(trace) - 1, -1, -1):
        _, _, kind, fields = trace[place]
        if kind == "api.gate" and fields["verb"] == verb and fields["object"].startswith(what):
            return place
    return None


def at_the_gate(event: Event) -> list[Station]:
    return [Station(*QUESTIONS[stage], *answer) for stage, answer in answers_of(event).items()]


def column(title: str, stations: Sequence[Station], legend: Sequence[str]) -> Figure:
    lines = [[part for line in station.lines for part in wrap(line, COLUMNS)]
             for station in stations]  # fmt: skip
    heights = [max(44.0, 16 + LINE * len(said)) for said in lines]
    drawing = Drawing(WIDTH, 92 + sum(heights) + 14 * len(heights), title)
    y = 48.0
    for station, said, height in zip(stations, lines, heights, strict=True):
        question, name, verdict, _ = station
        colour = COLOURS[verdict]
        drawing.card(18, y, LEFT - 40, 44, colour)
        drawing.text(34, y + 19, question, bold=True, size=12.5)
        drawing.note(34, y + 35, name)
        if verdict != UNASKED:
            mark = drawing.cross if verdict == REFUSED else drawing.tick
            mark(LEFT - 36, y + 31, colour=colour)
        for row, line in enumerate(said):
            ink = {UNASKED: SOFT, REFUSED: colour}.get(verdict, INK)
            drawing.text(LEFT, y + 19 + LINE * row, line, size=11.5, colour=ink)
        if station is not stations[-1]:
            ends = (40.0, y + 44), (40.0, y + height + 14)
            drawing.line(*ends, colour=colour, dash=verdict == UNASKED)
        y += height + 14
    drawing.legend(18, y + 18, [(COLOURS[verdict], verdict) for verdict in legend])
    return drawing.figure(f"{question:<22} {verdict}: {'; '.join(said)}"
                          for question, _, verdict, said in stations)  # fmt: skip


def answers_of(event: Event) -> dict[str, Answer]:
    """What each stage said to the request of an `api.gate` event, in their order."""
    fields = event.fields
    status, told = fields["status"], list(fields["stages"])
    answers: dict[str, Answer] = {}
    for stage in QUESTIONS:
        mine = [(by, said) for at, by, said in told if at == stage]
        if any(verdict == REFUSED for verdict, _ in answers.values()):
            answers[stage] = UNASKED, ["the request did not come this far"]
        elif stage in ("changed", "allowed") and fields["verb"] in READS:
            answers[stage] = UNASKED, ["admission is asked about changes alone, never about reads"]
        else:
            verdict, lines = _ANSWERS[stage](mine, status, fields["user"])
            answers[stage] = verdict, lines
    return answers


Told = list[tuple[str, str]]


def _who(told: Told, status: int, user: str) -> Answer:
    if not told:
        return REFUSED, [f"{status} Unauthorized: credentials were shown that prove nothing"]
    [(how, name)] = told
    proof = "shows nothing" if how == "nobody" else f"shows a {how}"
    acts = [f"acts as {user} (impersonation)"] if user != name else []
    return PASSED, [f"{name}, who {proof}", *acts]


def _may(told: Told, status: int, user: str) -> Answer:
    if not told:  # refused before it was asked: by impersonation
        return REFUSED, [f"{status} Forbidden: {user} may not act as somebody else"]
    [(verdict, why)] = told
    if verdict == "forbid":
        return REFUSED, [f"{status} Forbidden: {why or f'nothing allows it to {user}'}"]
    silent = "the Node authorizer allows it" if ":node:" in user else "system:masters may do all"
    return PASSED, [why or silent]


def _changed(told: Told, status: int, user: str) -> Answer:
    if refusal := _refused(told):
        return REFUSED, refusal
    lines = [f"{_titled(by)} changes {fields}" for by, fields in told]
    return (CHANGED, lines) if lines else (PASSED, ["no plug-in has anything to change"])


def _allowed(told: Told, status: int, user: str) -> Answer:
    if refusal := _refused(told):
        return REFUSED, refusal
    if told:
        return PASSED, ["every plug-in agrees"]
    return REFUSED, [f"{status}: the object is not valid, or no longer what it was"]


_ANSWERS = {"who": _who, "may": _may, "changed": _changed, "allowed": _allowed}


def _refused(told: Told) -> list[str]:
    return [f"{_titled(by)}: {said.removeprefix('refused: ')}" for by, said in told
            if said.startswith("refused: ")]  # fmt: skip


def _titled(plugin: str) -> str:
    """ "pod_security" is called PodSecurity."""
    return "".join(word[:1].upper() + word[1:] for word in plugin.split("_"))

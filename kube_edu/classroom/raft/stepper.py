"""A small Raft world on a stage: step through it, back and forth, and interfere.

    Stepper(DRAMAS)

A moment is a number of steps of a plan's run. To go back is to run the plan anew with fewer
steps; to interfere is to put an act into the plan, now. So whatever was played can be written down
as a plan, and played again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from html import escape
from typing import Any

import ipywidgets as widgets

from kube_edu.classroom.raft.lab import World
from kube_edu.classroom.raft.plan import MICRO, TICK, Act, Plan
from kube_edu.raft import Rules
from kube_edu.trace import Event
from kube_edu.viz import Figure, ring, space_time

AFTERWARDS = 4.0
"""Seconds for which a run goes on after an act, to see what comes of it."""
WEATHER_SECONDS = 1.0
"""For which a link loses, delays or doubles messages."""
ROWS = 10
"""Of the space-time diagram below the ring."""
FRAME = 400
"""Milliseconds between two moments while playing."""
WORTH_A_LOOK = ("raft.role", "raft.vote", "raft.append", "raft.commit", "host.crash", "net.")
QUIET = ("MsgHeartbeat", "MsgHeartbeatResp")


class Stepper:
    """Some plans by name, of which one is on stage. `rules` are those of all members: ours, or a
    student's. A notebook shows widgets; a terminal, and a notebook that nobody has run yet, the
    moment in words and as a picture."""

    def __init__(self, plans: Mapping[str, Plan], rules: Rules | None = None) -> None:
        self._plans, self._rules = dict(plans), rules
        self._lay_out()
        self.play(next(iter(self._plans)))

    # -- what the buttons do; usable as code, too ---------------------------------------------

    def play(self, name: str) -> Stepper:
        """Put a plan on stage, from its beginning, as it was written."""
        self.name = name
        return self._rehearse(self._plans[name], 0.0)

    def go(self, moment: int) -> Stepper:
        """To a moment, forwards or backwards; the first is 0."""
        self.moment = min(max(moment, 0), len(self._moments) - 1)
        self.world = World(self.plan, self._rules)
        while self.world.steps < self._moments[self.moment][0]:
            self.world.step()
        self._show()
        return self

    def to(self, seconds: float) -> Stepper:
        """To the last moment up to then."""
        return self.go(sum(time <= seconds for _, time in self._moments) - 1)

    def do(self, what: str, *who: str, **more: Any) -> Stepper:
        """Interfere, now: the acts are those of `raft.lab.Act`."""
        at = (round(self.world.now * MICRO) | 1) / MICRO
        act = Act(at, what, who, **more)
        seconds = max(self.plan.seconds, at + AFTERWARDS)
        return self._rehearse(replace(self.plan, acts=(*self.plan.acts, act), seconds=seconds), at)

    def _rehearse(self, plan: Plan, seconds: float) -> Stepper:
        """Find a plan's moments, as (steps, time): whenever something worth a look has happened,
        and every tick."""
        self.plan, self._moments = plan, [(0, 0.0)]
        world, seen = World(plan, self._rules), 0
        while world.now < plan.seconds and not world.broken:
            world.step()
            news = any(_worth_a_look(event) for event in world.trace[seen:])
            seen = len(world.trace)
            if news or world.now - self._moments[-1][1] >= TICK / MICRO:
                self._moments.append((world.steps, world.now))
        return self.to(seconds)

    # -- what is shown ------------------------------------------------------------------------

    @property
    def ring(self) -> Figure:
        title = f"{self.name}: the members at {self.world.now:.3f} s"
        return ring(self.world.ring(), title)

    @property
    def space_time(self) -> Figure:
        title = "How it came to that"
        return space_time(self.world.trace, title, members=self.plan.members, rows=ROWS)

    def _show(self) -> None:
        last = len(self._moments) - 1
        for slider in (self._slider, self._player):
            slider.max = last
            slider.value = self.moment
        self._stage.value = self.ring.svg + "<br>" + self.space_time.svg
        self._choice.value = self.name
        for choose, wanted in zip(self._members, (0, 0, 1), strict=True):
            if choose.options != self.plan.members:
                choose.options = self.plan.members
                choose.value = self.plan.members[wanted]
        flights = [
            (f"{number}: {flight.message.type.name}, {flight.message.source} → {flight.message.to}",
             number)
            for number, flight in self.world.flights.items()
        ]  # fmt: skip
        self._flights.options = flights
        self._flights.value = flights[0][1] if flights else None
        self._script.value = f"<pre>{escape(self._acts())}</pre>"

    def _acts(self) -> str:
        acts = sorted(self.plan.acts, key=lambda act: act.at)
        lines = [f"  {'✓' if act.at <= self.world.now else ' '} {act}" for act in acts]
        return "\n".join(["What is done to it:", *(lines or ["    nothing"])])

    def __repr__(self) -> str:
        where = f"moment {self.moment} of {len(self._moments) - 1}"
        return f"{self.ring.text}\n{self._acts()}\n({where})"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle = dict(self.widget._repr_mimebundle_(**options))
        return bundle | {"image/svg+xml": self.ring.svg, "text/plain": repr(self)}

    # -- buttons ------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self._choice = widgets.ToggleButtons(options=list(self._plans))
        self._choice.style.button_width = "auto"
        self._choice.observe(self._chosen, "value")
        self._player = widgets.Play(interval=FRAME, show_repeat=False)
        self._slider = widgets.IntSlider(layout=widgets.Layout(width="430px"), description="moment")
        widgets.jslink((self._player, "value"), (self._slider, "value"))
        self._slider.observe(self._slid, "value")
        time = widgets.HBox(
            [
                self._player,
                _button("◀", lambda: self.go(self.moment - 1)),
                _button("▶", lambda: self.go(self.moment + 1)),
                self._slider,
                _button("start over", lambda: self.play(self.name)),
            ]
        )
        self._stage, self._script = widgets.HTML(), widgets.HTML()
        rows = [self._choice, time, *self._faults(), self._stage, self._script]
        self.widget = widgets.VBox(rows)

    def _faults(self) -> list[widgets.Widget]:
        member, source, target = (_dropdown("115px") for _ in range(3))
        self._members = member, source, target
        self._flights = _dropdown("260px")

        def to_member(what: str) -> Callable[[], Any]:
            return lambda: self.do(what, member.value)

        def to_link(what: str) -> Callable[[], Any]:
            seconds = 0.0 if what == "cut" else WEATHER_SECONDS
            return lambda: (
                self.do(what, source.value, target.value, seconds=seconds)
                if source.value != target.value
                else None
            )

        def to_message(what: str) -> Callable[[], Any]:
            return lambda: self._flights.value and self.do(what, message=self._flights.value)

        weather = ("drop", "delay", "duplicate")
        rows = [
            ("member", [member], to_member, ("time out", "crash", "restart", "cut off")),
            ("link", [source, target], to_link, ("cut", *weather)),
            ("message", [self._flights], to_message, weather),
        ]
        lines = [
            [widgets.Label(name, layout=widgets.Layout(width="60px")), *chosen]
            + [_button(what, act(what)) for what in acts]
            for name, chosen, act, acts in rows
        ]
        lines[0].append(_button("propose", lambda: self.do("propose", member.value, data="x=1")))
        lines[1].append(_button("heal all", lambda: self.do("heal")))
        return [widgets.HBox(line) for line in lines]

    def _chosen(self, change: dict[str, Any]) -> None:
        if change["new"] != self.name:
            self.play(change["new"])

    def _slid(self, change: dict[str, Any]) -> None:
        if change["new"] != self.moment:
            self.go(change["new"])


def _worth_a_look(event: Event) -> bool:
    if event.kind in ("raft.send", "raft.receive"):
        return event.fields["type"] not in QUIET
    return event.kind.startswith(WORTH_A_LOOK) or (event.kind == "host.start" and event.time > 0)


def _dropdown(width: str) -> widgets.Dropdown:
    return widgets.Dropdown(layout=widgets.Layout(width=width))


def _button(text: str, action: Callable[[], Any]) -> widgets.Button:
    button = widgets.Button(description=text, layout=widgets.Layout(width="auto"))
    button.on_click(lambda _: action())
    return button

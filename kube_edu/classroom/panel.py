"""The failure panel: the cluster's picture with a switch for every machine, and time in your hand.

    Panel(cluster)

Nothing moves until you press play or step. Everything the buttons do is a method of the cluster
(`crash`, `restart`, `partition`, `heal`, `run_for`, `step`), so a panel session can be written down
as code.
"""

from __future__ import annotations

import asyncio
import html
import itertools
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from kube_edu.trace import Event
from kube_edu.viz.cluster import cluster_picture

FRAME_SECONDS = 0.2
"""Wall time between two pictures while playing."""

QUIET = ("raft.send", "raft.receive", "raft.append", "raft.commit", "disk.sync", "etcd.", "api.",
         "reconcile.", "kubelet.sync", "packet.", "dns.", "net.drop")  # fmt: skip
"""Kinds that a step does not stop at: too many, and shown better by figures of their own."""

STEP_SECONDS_MAX = 30.0

EVENTS_SHOWN = 8


class Panel:
    """The panel of one cluster. A notebook shows widgets; a terminal, and a notebook that nobody
    has run yet, the picture in words."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster
        self._playing: asyncio.Task[None] | None = None
        self._picture = widgets.HTML()
        self._events = widgets.HTML()
        self._clock = widgets.Label()
        self._switches = {name: self._switch(name) for name in cluster.hosts}
        self._isolate = widgets.SelectMultiple(
            options=list(cluster.hosts), rows=7, layout=widgets.Layout(width="190px")
        )
        self._play = widgets.ToggleButton(
            description="Play", icon="play", tooltip="let virtual time run"
        )
        self._play.observe(self._toggle_play, "value")
        self._speed = widgets.FloatLogSlider(
            value=1, base=10, min=-1, max=2, step=0.25, description="speed",
            readout_format=".2g", tooltip="virtual seconds a second",
        )  # fmt: skip
        self.widget = self._lay_out()
        self.refresh()

    # --- what the buttons do; usable as code, too

    def step(self) -> None:
        """Go on until something worth a look has happened."""
        trace = self.cluster.trace
        seen, end = len(trace), self.cluster.now + STEP_SECONDS_MAX
        while self.cluster.now < end and self.cluster.step():
            if any(_worth_a_look(event) for event in itertools.islice(trace, seen, None)):
                break
            seen = len(trace)
        self.refresh()

    def advance(self, seconds: float) -> None:
        self.cluster.run_for(seconds)
        self.refresh()

    def cut_off(self, *names: str) -> None:
        """Cut these machines off from all others (they still reach one another)."""
        rest = [name for name in self.cluster.hosts if name not in names]
        if names and rest:
            self.cluster.partition(list(names), rest)
        self.refresh()

    def heal(self) -> None:
        self.cluster.heal()
        self.refresh()

    def refresh(self) -> None:
        """Draw everything anew."""
        self._picture.value = cluster_picture(self.cluster).svg
        self._clock.value = f"virtual time {self.cluster.now:.1f} s"
        self._events.value = _as_html(self._recent())
        for name, switch in self._switches.items():
            state = self.cluster.hosts[name].state
            switch.set_trait("value", state)

    # --- inside

    def _switch(self, name: str) -> widgets.ToggleButtons:
        """up, down or paused: following the machine, and the machine following it."""
        switch = widgets.ToggleButtons(
            options=["up", "paused", "down"],
            value=self.cluster.hosts[name].state,
            style={"button_width": "72px"},
            tooltips=["running", "frozen, as a stalled virtual machine", "without power"],
        )

        def changed(change: dict[str, Any]) -> None:
            if change["new"] != self.cluster.hosts[name].state:
                _TO_STATE[change["new"]](self.cluster, name)
                self.refresh()

        switch.observe(changed, "value")
        return switch

    def _lay_out(self) -> widgets.Widget:
        time = [
            self._play,
            _button("Step", "step-forward", self.step),
            _button("+1 s", "clock-o", lambda: self.advance(1)),
            _button("+10 s", "clock-o", lambda: self.advance(10)),
            self._speed,
            self._clock,
        ]
        switches = widgets.HBox(
            [
                widgets.VBox([widgets.HTML(f"<b>{name}</b>"), switch])
                for name, switch in self._switches.items()
            ],
            layout=widgets.Layout(flex_flow="row wrap", width="720px"),
        )
        cut = widgets.HBox(
            [
                _button("Cut off", "chain-broken", lambda: self.cut_off(*self._isolate.value)),
                _button("Heal", "link", self.heal),
            ]
        )
        network = widgets.VBox(
            [widgets.HTML("<b>network</b>: choose machines"), self._isolate, cut]
        )
        controls = widgets.HBox([switches, network])
        return widgets.VBox([widgets.HBox(time), self._picture, controls, self._events])

    def _toggle_play(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self._play.icon = "pause"
            self._playing = asyncio.get_running_loop().create_task(self._run())
        else:
            self._play.icon = "play"
            if self._playing is not None:
                self._playing.cancel()

    async def _run(self) -> None:
        try:
            while True:
                await asyncio.sleep(FRAME_SECONDS)
                self.advance(self._speed.value * FRAME_SECONDS)
        finally:
            self._play.value = False

    def _recent(self) -> list[Event]:
        found: list[Event] = []
        trace = self.cluster.trace
        for position in range(len(trace) - 1, max(-1, len(trace) - 5000), -1):
            if _worth_a_look(trace[position]):
                found.append(trace[position])
                if len(found) == EVENTS_SHOWN:
                    break
        return found[::-1]

    def __repr__(self) -> str:
        switches = "  ".join(f"[{name}: {m.state}]" for name, m in self.cluster.hosts.items())
        return f"{cluster_picture(self.cluster).text}\nswitches: {switches}"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle = dict(self.widget._repr_mimebundle_(**options))
        bundle["text/plain"] = repr(self)
        return bundle


_TO_STATE: dict[str, Callable[[Any, str], None]] = {
    "up": lambda cluster, name: (
        cluster.resume(name) if cluster.hosts[name].state == "paused" else cluster.restart(name)
    ),
    "down": lambda cluster, name: cluster.crash(name),
    "paused": lambda cluster, name: cluster.pause(name),
}


def _worth_a_look(event: Event) -> bool:
    return not event.kind.startswith(QUIET)


def _button(text: str, icon: str, action: Callable[[], None]) -> widgets.Button:
    button = widgets.Button(description=text, icon=icon, layout=widgets.Layout(width="90px"))
    button.on_click(lambda _: action())
    return button


def _as_html(events: list[Event]) -> str:
    lines = "\n".join(html.escape(str(event)) for event in events)
    style = "font-size:11px; line-height:1.5; margin:4px 0"
    return f'<pre style="{style}">{lines or "(nothing has happened yet)"}</pre>'

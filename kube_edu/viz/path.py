"""The path of one `apply` through every component, read off the trace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kube_edu.trace import Event, Trace
from kube_edu.viz.figure import Figure
from kube_edu.viz.svg import BLUE, FAINT, GREEN, ORANGE, PANEL, PURPLE, SOFT, Drawing, fit, nothing

LANES = (
    "kubectl",
    "API server",
    "etcd",
    "deployment controller",
    "replicaset controller",
    "scheduler",
    "kubelet",
    "endpointslice controller",
    "kube-proxy",
)
COLOURS = {"write": BLUE, "commit": ORANGE, "watch": GREEN, "local": PURPLE}
MEANINGS = {
    "write": "a request to the API server",
    "commit": "a majority of etcd has it on disk",
    "watch": "a watch event",
    "local": "work on the node",
}
LEFT, LANE, TEXT, ROW = 68.0, 60.0, 200.0, 27.0
"""Widths of the times, of a lane, of what is said beside them; height of a step."""


@dataclass(frozen=True)
class Step:
    """One leg of the way: when, from where to where, what."""

    time: float
    kind: str
    source: str
    target: str
    text: str


def request_path(trace: Trace, name: str, namespace: str = "default") -> Figure:
    """The way of a Deployment (and the Service of the same name) from `apply` to rules on the
    nodes, by way of the first of its pods to be ready."""
    steps = path_steps(trace, name, namespace)
    title = f"The path of one apply: deployment {namespace}/{name}"
    if not steps:
        return nothing(title, "not on the trace")
    start = steps[0].time
    drawing = Drawing(LEFT + LANE * len(LANES) + TEXT, 134 + ROW * len(steps), title)
    drawing.legend(18, 52, [(COLOURS[kind], MEANINGS[kind]) for kind in COLOURS])
    bottom, right = 118 + ROW * len(steps), LEFT + LANE * len(LANES)
    places = {lane: LEFT + LANE * (index + 0.5) for index, lane in enumerate(LANES)}
    for lane, x in places.items():
        drawing.line((x, 112), (x, bottom), colour=FAINT, thick=1.2)
        for row, word in enumerate(_narrow(lane)):
            drawing.text(x, 82 + 13 * row, word, size=9.5, anchor="middle", bold=True)
    for index, step in enumerate(steps):
        y = 126 + ROW * index
        if index % 2:
            drawing.box(right + 4, y - 16, TEXT - 12, ROW, fill=PANEL, stroke="none")
        since = f"+{step.time - start:.3f} s"
        drawing.text(LEFT - 8, y + 4, since, size=10.5, colour=SOFT, anchor="end", mono=True)
        colour = COLOURS[step.kind]
        if step.source == step.target:
            drawing.box(places[step.target] - 7, y - 7, 14, 14, fill=colour, stroke="#ffffff")
        else:
            begin, end = places[step.source], places[step.target]
            drawing.circle(begin, y, 3.5, fill=colour)
            drawing.arrow((begin, y), (end, y), colour=colour, dash=step.kind == "watch")
        drawing.text(right + 12, y + 4, fit(step.text, TEXT - 20, 11.5), size=11.5)
    return drawing.figure(f"+{step.time - start:.3f} s  {_leg(step)} {step.text}" for step in steps)


def _leg(step: Step) -> str:
    """From where to where, in words."""
    to = "" if step.source == step.target else f"-> {step.target}"
    return f"{step.source:<24} {to:<27}"


def _narrow(lane: str) -> list[str]:
    """The name of a lane in short lines."""
    for long, parts in {"point": "point- ", "replica": "replica- ", "kube-": "kube- "}.items():
        lane = lane.replace(long, parts)
    return lane.split()


def path_steps(trace: Trace, name: str, namespace: str = "default") -> list[Step]:
    """The steps in the order in which they happened. What has not happened (yet) is left out."""
    return sorted(_Reader(trace, namespace).steps(name), key=lambda step: step.time)


class _Reader:
    """Follows one Deployment from write to watch to write."""

    def __init__(self, trace: Trace, namespace: str) -> None:
        self._trace = trace
        self._namespace = namespace

    def steps(self, name: str) -> Iterator[Step]:
        deployment = f"deployments/{self._namespace}/{name}"
        sets = f"replicasets/{self._namespace}/{name}-"
        created = self._write(deployment, "create")
        replica_set = self._write(sets, "create")
        pod = self._first_ready(f"pods/{self._namespace}/{name}-")
        yield from self._leg(created, "kubectl", "creates the Deployment", "deployment controller")
        yield from self._leg(replica_set, "deployment controller", "creates a ReplicaSet",
                             "replicaset controller")  # fmt: skip
        if not pod:
            return
        yield from self._leg(self._write(pod, "create"), "replicaset controller",
                             f"creates a pod, {_short(pod)}", "scheduler")  # fmt: skip
        bind = self._first("scheduler.bind", object=pod)
        if bind is None:
            return
        node = bind.fields["node"]
        bound = self._write(pod, since=bind.time)
        yield from self._leg(bound, "scheduler", f"binds it to {node}", "kubelet")
        sandbox = self._first("kubelet.sandbox", object=pod)
        if sandbox:
            yield _local(sandbox, "kubelet", f"gives it address {sandbox.fields['address']}")
        running = self._first("kubelet.container", object=pod, state="running")
        if running is None:
            return
        yield _local(running, "kubelet", f"container {running.fields['container']} runs")
        slices = f"endpointslices/{self._namespace}/{name}-"
        listed = self._write(slices, since=running.time)
        ready = self._write(pod, user=f"system:node:{node}", since=running.time)
        yield from self._leg(ready, "kubelet", "reports it Ready", "endpointslice controller")
        yield from self._leg(listed, "endpointslice controller", "adds its address",
                             "kube-proxy")  # fmt: skip
        if listed:
            rules = self._first("proxy.rules", since=listed.time)
            if rules:
                yield _local(rules, "kube-proxy", f"new rules on {rules.host}")

    def _leg(self, write: Event | None, actor: str, text: str, watcher: str) -> Iterator[Step]:
        """A write, its commit, and the watch event that tells the next in line."""
        if write is None:
            return
        rv, obj = write.fields["rv"], write.fields["object"]
        commit = self._first("etcd.apply", revision=int(rv))
        began = commit.time if commit and commit.time < write.time else write.time
        yield Step(began, "write", actor, "API server", text)
        if commit:
            yield Step(commit.time, "commit", "API server", "etcd", f"revision {rv} is committed")
        watch = self._first("api.watch", object=obj, rv=rv)
        if watch:
            yield Step(watch.time, "watch", "API server", watcher, f"{watch.fields['type']} event")

    def _first_ready(self, prefix: str) -> str:
        """The pod whose containers ran first, or else the first that was created."""
        running = self._trace.select("kubelet.container", state="running")
        created = self._trace.select("api.write", verb="create")
        names = [str(event.fields["object"]) for event in running + created]
        return next((name for name in names if name.startswith(prefix)), "")

    def _write(self, prefix: str, verb: str = "", user: str = "", since: float = 0) -> Event | None:
        """The first write of an object whose name begins so."""
        return _first(
            event
            for event in self._trace.select("api.write", since=since)
            if event.fields["object"].startswith(prefix)
            and verb in ("", event.fields["verb"])
            and user in ("", event.fields["user"])
        )

    def _first(self, kind: str, since: float = 0.0, **fields: Any) -> Event | None:
        return _first(self._trace.select(kind, since=since, **fields))


def _first(events: Iterable[Event]) -> Event | None:
    return next(iter(events), None)


def _local(event: Event, lane: str, text: str) -> Step:
    return Step(event.time, "local", lane, lane, text)


def _short(obj: str) -> str:
    """The last part of a generated name: that is how pods of one set differ."""
    return f"…-{obj.rsplit('-', 1)[-1]}"

"""The cluster as one picture: control plane, store, nodes and their pods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kube_edu.trace import Trace
from kube_edu.viz.figure import Figure
from kube_edu.viz.states import STATES, draw_pod, node_ready, pod_state
from kube_edu.viz.svg import FAINT, GREEN, GREY, INK, ORANGE, PANEL, RED, SKY, SOFT, Drawing, fit

WIDTH = 800.0
COMPONENTS = ("API server", "controller manager", "scheduler")
HOST_COLOURS = {"up": GREEN, "down": RED, "paused": ORANGE}


@dataclass(frozen=True)
class Snapshot:
    """All that the picture shows, at one instant."""

    time: float
    hosts: Mapping[str, str]
    """Name → "up", "down" or "paused"."""
    pods: Sequence[dict[str, Any]] = ()
    nodes: Sequence[dict[str, Any]] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    """Of each etcd member: leader, follower, candidate."""
    leader: str = ""
    term: int = 0
    revisions: Mapping[str, int] = field(default_factory=dict)
    """The store's revision at each etcd member."""
    groups: Sequence[Sequence[str]] = ()
    """Who can reach whom, where the network is cut."""


def cluster_picture(cluster: Any) -> Figure:
    """The cluster as it is now."""
    return draw_cluster(snapshot(cluster))


def snapshot(cluster: Any) -> Snapshot:
    hosts = {name: host.state for name, host in cluster.hosts.items()}
    return Snapshot(
        time=cluster.now,
        hosts=hosts,
        pods=cluster.objects("pods"),
        nodes=cluster.objects("nodes"),
        **store_state(cluster.trace),
    )


def store_state(trace: Trace) -> dict[str, Any]:
    """What the trace says of the etcd members and of cuts in the network."""
    roles: dict[str, tuple[str, int]] = {}
    revisions: dict[str, int] = {}
    groups: Sequence[Sequence[str]] = ()
    for event in trace:
        if event.kind == "raft.role":
            roles[event.host] = (event.fields["role"], event.fields["term"])
        elif event.kind == "etcd.apply":
            revisions[event.host] = event.fields["revision"]
        elif event.kind == "host.crash":
            roles.pop(event.host, None)
        elif event.kind == "net.partition":
            groups = event.fields["groups"]
        elif event.kind == "net.heal":
            groups = ()
    leaders = [(term, host) for host, (role, term) in roles.items() if role == "leader"]
    term, leader = max(leaders, default=(0, ""))
    return {
        "roles": {host: role for host, (role, _) in roles.items()},
        "leader": leader,
        "term": term,
        "revisions": revisions,
        "groups": groups,
    }


def draw_cluster(shot: Snapshot) -> Figure:
    """The picture of a snapshot."""
    columns = 4 if len(_named(shot, "node-")) > 3 else 3
    rows = _node_rows(shot, columns)
    top = 218.0
    heights = [_node_height(shot, row) for row in rows]
    height = top + sum(heights) + 14 * len(rows) + 40
    drawing = Drawing(WIDTH, height, f"The cluster at {shot.time:.1f} s")
    if shot.groups:
        cut = "   |   ".join(", ".join(group) for group in shot.groups)
        drawing.text(WIDTH - 18, 28, "network cut:  " + fit(cut, 520, 12), size=12, colour=RED,
                     bold=True, anchor="end")  # fmt: skip
    _draw_control(drawing, shot, 18, 44)
    _draw_store(drawing, shot, 330, 44)
    y = top
    for row, row_height in zip(rows, heights, strict=True):
        width = (WIDTH - 36 - 14 * (columns - 1)) / columns
        for column, name in enumerate(row):
            _draw_node(drawing, shot, name, 18 + column * (width + 14), y, width, row_height)
        y += row_height + 14
    seen = [state for state in STATES if any(pod_state(pod) == state for pod in shot.pods)]
    drawing.note(18, height - 16, "pods:", 11.5)
    drawing.legend(58, height - 16, [(STATES[state], state) for state in seen] or [(GREY, "none")])
    return drawing.figure(describe_cluster(shot))


def describe_cluster(shot: Snapshot) -> Iterator[str]:
    """The picture in words."""
    if shot.groups:
        yield "network cut: " + " | ".join(", ".join(group) for group in shot.groups)
    for name, state in shot.hosts.items():
        notes = [state]
        if name == shot.leader and state == "up":
            notes.append(f"leader of term {shot.term}")
        elif name in shot.roles and state == "up":
            notes.append(shot.roles[name])
        if name in shot.revisions:
            notes.append(f"revision {shot.revisions[name]}")
        if name.startswith("node-"):
            notes.append(_node_condition(shot, name))
            counts = Counter(pod_state(pod) for pod in _pods_on(shot, name))
            notes += [f"{counts[state]} pods {state}" for state in STATES if counts[state]]
        yield f"{name:<10} {', '.join(notes)}"
    if waiting := _pods_on(shot, ""):
        yield f"no node yet: {len(waiting)} pods"


def _draw_control(drawing: Drawing, shot: Snapshot, x: float, y: float) -> None:
    names = _named(shot, "control-")
    drawing.box(x, y, 270, 156)
    drawing.text(x + 12, y + 20, "control plane", size=12, colour=SOFT, bold=True)
    width = (246 - 8 * (len(names) - 1)) / max(len(names), 1)
    for index, name in enumerate(names):
        left = x + 12 + index * (width + 8)
        _host_card(drawing, shot, name, left, y + 30, width, 114)
        for row, component in enumerate(COMPONENTS):
            top = y + 60 + row * 27
            drawing.box(left + 8, top, width - 16, 22, fill=PANEL, radius=4)
            drawing.text(left + width / 2, top + 15, fit(component, width - 20, 11.5), size=11.5,
                         anchor="middle")  # fmt: skip
    drawing.line((x + 270, y + 71), (x + 312, y + 71), colour=SOFT)
    drawing.line((x + 153, y + 156), (x + 153, y + 174), colour=SOFT)


def _draw_store(drawing: Drawing, shot: Snapshot, x: float, y: float) -> None:
    names = _named(shot, "etcd-")
    width = WIDTH - 18 - x
    drawing.box(x, y, width, 156)
    drawing.text(x + 12, y + 20, "etcd: the store", size=12, colour=SOFT, bold=True)
    step = (width - 24) / max(len(names), 1)
    for index, name in enumerate(names):
        left = x + 12 + index * step
        leads = name == shot.leader and shot.hosts[name] == "up"
        _host_card(drawing, shot, name, left + 4, y + 44, step - 8, 100)
        if leads:
            drawing.crown(left + step / 2, y + 44)
        role = f"leader, term {shot.term}" if leads else shot.roles.get(name, "follower")
        middle = left + step / 2
        drawing.text(middle, y + 96, fit(role if shot.hosts[name] == "up" else "", step, 12),
                     size=12, anchor="middle", bold=leads)  # fmt: skip
        drawing.note(middle, y + 118, f"revision {shot.revisions.get(name, 0)}", 11.5, "middle")


def _draw_node(drawing: Drawing, shot: Snapshot, name: str, x: float, y: float, width: float,
               height: float) -> None:  # fmt: skip
    _host_card(drawing, shot, name, x, y, width, height)
    pods = _pods_on(shot, name)
    if name:
        drawing.note(x + 12, y + 42, f"kubelet · kube-proxy · {_node_condition(shot, name)}")
    for row, pod in enumerate(pods):
        text = fit(pod["metadata"]["name"], width - 62, 11, mono=True)
        draw_pod(drawing, x + 12, y + 52 + row * 30, width - 24, text, pod_state(pod))
    if not pods:
        drawing.text(x + width / 2, y + 70, "no pods", size=11.5, colour=GREY, anchor="middle")


def _host_card(drawing: Drawing, shot: Snapshot, name: str, x: float, y: float, width: float,
               height: float) -> None:  # fmt: skip
    """A machine: its name, and its state where that is not "up"."""
    state = shot.hosts.get(name, "up")
    colour = HOST_COLOURS[state] if state != "up" else FAINT
    fill = "#ffffff" if state == "up" else "#fdf3ec"
    drawing.box(x, y, width, height, fill=fill, stroke=colour, dash=state != "up",
                thick=1.2 if state == "up" else 2)  # fmt: skip
    drawing.text(x + 12, y + 21, name or "waiting for a node", bold=True,
                 colour=INK if name else SOFT)  # fmt: skip
    if state != "up":
        drawing.text(x + width - 12, y + 21, state, size=12, bold=True, colour=colour, anchor="end")
    part = next((i for i, group in enumerate(shot.groups) if name in group), None)
    if part is not None:
        drawing.circle(x + width - 2, y + 2, 10, fill=SKY, stroke=INK)
        drawing.text(x + width - 2, y + 6.5, "ABCDEFGH"[part % 8], size=12, anchor="middle",
                     bold=True)  # fmt: skip


def _node_condition(shot: Snapshot, name: str) -> str:
    node = next((node for node in shot.nodes if node["metadata"]["name"] == name), None)
    if node is None:
        return "not registered"
    return "Ready" if node_ready(node) else "NotReady"


def _node_rows(shot: Snapshot, columns: int) -> list[list[str]]:
    """The nodes in rows; pods that have no node yet get a card of their own, named ""."""
    names = _named(shot, "node-") + ([""] if _pods_on(shot, "") else [])
    return [names[start : start + columns] for start in range(0, len(names), columns)]


def _node_height(shot: Snapshot, row: Sequence[str]) -> float:
    return 62 + 30 * max([1, *(len(_pods_on(shot, name)) for name in row)])


def _pods_on(shot: Snapshot, node: str) -> list[dict[str, Any]]:
    pods = [pod for pod in shot.pods if pod.get("spec", {}).get("nodeName", "") == node]
    return sorted(pods, key=lambda pod: (pod["metadata"].get("namespace", ""),
                                         pod["metadata"]["name"]))  # fmt: skip


def _named(shot: Snapshot, prefix: str) -> list[str]:
    return [name for name in shot.hosts if name.startswith(prefix)]

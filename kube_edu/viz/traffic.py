"""From a Service to its pods: whom the selector picks, and which port the packets reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kube_edu.viz.figure import Figure
from kube_edu.viz.objects import selects
from kube_edu.viz.svg import FAINT, GREEN, GREY, ORANGE, RED, SKY, SOFT, Drawing, fit

Object = dict[str, Any]
PODS = 480.0
LEGEND = ((GREEN, "reached"), (RED, "selected, but no one listens"), (GREY, "not selected"))


def traffic(service: Object, pods: Sequence[Object], title: str = "") -> Figure:
    """A client, a Service and the pods: an arrow to each pod that the selector picks, green where
    a container port is listening at the other end, red where none is."""
    name = service["metadata"]["name"]
    title = title or f"Where the traffic of service {name} goes"
    ports = service["spec"].get("ports", [])
    lines = [f"selector  {key}={value}" for key, value in _selector(service)] or ["no selector"]
    lines += [f"port {port.get('port')} → {_target(port)}" for port in ports]
    height = max(len(pods) * 60.0, len(lines) * 17.0 + 40) + 96
    middle = (height + 10) / 2
    drawing = Drawing(800, height, title)
    drawing.card(18, middle - 22, 120, 44, SKY, bar=False)
    drawing.text(78, middle - 3, "client", bold=True, anchor="middle")
    asked = ports[0].get("port", "?") if ports else "?"
    drawing.note(78, middle + 13, f"asks :{asked}", anchor="middle")
    card = 30 + 17.0 * len(lines)
    drawing.arrow((138, middle), (198, middle))
    drawing.card(200, middle - card / 2, 210, card, ORANGE, bar=False)
    drawing.text(212, middle - card / 2 + 19, f"Service {fit(name, 130)}", bold=True)
    for row, line in enumerate(lines):
        text = fit(line, 192, 11, mono=True)
        drawing.text(212, middle - card / 2 + 38 + 17 * row, text, size=11, mono=True)
    for row, pod in enumerate(pods):
        y = 72 + 60.0 * row
        verdict = _verdict(service, pod)
        colour = {"reached": GREEN, "not selected": GREY}.get(verdict, RED)
        if verdict != "not selected":
            drawing.arrow((410, middle), (450, middle), (PODS - 40, y), (PODS - 4, y),
                          colour=colour, dash=colour == RED)  # fmt: skip
        drawing.card(PODS, y - 24, 300, 48, colour, bar=False)
        pod_name = fit(pod["metadata"]["name"], 200, 11, mono=True)
        drawing.text(PODS + 10, y - 7, pod_name, size=11, mono=True, bold=True)
        drawing.text(PODS + 290, y - 7, verdict, size=11, colour=colour, anchor="end", bold=True)
        facts = fit(_facts(pod), 284, 10.5, mono=True)
        drawing.text(PODS + 10, y + 12, facts, size=10.5, mono=True, colour=SOFT)
    drawing.line((18, height - 36), (782, height - 36), colour=FAINT)
    drawing.legend(18, height - 15, LEGEND)
    words = [f"{pod['metadata']['name']}: {_verdict(service, pod)}  ({_facts(pod)})"
             for pod in pods]  # fmt: skip
    return drawing.figure([*lines, *words])


def _verdict(service: Object, pod: Object) -> str:
    if not selects(service, pod):
        return "not selected"
    open_ports = [port for container in pod["spec"]["containers"]
                  for port in container.get("ports", [])]  # fmt: skip
    names = {port["name"]: port["containerPort"] for port in open_ports if "name" in port}
    numbers = [port["containerPort"] for port in open_ports]
    for port in service["spec"].get("ports", []):
        target = _target(port)
        if names.get(target, target) not in numbers:
            return f"nothing at {target}"
    return "reached"


def _target(port: Object) -> Any:
    """Where a Service port leads: `targetPort`, which is the same as `port` when left out."""
    return port.get("targetPort", port.get("port"))


def _selector(service: Object) -> list[tuple[str, Any]]:
    return list((service["spec"].get("selector") or {}).items())


def _facts(pod: Object) -> str:
    labels = [f"{key}={value}" for key, value in pod["metadata"].get("labels", {}).items()]
    ports = [
        f":{port['containerPort']}" + (f" ({port['name']})" if "name" in port else "")
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
    ]
    return "  ".join([*labels, *ports])

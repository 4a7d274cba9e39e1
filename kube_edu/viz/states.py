"""The state of a pod in one word, with the colour and mark it has in every figure."""

from __future__ import annotations

from typing import Any

from kube_edu.viz.svg import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, Drawing

STATES = {
    "Pending": SKY,
    "Starting": ORANGE,
    "Ready": GREEN,
    "Terminating": PURPLE,
    "Failed": RED,
    "Succeeded": BLUE,
    "Unknown": GREY,
}


def pod_state(pod: dict[str, Any]) -> str:
    """Pending (no node yet, or not started there), Starting (running, not ready), Ready, ..."""
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    phase = str(pod.get("status", {}).get("phase", "Pending"))
    if phase != "Running":
        return phase
    return "Ready" if condition(pod, "Ready") == "True" else "Starting"


def node_ready(node: dict[str, Any]) -> bool:
    return condition(node, "Ready") == "True"


def condition(obj: dict[str, Any], kind: str) -> str:
    """The status ("True", "False", "Unknown") of a condition, "" where it is not set."""
    conditions = obj.get("status", {}).get("conditions", [])
    return next((str(c["status"]) for c in conditions if c["type"] == kind), "")


def draw_pod(drawing: Drawing, x: float, y: float, width: float, name: str, state: str) -> None:
    """A pod as a small box: its name, and the colour and mark of its state."""
    drawing.box(x, y, width, 24, fill="#ffffff", stroke=STATES[state], thick=1.8, radius=5)
    drawing.box(x, y, 22, 24, fill=STATES[state], stroke="none", radius=5)
    drawing.text(x + 28, y + 16, name, size=11, mono=True)
    middle = (x + 11, y + 12)
    if state == "Ready" or state == "Succeeded":
        drawing.tick(*middle, radius=5, colour="#ffffff")
    elif state == "Failed" or state == "Unknown":
        drawing.cross(*middle, radius=4, colour="#ffffff")
    elif state == "Terminating":
        drawing.line((x + 6, y + 12), (x + 16, y + 12), colour="#ffffff", thick=2.4)
    else:
        for dx in (-5, 0, 5):
            drawing.circle(x + 11 + dx, y + 12, 1.8, fill="#ffffff")

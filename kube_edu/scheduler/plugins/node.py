"""Plugins that look at a single property of the node.

Source: kubernetes, pkg/scheduler/framework/plugins: nodeunschedulable, nodename, nodeports,
tainttoleration.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_edu.api.meta import Object
from kube_edu.scheduler.cache import NodeInfo
from kube_edu.scheduler.framework import CycleState, Scores, default_normalize


class NodeUnschedulable:
    """Nothing goes to a cordoned node, unless it tolerates the taint that says the same."""

    name = "NodeUnschedulable"
    events = ("NodeAdd", "NodeTaintChange")

    def filter(self, state: CycleState, pod: Object, node: NodeInfo) -> list[str]:
        taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
        if node.node.get("spec", {}).get("unschedulable") and not tolerated(pod, taint):
            return ["node(s) were unschedulable"]
        return []


class NodeName:
    """A pod that names its node goes there. (The scheduler never sees such a pod in its queue,
    but upstream's profile has the plugin, and so have others that use the framework.)"""

    name = "NodeName"
    events = ("NodeAdd",)

    def filter(self, state: CycleState, pod: Object, node: NodeInfo) -> list[str]:
        wanted = pod["spec"].get("nodeName")
        if wanted and wanted != node.name:
            return ["node(s) didn't match the requested node name"]
        return []


class NodePorts:
    """Two pods cannot have the same port of one node (hostPort)."""

    name = "NodePorts"
    events = ("NodeAdd", "AssignedPodDelete")

    def pre_filter(self, state: CycleState, pod: Object, nodes: object) -> None:
        state[self.name] = host_ports([pod])

    def filter(self, state: CycleState, pod: Object, node: NodeInfo) -> list[str]:
        wanted = state[self.name]
        used = host_ports(node.pods) if wanted else []
        if any(_collide(a, b) for a in wanted for b in used):
            return ["node(s) didn't have free ports for the requested pod ports"]
        return []


HostPort = tuple[str, str, int]


def host_ports(pods: Iterable[Object]) -> list[HostPort]:
    """The (address, protocol, port) of each host port that these pods ask for."""
    return [
        (port.get("hostIP") or "0.0.0.0", port.get("protocol", "TCP"), port["hostPort"])
        for pod in pods
        for container in pod["spec"].get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


def _collide(a: HostPort, b: HostPort) -> bool:
    return a[1:] == b[1:] and (a[0] == b[0] or "0.0.0.0" in (a[0], b[0]))


class TaintToleration:
    """A taint keeps pods away that do not tolerate it: strictly (NoSchedule, NoExecute), or
    where there is a choice (PreferNoSchedule)."""

    name = "TaintToleration"
    events = ("NodeAdd", "NodeTaintChange")

    def filter(self, state: CycleState, pod: Object, node: NodeInfo) -> list[str]:
        for taint in node.taints:
            if taint["effect"] != "PreferNoSchedule" and not tolerated(pod, taint):
                text = f"{{{taint['key']}: {taint.get('value', '')}}}"
                return [f"node(s) had untolerated taint {text}"]
        return []

    def score(self, state: CycleState, pod: Object, node: NodeInfo) -> int:
        """The number of taints that the pod would rather not meet."""
        return sum(
            taint["effect"] == "PreferNoSchedule" and not tolerated(pod, taint)
            for taint in node.taints
        )

    def normalize(self, state: CycleState, scores: Scores) -> Scores:
        return default_normalize(scores, reverse=True)


def tolerated(pod: Object, taint: Object) -> bool:
    return any(_tolerates(t, taint) for t in pod["spec"].get("tolerations") or ())


def _tolerates(toleration: Object, taint: Object) -> bool:
    """k8s.io/api/core/v1/toleration.go, ToleratesTaint."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    same_value = bool(toleration.get("value", "") == taint.get("value", ""))
    return bool(toleration.get("key")) and same_value

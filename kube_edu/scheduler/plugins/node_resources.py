"""NodeResourcesFit and BalancedAllocation: is there room, and where is it best used?

Source: kubernetes, pkg/scheduler/framework/plugins/noderesources: fit.go, least_allocated.go,
balanced_allocation.go.
"""

from __future__ import annotations

from kube_edu.api.meta import Object
from kube_edu.api.podresources import add
from kube_edu.scheduler.cache import NodeInfo
from kube_edu.scheduler.framework import MAX_NODE_SCORE, CycleState
from kube_edu.scheduler.resources import DEFAULT_REQUEST, Resources, requests


class NodeResourcesFit:
    """A node must have what the pod requests; the emptier it stays, the better
    (LeastAllocated)."""

    name = "NodeResourcesFit"
    events = ("NodeAdd", "NodeAllocatableChange", "AssignedPodDelete")

    def pre_filter(self, state: CycleState, pod: Object, nodes: object) -> None:
        state[self.name] = requests(pod)

    def filter(self, state: CycleState, pod: Object, node: NodeInfo) -> list[str]:
        reasons = []
        if len(node.pods) + 1 > node.allocatable.get("pods", 0):
            reasons.append("Too many pods")
        asked: Resources = state[self.name]
        for name, amount in asked.items():
            free = node.allocatable.get(name, 0) - node.requested.get(name, 0)
            if amount > free:
                reasons.append(f"Insufficient {name}")
        return reasons

    def score(self, state: CycleState, pod: Object, node: NodeInfo) -> int:
        return least_allocated(pod, node)


def least_allocated(pod: Object, node: NodeInfo) -> int:
    """The free part of CPU and memory, in percent, with the pod on the node."""
    used = add(node.nonzero_requested, requests(pod, DEFAULT_REQUEST))
    scores = []
    for name in ("cpu", "memory"):
        capacity = node.allocatable.get(name, 0)
        if capacity:
            scores.append(max(capacity - used[name], 0) * MAX_NODE_SCORE // capacity)
    return sum(scores) // len(scores) if scores else 0


class BalancedAllocation:
    """CPU and memory should be used up alike: a node with much of one left and none of the
    other is of no use to anybody."""

    name = "NodeResourcesBalancedAllocation"

    def score(self, state: CycleState, pod: Object, node: NodeInfo) -> int:
        asked = requests(pod)
        if not any(asked.get(name) for name in ("cpu", "memory")):
            return 0  # a pod without requests moves no balance: all nodes are alike
        used = add(node.requested, asked)
        fractions = [
            min(used.get(name, 0) / node.allocatable[name], 1.0)
            for name in ("cpu", "memory")
            if node.allocatable.get(name)
        ]
        # Of two numbers the standard deviation is half their distance.
        deviation = abs(fractions[0] - fractions[1]) / 2 if len(fractions) == 2 else 0.0
        return int((1 - deviation) * MAX_NODE_SCORE)

"""NodeAffinity: the nodes that a pod wants, by their labels.

Source: kubernetes, pkg/scheduler/framework/plugins/nodeaffinity and
k8s.io/component-helpers/scheduling/corev1/nodeaffinity.
"""

from __future__ import annotations

from collections.abc import Mapping

from kube_edu.api.meta import Object
from kube_edu.api.selectors import Requirement
from kube_edu.scheduler.cache import NodeInfo
from kube_edu.scheduler.framework import CycleState, Scores, default_normalize

OPERATORS = {
    "In": "in",
    "NotIn": "notin",
    "Exists": "exists",
    "DoesNotExist": "!",
    "Gt": "gt",
    "Lt": "lt",
}


class NodeAffinity:
    """nodeSelector and the required terms filter; the preferred terms score."""

    name = "NodeAffinity"
    events = ("NodeAdd", "NodeLabelChange")

    def filter(self, state: CycleState, pod: Object, node: NodeInfo) -> list[str]:
        if wants_node(pod, node):
            return []
        return ["node(s) didn't match Pod's node affinity/selector"]

    def score(self, state: CycleState, pod: Object, node: NodeInfo) -> int:
        preferred = _affinity(pod).get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        return sum(
            int(term["weight"]) for term in preferred if _term_matches(term["preference"], node)
        )

    def normalize(self, state: CycleState, scores: Scores) -> Scores:
        return default_normalize(scores)


def wants_node(pod: Object, node: NodeInfo) -> bool:
    """Whether the pod's nodeSelector and its required node affinity allow the node."""
    selector = pod["spec"].get("nodeSelector") or {}
    if any(node.labels.get(key) != value for key, value in selector.items()):
        return False
    required = _affinity(pod).get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_term_matches(term, node) for term in required["nodeSelectorTerms"])


def _affinity(pod: Object) -> Object:
    affinity: Object = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    return affinity


def _term_matches(term: Object, node: NodeInfo) -> bool:
    """All of a term's requirements must hold; a term without any matches nothing."""
    expressions = term.get("matchExpressions") or []
    fields = term.get("matchFields") or []
    return (
        bool(expressions or fields)
        and all(_holds(requirement, node.labels) for requirement in expressions)
        and all(_holds(requirement, {"metadata.name": node.name}) for requirement in fields)
    )


def _holds(requirement: Object, labels: Mapping[str, str]) -> bool:
    operator = OPERATORS[requirement["operator"]]
    values = tuple(requirement.get("values") or ())
    return Requirement(requirement["key"], operator, values).matches(labels)

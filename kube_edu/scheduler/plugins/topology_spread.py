"""PodTopologySpread: like pods should not all sit in one place.

Source: kubernetes, pkg/scheduler/framework/plugins/podtopologyspread. Node inclusion policies
have their defaults (node affinity is honoured, taints are not looked at); matchLabelKeys are left
out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.selectors import LabelSelector
from kube_edu.client import Informer
from kube_edu.scheduler.cache import NodeInfo
from kube_edu.scheduler.framework import CLUSTER_EVENTS, MAX_NODE_SCORE, CycleState, Scores
from kube_edu.scheduler.plugins.node_affinity import wants_node

SYSTEM_DEFAULTS = [("kubernetes.io/hostname", 3), ("topology.kubernetes.io/zone", 5)]
"""Topology key and maxSkew for pods that say nothing (plugin.go, systemDefaultConstraints). A key
counts where all nodes have it."""

MISMATCH = "node(s) didn't match pod topology spread constraints"


@dataclass(slots=True)
class Constraint:
    """One constraint of a pod, and the number of like pods by value of its topology key."""

    key: str
    max_skew: int
    min_domains: int
    selector: LabelSelector
    counts: dict[str, int] = field(default_factory=dict)

    def is_like(self, pod: Object, other: Object) -> bool:
        return (
            meta.namespace(other) == meta.namespace(pod)
            and "deletionTimestamp" not in other["metadata"]
            and self.selector.matches(meta.labels(other))
        )


class PodTopologySpread:
    """`whenUnsatisfiable: DoNotSchedule` filters, `ScheduleAnyway` scores. The system defaults,
    for pods that belong to a Service or a ReplicaSet, only score."""

    name = "PodTopologySpread"
    events = CLUSTER_EVENTS

    def __init__(self, services: Informer, replicasets: Informer) -> None:
        self._services = services
        self._replicasets = replicasets

    def pre_filter(self, state: CycleState, pod: Object, nodes: Sequence[NodeInfo]) -> None:
        wanted = [node for node in nodes if wants_node(pod, node)]
        state["spread filter"] = _counted(_constraints(pod, "DoNotSchedule"), pod, wanted)

    def filter(self, state: CycleState, pod: Object, node: NodeInfo) -> list[str]:
        for constraint in state["spread filter"]:
            value = node.labels.get(constraint.key)
            if value is None:
                return [f"{MISMATCH} (missing required label)"]
            counts = constraint.counts
            fewest = min(counts.values()) if len(counts) >= constraint.min_domains else 0
            itself = constraint.is_like(pod, pod)
            if counts.get(value, 0) + itself - fewest > constraint.max_skew:
                return [MISMATCH]
        return []

    def pre_score(self, state: CycleState, pod: Object, nodes: Sequence[NodeInfo]) -> None:
        constraints = _constraints(pod, "ScheduleAnyway")
        if not pod["spec"].get("topologySpreadConstraints"):
            constraints = self._system_defaults(pod, nodes)
        state["spread score"] = _counted(constraints, pod, nodes)

    def score(self, state: CycleState, pod: Object, node: NodeInfo) -> int:
        """The number of like pods in the node's domains, fewer being better; -1 for a node that
        lacks a key. In a topology of many domains a pod weighs more (scoring.go)."""
        constraints: list[Constraint] = state["spread score"]
        if not _has_keys(node, constraints):
            return -1
        return round(
            sum(
                c.counts[node.labels[c.key]] * log(len(c.counts) + 2) + c.max_skew - 1
                for c in constraints
            )
        )

    def normalize(self, state: CycleState, scores: Scores) -> Scores:
        if not state["spread score"]:
            return dict.fromkeys(scores, 0)
        known = [score for score in scores.values() if score >= 0]
        most, fewest = max(known, default=0), min(known, default=0)

        def normal(score: int) -> int:
            if score < 0:
                return 0
            return MAX_NODE_SCORE * (most + fewest - score) // most if most else MAX_NODE_SCORE

        return {name: normal(score) for name, score in scores.items()}

    def _system_defaults(self, pod: Object, nodes: Sequence[NodeInfo]) -> list[Constraint]:
        selector = self._default_selector(pod)
        return [
            Constraint(key, max_skew, 1, selector)
            for key, max_skew in SYSTEM_DEFAULTS
            if not selector.empty and all(key in node.labels for node in nodes)
        ]

    def _default_selector(self, pod: Object) -> LabelSelector:
        """What selects the pod's like: its Services, and its ReplicaSet (helper/spread.go)."""
        labels: dict[str, str] = {}
        expressions: list[Object] = []
        for service in self._services.list(meta.namespace(pod)):
            selector = service["spec"].get("selector") or {}
            if selector.items() <= meta.labels(pod).items():
                labels |= selector
        owner = meta.controller_of(pod) or {}
        replicaset = self._replicasets.get(f"{meta.namespace(pod)}/{owner.get('name')}")
        if replicaset is not None and owner["kind"] == "ReplicaSet":
            labels |= replicaset["spec"]["selector"].get("matchLabels") or {}
            expressions = replicaset["spec"]["selector"].get("matchExpressions") or []
        return LabelSelector.from_dict({"matchLabels": labels, "matchExpressions": expressions})


def _constraints(pod: Object, when_unsatisfiable: str) -> list[Constraint]:
    return [
        Constraint(
            constraint["topologyKey"],
            constraint["maxSkew"],
            constraint.get("minDomains") or 1,
            LabelSelector.from_dict(constraint.get("labelSelector")),
        )
        for constraint in pod["spec"].get("topologySpreadConstraints") or ()
        if constraint["whenUnsatisfiable"] == when_unsatisfiable
    ]


def _counted(
    constraints: list[Constraint], pod: Object, nodes: Sequence[NodeInfo]
) -> list[Constraint]:
    """The constraints with the like pods counted, on nodes that have all their keys."""
    for node in nodes:
        if _has_keys(node, constraints):
            for constraint in constraints:
                value = node.labels[constraint.key]
                like = sum(constraint.is_like(pod, other) for other in node.pods)
                constraint.counts[value] = constraint.counts.get(value, 0) + like
    return constraints


def _has_keys(node: NodeInfo, constraints: Sequence[Constraint]) -> bool:
    return all(constraint.key in node.labels for constraint in constraints)

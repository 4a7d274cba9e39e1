"""The scheduling framework: extension points, and the plugins that take part in them.

Source: kubernetes, pkg/scheduler/framework/interface.go and runtime/framework.go. A plugin is a
small class with a `name`; it takes part in a point by having the method of that point. Reserve
is the cache's `assume` here, as no plugin has anything else to set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from kube_edu.api.meta import Object
from kube_edu.scheduler.cache import NodeInfo
from kube_edu.scheduler.queue import QueuedPod

MAX_NODE_SCORE = 100

CycleState = dict[str, Any]
"""Where plugins keep what they worked out for one pod, under their own name."""

Scores = dict[str, int]
"""Points by node name."""

CLUSTER_EVENTS = (
    "NodeAdd",
    "NodeAllocatableChange",
    "NodeLabelChange",
    "NodeTaintChange",
    "AssignedPodAdd",
    "AssignedPodUpdate",
    "AssignedPodDelete",
)


class Plugin(Protocol):
    name: str


@runtime_checkable
class QueueSortPlugin(Protocol):
    def sort_key(self, entry: QueuedPod) -> Any:
        """Smaller is sooner."""


@runtime_checkable
class PreFilterPlugin(Protocol):
    def pre_filter(self, state: CycleState, pod: Object, nodes: Sequence[NodeInfo]) -> None:
        """Work out once what `filter` needs for every node."""


@runtime_checkable
class FilterPlugin(Protocol):
    name: str
    events: tuple[str, ...]
    """The cluster events after which a pod that it turned down is worth another try."""

    def filter(self, state: CycleState, pod: Object, node: NodeInfo) -> list[str]:
        """Why the pod cannot run on the node; nothing if it can."""


@runtime_checkable
class PreScorePlugin(Protocol):
    def pre_score(self, state: CycleState, pod: Object, nodes: Sequence[NodeInfo]) -> None:
        """Work out once what `score` needs for every node that passed the filters."""


@runtime_checkable
class ScorePlugin(Protocol):
    name: str

    def score(self, state: CycleState, pod: Object, node: NodeInfo) -> int:
        """How well the node suits: 0 to 100, or any number that `normalize` brings there."""


@runtime_checkable
class NormalizePlugin(Protocol):
    def normalize(self, state: CycleState, scores: Scores) -> Scores:
        """The scores of all nodes, brought to 0 to 100."""


@runtime_checkable
class BindPlugin(Protocol):
    async def bind(self, pod: Object, node: str) -> None:
        """Make the decision known; raises ApiError or ConnectionError."""


FilterFunction = Callable[[Object, NodeInfo], list[str]]
ScoreFunction = Callable[[Object, NodeInfo], int]


@dataclass(slots=True)
class FilterRole:
    """A function as a filter plugin: the role "scheduler.filter"."""

    function: FilterFunction
    name: str = "filter"
    events: tuple[str, ...] = CLUSTER_EVENTS

    def filter(self, state: CycleState, pod: Object, node: NodeInfo) -> list[str]:
        return self.function(pod, node)


@dataclass(slots=True)
class ScoreRole:
    """A function as a score plugin: the role "scheduler.score"."""

    function: ScoreFunction
    name: str = "score"

    def score(self, state: CycleState, pod: Object, node: NodeInfo) -> int:
        return self.function(pod, node)


@dataclass(frozen=True, slots=True)
class Rejection:
    """The plugin that turned a node down, and why."""

    plugin: str
    reasons: list[str]


class FitError(Exception):
    """No node fits; the message is the one that `kubectl describe pod` shows."""

    def __init__(self, rejected: Mapping[str, Rejection]) -> None:
        self.rejected = rejected
        super().__init__(self._message())

    @property
    def plugins(self) -> tuple[str, ...]:
        """The plugins that turned nodes down, each once."""
        return tuple(dict.fromkeys(rejection.plugin for rejection in self.rejected.values()))

    def _message(self) -> str:
        if not self.rejected:
            return "no nodes available to schedule pods"
        counts: dict[str, int] = {}
        for rejection in self.rejected.values():
            for reason in rejection.reasons:
                counts[reason] = counts.get(reason, 0) + 1
        reasons = sorted(f"{count} {reason}" for reason, count in counts.items())
        return f"0/{len(self.rejected)} nodes are available: {', '.join(reasons)}."


@dataclass(slots=True)
class Framework:
    """A profile, a table of plugins with the weights of their scores, at work."""

    profile: Sequence[tuple[Plugin, int]]
    filter: FilterFunction | None = None
    """Takes the place of all filter plugins."""
    score: ScoreFunction | None = None
    """Takes the place of all score plugins."""
    _filters: list[FilterPlugin] = field(init=False)
    _scores: list[tuple[ScorePlugin, int]] = field(init=False)

    def __post_init__(self) -> None:
        plugins = [plugin for plugin, _ in self.profile]
        self._filters = [p for p in plugins if isinstance(p, FilterPlugin)]
        self._scores = [(p, weight) for p, weight in self.profile if isinstance(p, ScorePlugin)]
        if self.filter is not None:
            self._filters = [FilterRole(self.filter)]
        if self.score is not None:
            self._scores = [(ScoreRole(self.score), 1)]

    def events(self) -> dict[str, tuple[str, ...]]:
        """The cluster events that interest each filter plugin."""
        return {plugin.name: plugin.events for plugin in self._filters}

    def sort_key(self, entry: QueuedPod) -> Any:
        return self._one(QueueSortPlugin).sort_key(entry)

    def run_filters(
        self, state: CycleState, pod: Object, nodes: Sequence[NodeInfo]
    ) -> tuple[list[NodeInfo], dict[str, Rejection]]:
        """The nodes on which the pod can run, and why not on the others: the first plugin that
        turns a node down decides."""
        for plugin in self._filters:
            if isinstance(plugin, PreFilterPlugin):
                plugin.pre_filter(state, pod, nodes)
        feasible: list[NodeInfo] = []
        rejected: dict[str, Rejection] = {}
        for node in nodes:
            rejection = self._filter(state, pod, node)
            if rejection is None:
                feasible.append(node)
            else:
                rejected[node.name] = rejection
        return feasible, rejected

    def run_scores(self, state: CycleState, pod: Object, nodes: Sequence[NodeInfo]) -> Scores:
        """Each node's weighted sum over all score plugins."""
        sums = {node.name: 0 for node in nodes}
        for plugin, weight in self._scores:
            if isinstance(plugin, PreScorePlugin):
                plugin.pre_score(state, pod, nodes)
            scores = {node.name: plugin.score(state, pod, node) for node in nodes}
            if isinstance(plugin, NormalizePlugin):
                scores = plugin.normalize(state, scores)
            for name, score in scores.items():
                if not 0 <= score <= MAX_NODE_SCORE:
                    raise ValueError(
                        f"plugin {plugin.name!r} returns an invalid score {score}, it should be in "
                        f"the range of [0, {MAX_NODE_SCORE}] after normalizing"
                    )
                sums[name] += score * weight
        return sums

    async def run_bind(self, pod: Object, node: str) -> None:
        await self._one(BindPlugin).bind(pod, node)

    def _filter(self, state: CycleState, pod: Object, node: NodeInfo) -> Rejection | None:
        for plugin in self._filters:
            reasons = plugin.filter(state, pod, node)
            if reasons:
                return Rejection(plugin.name, reasons)
        return None

    def _one(self, point: Any) -> Any:
        return next(plugin for plugin, _ in self.profile if isinstance(plugin, point))


def default_normalize(scores: Scores, *, reverse: bool = False) -> Scores:
    """The largest becomes 100, the others in proportion; with `reverse`, 100 less that
    (plugins/helper/normalize_score.go)."""
    largest = max(scores.values(), default=0)
    result = {
        node: MAX_NODE_SCORE * score // largest if largest else 0 for node, score in scores.items()
    }
    return {n: MAX_NODE_SCORE - s for n, s in result.items()} if reverse else result

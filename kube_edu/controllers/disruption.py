"""How many pods of an application may be evicted now: the status of PodDisruptionBudgets, by which
the API server grants evictions (upstream pkg/controller/disruption/disruption.go)."""

from __future__ import annotations

from kube_edu.api import meta, podutil, quantity
from kube_edu.api.meta import Object
from kube_edu.api.selectors import LabelSelector
from kube_edu.client import ApiClient, Controller, Informers
from kube_edu.host import Host

DELETION_TIMEOUT = 120.0
"""Seconds after which an eviction that was granted, but deleted no pod, is forgotten."""


class DisruptionController(Controller):
    name = "disruption"
    account = "disruption-controller"
    resource = "poddisruptionbudgets"

    def __init__(self, client: ApiClient, host: Host, informers: Informers) -> None:
        super().__init__(client, host, informers)
        self._budgets = self.watch("poddisruptionbudgets")
        self._pods = self.watch("pods", self._budgets_of)
        self._owners = {
            "Deployment": informers("deployments"),
            "ReplicaSet": informers("replicasets"),
            "ReplicationController": informers("replicationcontrollers"),
            "StatefulSet": informers("statefulsets"),
        }

    def _budgets_of(self, pod: Object) -> list[str]:
        budgets = self._budgets.list(meta.namespace(pod))
        labels = meta.labels(pod)
        return [meta.key(budget) for budget in budgets if _selector(budget).matches(labels)]

    async def reconcile(self, key: str) -> None:
        budget = self._budgets.get(key)
        if budget is None:
            return
        pods = self._pods.list(meta.namespace(budget), _selector(budget))
        disrupted = self._disrupted(budget, pods)
        healthy = sum(
            podutil.is_ready(pod) and not meta.is_deleting(pod) and meta.name(pod) not in disrupted
            for pod in pods
        )
        expected, desired = self._counts(budget["spec"], pods)
        allowed = max(healthy - desired, 0) if expected else 0
        status = {
            **({"disruptedPods": disrupted} if disrupted else {}),
            "observedGeneration": budget["metadata"].get("generation", 0),
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
        }
        old = budget.get("status", {}).get("conditions") or ()
        status["conditions"] = meta.set_condition(old, _condition(budget, allowed), self.host.now())
        if status != budget.get("status"):
            await self.client.update({**budget, "status": status}, subresource="status")
        if disrupted:
            self.queue.add_after(key, DELETION_TIMEOUT)

    def _counts(self, spec: Object, pods: list[Object]) -> tuple[int, int]:
        """How many pods there should be, and how many of them have to be healthy."""
        least = spec.get("minAvailable")
        if isinstance(least, int):
            return len(pods), least
        expected = self._scale(pods)
        if least is not None:
            return expected, quantity.share(least, expected, round_up=True)
        most = quantity.share(spec.get("maxUnavailable", 0), expected, round_up=True)
        return expected, max(expected - most, 0)

    def _scale(self, pods: list[Object]) -> int:
        """The replicas that the owners of the pods want, together."""
        owners = [owner for pod in pods if (owner := self._owner(pod)) is not None]
        return sum({meta.uid(o): o["spec"].get("replicas", 0) for o in owners}.values())

    def _owner(self, obj: Object) -> Object | None:
        """The workload that an object belongs to in the end."""
        reference = meta.controller_of(obj)
        if reference is None or reference["kind"] not in self._owners:
            return None
        owner = self._owners[reference["kind"]].get(f"{meta.namespace(obj)}/{reference['name']}")
        return None if owner is None else self._owner(owner) or owner

    def _disrupted(self, budget: Object, pods: list[Object]) -> dict[str, str]:
        """The pods that are still there, though an eviction was granted, and since when."""
        there = {meta.name(pod) for pod in pods if not meta.is_deleting(pod)}
        earliest = self.host.now() - DELETION_TIMEOUT
        granted = budget.get("status", {}).get("disruptedPods") or {}
        return {
            name: at
            for name, at in granted.items()
            if name in there and meta.seconds(at) > earliest
        }


def _selector(budget: Object) -> LabelSelector:
    return LabelSelector.from_dict(budget["spec"].get("selector"))


def _condition(budget: Object, allowed: int) -> Object:
    return {
        "type": "DisruptionAllowed",
        "status": "True" if allowed else "False",
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "message": "",
        "observedGeneration": budget["metadata"].get("generation", 0),
    }

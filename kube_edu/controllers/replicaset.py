"""ReplicaSets: so many pods of a template, no more and no fewer (upstream replica_set.go)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

from kube_edu.api import meta, podutil
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.client import Controller, Informers
from kube_edu.client.client import ApiClient
from kube_edu.controllers.ownership import (
    Expectations,
    by_controller,
    candidates,
    claim,
    owner_keys,
)
from kube_edu.host import Host

BURST_REPLICAS = 500  # pods created or deleted in one go
SECONDS_TO_OWN_WRITES = 1.0  # after which to look again whether the informer shows them


class PodControl(Protocol):
    """The hands of `manage_replicas`."""

    async def create(self, replicaset: Object) -> None:
        """Create a pod from the ReplicaSet's template."""

    async def delete(self, pod: Object) -> None:
        """Delete a pod; no error when it is gone already."""


ManageReplicas = Callable[[Sequence[Object], Object, PodControl], Awaitable[None]]


async def manage_replicas(pods: Sequence[Object], replicaset: Object, control: PodControl) -> None:
    """Create the pods that are missing, or delete those that are too many.

    `pods` are the ReplicaSet's active pods. The role "replicaset.manage_replicas".
    """
    missing = replicaset["spec"]["replicas"] - len(pods)
    if missing > 0:
        await _slow_start(min(missing, BURST_REPLICAS), lambda: control.create(replicaset))
    elif missing < 0:
        victims = deletion_order(pods)[: min(-missing, BURST_REPLICAS)]
        await _all(control.delete(pod) for pod in victims)


async def _slow_start(count: int, create: Callable[[], Awaitable[None]]) -> None:
    """Batches of 1, 2, 4, …, so that pods which the API server will refuse anyway are refused
    once and not hundreds of times."""
    batch = 1
    while count > 0:
        batch = min(batch, count)
        await _all(create() for _ in range(batch))
        count -= batch
        batch *= 2


async def _all(calls: Iterable[Awaitable[None]]) -> None:
    """All calls at once; when all have ended, the first error."""
    for result in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def deletion_order(pods: Sequence[Object]) -> list[Object]:
    """The pods to lose first, first: those that do least (upstream ActivePodsWithRanks)."""
    on_node = Counter(podutil.node_name(pod) for pod in pods)
    phases = ("Pending", "Unknown", "Running")

    def rank(pod: Object) -> tuple[Any, ...]:
        ready = meta.find_condition(pod, "Ready") or {}
        statuses = pod.get("status", {}).get("containerStatuses") or ()
        return (
            bool(podutil.node_name(pod)),  # not bound to a node yet
            phases.index(podutil.phase(pod)),  # not running yet
            podutil.is_ready(pod),  # not ready
            _deletion_cost(pod),  # said to be cheaper
            -on_node[podutil.node_name(pod)],  # with more of its like on the same node
            _newest_first(ready.get("lastTransitionTime")),  # ready for a shorter time
            -max((s.get("restartCount", 0) for s in statuses), default=0),  # restarted more often
            _newest_first(pod["metadata"].get("creationTimestamp")),  # younger
            meta.uid(pod),
        )

    return sorted(pods, key=rank)


def _deletion_cost(pod: Object) -> int:
    """An annotation that anybody may write, so it may be nonsense."""
    try:
        return int(meta.annotations(pod).get("controller.kubernetes.io/pod-deletion-cost", "0"))
    except ValueError:
        return 0


def _newest_first(timestamp: str | None) -> float:
    return -meta.seconds(timestamp) if timestamp else float("-inf")


class ReplicaSetController(Controller):
    name = "replicaset"
    account = "replicaset-controller"
    resource = "replicasets"

    def __init__(
        self,
        client: ApiClient,
        host: Host,
        informers: Informers,
        *,
        manage_replicas: ManageReplicas = manage_replicas,
    ) -> None:
        super().__init__(client, host, informers)
        self._manage_replicas = manage_replicas
        self._sets = self.watch("replicasets")
        self._pods = self.watch("pods", lambda pod: owner_keys(pod, "ReplicaSet", self._sets))
        self._pods.add_index("controller", by_controller)
        self.expectations = Expectations(self._pods)

    async def reconcile(self, key: str) -> None:
        replicaset = self._sets.get(key)
        if replicaset is None:
            self.expectations.forget(key)
            return
        current = self.expectations.fulfilled(key)
        active = [p for p in candidates(self._pods, replicaset) if podutil.is_active(p)]
        pods = await claim(self.client, replicaset, active, "pods")
        failure: Exception | None = None
        if not current:
            self.queue.add_after(key, SECONDS_TO_OWN_WRITES)
        elif not meta.is_deleting(replicaset):
            try:
                await self._manage_replicas(pods, replicaset, _PodControl(self, replicaset))
            except Exception as error:
                failure = error
        await self._write_status(replicaset, pods, failure)
        if failure is not None:
            raise failure

    async def _write_status(
        self, replicaset: Object, pods: list[Object], failure: Exception | None
    ) -> None:
        now, spec = self.host.now(), replicaset["spec"]
        min_ready = spec.get("minReadySeconds", 0)
        ready = [pod for pod in pods if podutil.is_ready(pod)]
        available = [pod for pod in ready if podutil.is_available(pod, min_ready, now)]
        if len(available) < len(ready):
            self.queue.add_after(meta.key(replicaset), min_ready)
        template_labels = spec["template"]["metadata"].get("labels") or {}
        counts = {
            "replicas": len(pods),
            "fullyLabeledReplicas": sum(
                template_labels.items() <= meta.labels(pod).items() for pod in pods
            ),
            "readyReplicas": len(ready),
            "availableReplicas": len(available),
            "observedGeneration": replicaset["metadata"]["generation"],
            "conditions": self._conditions(replicaset, pods, failure),
        }
        status = {field: value for field, value in counts.items() if value or field == "replicas"}
        if status != replicaset.get("status"):
            await self.client.update({**replicaset, "status": status}, subresource="status")

    def _conditions(
        self, replicaset: Object, pods: list[Object], failure: Exception | None
    ) -> list[Object]:
        conditions = replicaset.get("status", {}).get("conditions") or []
        if failure is None:
            return [c for c in conditions if c["type"] != "ReplicaFailure"]
        short = len(pods) < replicaset["spec"]["replicas"]
        condition = {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate" if short else "FailedDelete",
            "message": str(failure),
        }
        known = meta.find_condition(replicaset, "ReplicaFailure")
        if known is not None and known["reason"] == condition["reason"]:
            return conditions  # its message names a new pod each time: that is no news
        return meta.set_condition(conditions, condition, self.host.now())


class _PodControl:
    """Creates and deletes pods for one ReplicaSet, and says so in events."""

    def __init__(self, controller: ReplicaSetController, owner: Object) -> None:
        self._client = controller.client
        self._events = controller.events
        self._expectations = controller.expectations
        self._owner = owner

    async def create(self, replicaset: Object) -> None:
        template = meta.clone(replicaset["spec"]["template"])
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **template["metadata"],
                "generateName": f"{meta.name(replicaset)}-",
                "namespace": meta.namespace(replicaset),
                "ownerReferences": [meta.owner_reference(replicaset)],
            },
            "spec": template["spec"],
        }
        try:
            created = await self._client.create(pod)
        except ApiError as error:
            message = f"Error creating: {error}"
            self._events.event(self._owner, "Warning", "FailedCreate", message)
            raise
        self._expectations.created(meta.key(self._owner), created)
        message = f"Created pod: {meta.name(created)}"
        self._events.event(self._owner, "Normal", "SuccessfulCreate", message)

    async def delete(self, pod: Object) -> None:
        try:
            await self._client.delete_object(pod)
        except ApiError as error:
            message = f"Error deleting: {error}"
            self._events.event(self._owner, "Warning", "FailedDelete", message)
            raise
        self._expectations.deleted(meta.key(self._owner), pod)
        message = f"Deleted pod: {meta.name(pod)}"
        self._events.event(self._owner, "Normal", "SuccessfulDelete", message)

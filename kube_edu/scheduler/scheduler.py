"""The scheduler: takes one pod after another and gives each a node.

Source: kubernetes, pkg/scheduler/scheduler.go, schedule_one.go, eventhandlers.go. A decision
takes no awaiting, so nothing changes under it; telling the API server (the binding cycle) runs in
the background while the next pod is looked at. Every node is scored: upstream stops looking
once it has enough feasible nodes, in clusters of more than a hundred.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.client import ApiClient, EventRecorder, Informers
from kube_edu.client.reflector import ListAndWatch, list_and_watch
from kube_edu.host import Host
from kube_edu.scheduler.cache import Cache
from kube_edu.scheduler.framework import (
    CycleState,
    FilterFunction,
    FitError,
    Framework,
    ScoreFunction,
)
from kube_edu.scheduler.plugins import default_profile
from kube_edu.scheduler.queue import QueuedPod, SchedulingQueue

SCHEDULER_NAME = "default-scheduler"


class Scheduler:
    """Schedules the pods whose spec.schedulerName is "default-scheduler".

    Roles: `filter(pod, node_info)` returns why the pod cannot run on a node (nothing if it can),
    `score(pod, node_info)` how well the node suits, 0 to 100; each takes the place of all the
    profile's plugins of its point; `list_and_watch` is how it comes by what it sees.
    """

    def __init__(
        self,
        host: Host,
        client: ApiClient,
        *,
        filter: FilterFunction | None = None,
        score: ScoreFunction | None = None,
        list_and_watch: ListAndWatch = list_and_watch,
    ) -> None:
        self._host = host
        self._client = client
        self._informers = Informers(client, host, list_and_watch)
        self._events = EventRecorder(client, host, SCHEDULER_NAME)
        self._pods = self._informers("pods")
        self._nodes = self._informers("nodes")
        profile = default_profile(client, self._informers)
        self._framework = Framework(profile, filter=filter, score=score)
        self.queue = SchedulingQueue(self._framework.sort_key, self._framework.events())
        self.cache = Cache()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informers.run())
            group.create_task(self._events.run())
            await self._informers.synced()
            self._nodes.on_change(self._node_changed)
            self._pods.on_change(self._pod_changed)
            while True:
                await self._schedule_one(await self.queue.pop(), group)

    async def _schedule_one(self, entry: QueuedPod, group: asyncio.TaskGroup) -> None:
        pod = entry.pod
        try:
            node = self._schedule(pod)
        except FitError as error:
            self.queue.unschedulable(entry, error.plugins)
            group.create_task(self._report_failure(pod, "Unschedulable", str(error)))
        except Exception as error:  # a slip in one plugin is not to stop all scheduling
            self.queue.retry(entry)
            message = f"{type(error).__name__}: {error}"
            group.create_task(self._report_failure(pod, "SchedulerError", message))
        else:
            self.cache.assume(pod, node)
            group.create_task(self._bind(entry, node))
        await asyncio.sleep(0)  # let others have their turn between two pods

    def _schedule(self, pod: Object) -> str:
        """The best node for a pod; raises FitError when there is none."""
        state: CycleState = {}
        nodes = self.cache.nodes()
        feasible, rejected = self._framework.run_filters(state, pod, nodes)
        reference = f"pods/{meta.key(pod)}"
        self._host.record(
            "scheduler.filter",
            object=reference,
            feasible=[node.name for node in feasible],
            rejected={name: ", ".join(r.reasons) for name, r in rejected.items()},
        )
        if not feasible:
            # Here upstream's PostFilter would look for pods to preempt.
            raise FitError(rejected)
        scores = self._framework.run_scores(state, pod, feasible)
        self._host.record("scheduler.score", object=reference, scores=scores)
        most = max(scores.values())
        return self._host.random.choice([name for name, points in scores.items() if points == most])

    async def _bind(self, entry: QueuedPod, node: str) -> None:
        """The binding cycle: tell the API server of the decision."""
        pod, key = entry.pod, meta.key(entry.pod)
        try:
            await self._framework.run_bind(pod, node)
        except (ApiError, ConnectionError) as error:
            self.cache.forget(key)
            self.queue.retry(entry)
            self.queue.cluster_event("AssignedPodDelete")
            if not (isinstance(error, ApiError) and error.code == 404):
                await self._report_failure(pod, "SchedulerError", f"binding rejected: {error}")
            return
        self.cache.finish_binding(key)
        self._host.record("scheduler.bind", object=f"pods/{key}", node=node)
        self._events.event(pod, "Normal", "Scheduled", f"Successfully assigned {key} to {node}")

    async def _report_failure(self, pod: Object, reason: str, message: str) -> None:
        """An event, and the condition PodScheduled=False."""
        self._events.event(pod, "Warning", "FailedScheduling", message)
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": reason,
            "message": message,
        }
        old = meta.find_condition(pod, "PodScheduled") or {}
        if all(old.get(field) == value for field, value in condition.items()):
            return
        conditions = meta.set_condition(
            pod.get("status", {}).get("conditions") or (), condition, self._host.now()
        )
        patch = {"metadata": {"uid": meta.uid(pod)}, "status": {"conditions": conditions}}
        # If this fails the pod waits all the same, and the next try says so again.
        with suppress(ApiError, ConnectionError):
            await self._client.patch(
                "pods", meta.name(pod), meta.namespace(pod), patch, subresource="status"
            )

    # Event handlers: the watch keeps the cache and the queue up to date.

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and (new is None or meta.uid(old) != meta.uid(new)):
            self._pod_gone(old)
            old = None
        if new is None:
            return
        if _is_finished(new):
            self._pod_gone(new)
        elif new["spec"].get("nodeName"):
            known = old is not None and old["spec"].get("nodeName")
            self.queue.remove(meta.key(new))
            self.cache.set_pod(new)
            self.queue.cluster_event("AssignedPodUpdate" if known else "AssignedPodAdd")
        elif _is_ours(new) and not self.cache.is_assumed(meta.key(new)):
            self.queue.add(new)

    def _pod_gone(self, pod: Object) -> None:
        self.queue.remove(meta.key(pod))
        self.cache.remove_pod(meta.key(pod))
        if pod["spec"].get("nodeName"):
            self.queue.cluster_event("AssignedPodDelete")

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            assert old is not None
            self.cache.remove_node(meta.name(old))
            return
        self.cache.set_node(new)
        if old is None:
            self.queue.cluster_event("NodeAdd")
            return
        changes = {
            "NodeAllocatableChange": ("status", "allocatable"),
            "NodeLabelChange": ("metadata", "labels"),
            "NodeTaintChange": ("spec", "taints"),
        }
        for event, (part, field) in changes.items():
            if old.get(part, {}).get(field) != new.get(part, {}).get(field):
                self.queue.cluster_event(event)
        if old["spec"].get("unschedulable") != new["spec"].get("unschedulable"):
            self.queue.cluster_event("NodeTaintChange")


def _is_ours(pod: Object) -> bool:
    spec = pod["spec"]
    return (
        spec.get("schedulerName", SCHEDULER_NAME) == SCHEDULER_NAME
        and not spec.get("schedulingGates")
        and "deletionTimestamp" not in pod["metadata"]
    )


def _is_finished(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")

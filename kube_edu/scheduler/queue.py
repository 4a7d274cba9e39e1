"""Where pods wait to be scheduled.

Source: kubernetes, pkg/scheduler/backend/queue/scheduling_queue.go. Its three places:
- active: to be tried now, the most important first;
- backoff: failed a moment ago, 1 s after the first try, twice as long after each, up to 10 s;
- unschedulable: fits nowhere, so trying again is idle until something in the cluster changes.
  An event that could help one of the plugins that turned it down lets it go on; at the latest
  it is tried again after five minutes.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kube_edu.api import meta
from kube_edu.api.meta import Object

INITIAL_BACKOFF = 1.0
MAX_BACKOFF = 10.0
MAX_UNSCHEDULABLE = 300.0


@dataclass(slots=True, eq=False)
class QueuedPod:
    """A pod in the queue (upstream's QueuedPodInfo)."""

    pod: Object
    timestamp: float
    """When it was put in its place last, by the loop's clock."""
    attempts: int = 0
    place: str = "active"
    """"active", "backoff", "unschedulable", or "in flight" between pop and the end."""
    rejected_by: tuple[str, ...] = ()
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class SchedulingQueue:
    """`sort_key` orders the active pods (the QueueSort plugin); `events` says which cluster
    events interest which plugin."""

    def __init__(
        self,
        sort_key: Callable[[QueuedPod], Any],
        events: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._sort_key = sort_key
        self._events = events
        self._pods: dict[str, QueuedPod] = {}
        self._active: list[tuple[Any, int, QueuedPod]] = []
        self._sequence = itertools.count()
        self._filled = asyncio.Event()

    def add(self, pod: Object) -> None:
        """A pod that waits for a node is new, or has changed."""
        entry = self._pods.get(meta.key(pod))
        if entry is None or meta.uid(entry.pod) != meta.uid(pod):
            self.remove(meta.key(pod))
            entry = self._pods[meta.key(pod)] = QueuedPod(pod, _now())
            self._activate(entry)
            return
        changed = entry.pod["spec"] != pod["spec"] or meta.labels(entry.pod) != meta.labels(pod)
        entry.pod = pod
        if changed and entry.place == "unschedulable":
            self._try_again(entry)

    def remove(self, key: str) -> None:
        """The pod is gone, or has its node."""
        entry = self._pods.pop(key, None)
        if entry is not None:
            self._move(entry, "gone")

    async def pop(self) -> QueuedPod:
        """The most important active pod, which is then in flight."""
        while True:
            while self._active:
                entry = heapq.heappop(self._active)[2]
                if entry.place == "active":
                    entry.attempts += 1
                    self._move(entry, "in flight")
                    return entry
            self._filled.clear()
            await self._filled.wait()

    def unschedulable(self, entry: QueuedPod, rejected_by: tuple[str, ...]) -> None:
        """No node was good enough; these plugins said so."""
        if entry.place == "in flight":
            entry.rejected_by = rejected_by
            self._move(entry, "unschedulable")
            self._after(MAX_UNSCHEDULABLE, entry, self._try_again)

    def retry(self, entry: QueuedPod) -> None:
        """Something went wrong on the way: try again after the back-off."""
        if entry.place == "in flight":
            self._move(entry, "unschedulable")
            self._try_again(entry)

    def cluster_event(self, event: str) -> None:
        """Let go on every pod that this event may have made schedulable: any event, for a pod
        that no plugin has rejected (there was no node at all)."""
        for entry in list(self._pods.values()):
            if entry.place == "unschedulable" and (
                not entry.rejected_by
                or any(event in self._events[plugin] for plugin in entry.rejected_by)
            ):
                self._try_again(entry)

    def place(self, key: str) -> str:
        """Where a pod waits; "" for one that the queue does not have."""
        return self._pods[key].place if key in self._pods else ""

    def _try_again(self, entry: QueuedPod) -> None:
        backoff = min(INITIAL_BACKOFF * 2.0 ** min(entry.attempts - 1, 10), MAX_BACKOFF)
        remaining = entry.timestamp + backoff - _now()
        if remaining > 0:
            self._move(entry, "backoff", since=entry.timestamp)
            self._after(remaining, entry, self._activate)
        else:
            self._activate(entry)

    def _activate(self, entry: QueuedPod) -> None:
        self._move(entry, "active")
        heapq.heappush(self._active, (self._sort_key(entry), next(self._sequence), entry))
        self._filled.set()

    def _after(self, seconds: float, entry: QueuedPod, then: Callable[[QueuedPod], None]) -> None:
        entry.timer = asyncio.get_running_loop().call_later(seconds, then, entry)

    def _move(self, entry: QueuedPod, place: str, since: float | None = None) -> None:
        if entry.timer is not None:
            entry.timer.cancel()
            entry.timer = None
        entry.place = place
        entry.timestamp = _now() if since is None else since


def _now() -> float:
    return asyncio.get_running_loop().time()

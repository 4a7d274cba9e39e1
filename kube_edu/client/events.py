"""Events: what a component tells people about an object (`kubectl describe`, `get events`).

An event is a courtesy, so it is sent in the background, and lost rather than waited for.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.client.client import ApiClient
from kube_edu.host import Host

MAX_QUEUED = 1000  # client-go: events beyond this many are dropped
MAX_TRIES = 12
SECONDS_BETWEEN_TRIES = 10
MAX_REMEMBERED = 4096


class EventRecorder:
    """Writes Events in the name of a component; one that repeats raises the `count` of the first
    (client-go's `tools/record`, without its further grouping of similar events)."""

    def __init__(self, client: ApiClient, host: Host, component: str) -> None:
        self._client = client
        self._host = host
        self._component = component
        self._queue: asyncio.Queue[Object] = asyncio.Queue(MAX_QUEUED)
        self._known: OrderedDict[tuple[str, ...], Object] = OrderedDict()

    def event(self, obj: Object, type: str, reason: str, message: str) -> None:
        """Note something about an object; `type` is "Normal" or "Warning"."""
        if not self._queue.full():
            self._queue.put_nowait(self._event(obj, type, reason, message))

    async def run(self) -> None:
        while True:
            await self._write(await self._queue.get())

    async def _write(self, event: Object) -> None:
        for _ in range(MAX_TRIES):
            try:
                await self._count_or_create(event)
                return
            except ApiError:
                return  # refused, say because its namespace is being deleted: so be it
            except ConnectionError:
                await asyncio.sleep(SECONDS_BETWEEN_TRIES)

    async def _count_or_create(self, event: Object) -> None:
        about = {**event["involvedObject"], "resourceVersion": ""}
        same = (*about.values(), event["type"], event["reason"], event["message"])
        first = self._known.get(same)
        if first is not None:
            more = {"count": first["count"] + 1, "lastTimestamp": event["lastTimestamp"]}
            try:
                event = await self._client.patch(
                    "events", meta.name(first), meta.namespace(first), more, kind="merge"
                )
            except ApiError as error:
                if error.code != 404:
                    raise
                first = None  # events are kept for an hour: it may be gone
        if first is None:
            event = await self._client.create(event)
        self._known[same] = event
        self._known.move_to_end(same)
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)

    def _event(self, obj: Object, type: str, reason: str, message: str) -> Object:
        now = self._host.now()
        # Named by the time, as upstream. Two events of one virtual instant need chance as well.
        suffix = (int(now * 1e9) & ~0xFFFFF) | self._host.random.getrandbits(20)
        source = {"component": self._component}
        if self._component == "kubelet":
            source["host"] = self._host.name
        involved = {
            "kind": obj["kind"],
            "namespace": meta.namespace(obj),
            "name": meta.name(obj),
            "uid": meta.uid(obj),
            "apiVersion": obj["apiVersion"],
            "resourceVersion": obj["metadata"].get("resourceVersion", ""),
        }
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{meta.name(obj)}.{suffix:x}",
                "namespace": meta.namespace(obj) or "default",
            },
            "involvedObject": {field: value for field, value in involved.items() if value},
            "reason": reason,
            "message": message,
            "source": source,
            "reportingComponent": self._component,
            "reportingInstance": source.get("host", ""),
            "firstTimestamp": meta.timestamp(now),
            "lastTimestamp": meta.timestamp(now),
            "count": 1,
            "type": type,
        }

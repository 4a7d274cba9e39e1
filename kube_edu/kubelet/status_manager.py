"""Keeps the API server's copy of every pod's status up to date, and lets go of ended pods.

Source: kubernetes, pkg/kubelet/status/status_manager.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.client import ApiClient, Informer, WorkQueue
from kube_edu.host import Host
from kube_edu.kubelet.status import merged

RETRY_SECONDS = 10.0
MIRROR = "kubernetes.io/config.mirror"


@dataclass(slots=True)
class _Wanted:
    uid: str
    status: Object
    ended: bool
    """All its containers have stopped for good: a pod being deleted may now go."""


class StatusManager:
    """Workers say what the status is (`set`); it is written in the background, and only when
    the API server has something else. A failed write is tried again: the status is state, so
    the newest is all that matters."""

    def __init__(self, host: Host, client: ApiClient, pods: Informer) -> None:
        self._host = host
        self._client = client
        self._pods = pods
        self._wanted: dict[str, _Wanted] = {}
        self._written: dict[str, Object] = {}
        self._queue: WorkQueue[str] = WorkQueue()
        pods.on_change(self._changed)

    def set(self, pod: Object, status: Object, *, ended: bool = False) -> None:
        self._wanted[meta.key(pod)] = _Wanted(meta.uid(pod), status, ended)
        self._queue.add(meta.key(pod))

    def get(self, pod: Object) -> Object:
        """The status as far as it is known here, be it written already or not."""
        wanted = self._wanted.get(meta.key(pod))
        if wanted is not None and wanted.uid == meta.uid(pod):
            return wanted.status
        status: Object = pod.get("status", {})
        return status

    def forget(self, pod: Object) -> None:
        wanted = self._wanted.get(meta.key(pod))
        if wanted is not None and wanted.uid == meta.uid(pod):
            del self._wanted[meta.key(pod)]

    async def run(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._write(key)
            except (ApiError, ConnectionError):
                self._queue.add_after(key, RETRY_SECONDS)
            self._queue.done(key)

    async def _write(self, key: str) -> None:
        wanted, api_pod = self._wanted.get(key), self._newest(key)
        if wanted is None or api_pod is None:
            return
        uid, name, namespace = meta.uid(api_pod), meta.name(api_pod), meta.namespace(api_pod)
        if wanted.uid not in (uid, meta.annotations(api_pod).get(MIRROR)):
            return  # a namesake
        old = api_pod.get("status", {})
        status = merged(old, wanted.status, self._host.now())
        try:
            if any(old.get(field) != value for field, value in status.items()):
                patch = {"metadata": {"uid": uid}, "status": status}
                self._written[key] = await self._client.patch(
                    "pods", name, namespace, patch, subresource="status"
                )
            if wanted.ended and "deletionTimestamp" in api_pod["metadata"]:
                await self._client.delete("pods", name, namespace, uid=uid, grace=0)
        except ApiError as error:
            if error.code != 404:
                raise

    def _newest(self, key: str) -> Object | None:
        """What the watch shows, or the answer to the last write if the watch lags behind it."""
        seen, written = self._pods.get(key), self._written.get(key)
        if seen is None or written is None or meta.uid(seen) != meta.uid(written):
            return seen
        return written if _version(written) > _version(seen) else seen

    def _changed(self, old: Object | None, new: Object | None) -> None:
        """Someone else may have written (a node's pods are marked unready while it is away)."""
        if new is not None:
            self._queue.add(meta.key(new))
        elif old is not None:
            self._written.pop(meta.key(old), None)


def _version(pod: Object) -> int:
    return int(pod["metadata"]["resourceVersion"])

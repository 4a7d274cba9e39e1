"""Where a kubelet's pods come from: the API server, and manifests of its own (static pods).

Source: kubernetes, pkg/kubelet/config (file.go, common.go), pkg/kubelet/pod/mirror_client.go and
pkg/kubelet/types/pod_update.go. A static pod runs whether or not there is an API server, which is
how a control plane starts itself; its mirror pod shows it to the API, and can change nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from hashlib import md5

from kube_edu.api import meta
from kube_edu.api.defaults import set_defaults
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.client import ApiClient, Informer
from kube_edu.host import Host
from kube_edu.kubelet.status_manager import MIRROR

CONFIG_HASH = "kubernetes.io/config.hash"
CONFIG_SOURCE = "kubernetes.io/config.source"
CONFIG_SEEN = "kubernetes.io/config.seen"

RETRY_SECONDS = 5.0

Manifests = AsyncIterator[Sequence[Object]]
"""Each item is all the Pod manifests that there are now."""


class PodSources:
    """Tells the kubelet of each pod that it is to run: `update(pod)` when it is new or has
    changed, `remove(pod)` when nobody wants it any more."""

    def __init__(
        self,
        host: Host,
        client: ApiClient,
        pods: Informer,
        nodes: Informer,
        manifests: Manifests | None,
        *,
        update: Callable[[Object], None],
        remove: Callable[[Object], None],
    ) -> None:
        self._host = host
        self._client = client
        self._pods = pods
        self._nodes = nodes
        self._manifests = manifests
        self._update = update
        self._remove = remove
        self._static: dict[str, Object] = {}
        self._look = asyncio.Event()
        self._read_once = asyncio.Event()
        if manifests is None:
            self._read_once.set()
        nodes.on_change(lambda old, new: self._look.set())  # a mirror's owner is its node

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            if self._manifests is not None:
                group.create_task(self._read(self._manifests))
            group.create_task(self._keep_mirrors())

    def watch(self) -> None:
        """Begin to tell of the API server's pods."""
        self._pods.on_change(self._changed)

    async def complete(self) -> None:
        """Return when the static pods are known too."""
        await self._read_once.wait()

    def _changed(self, old: Object | None, new: Object | None) -> None:
        self._look.set()
        if (
            old is not None
            and not _is_mirror(old)
            and (new is None or meta.uid(old) != meta.uid(new))
        ):
            self._remove(old)
        if new is not None and not _is_mirror(new):
            self._update(new)

    # --- static pods

    async def _read(self, manifests: Manifests) -> None:
        async for found in manifests:
            pods = {meta.key(pod): pod for pod in map(self._static_pod, found)}
            for key, pod in list(self._static.items()):
                if key not in pods or meta.uid(pods[key]) != meta.uid(pod):
                    del self._static[key]
                    self._remove(pod)
            for key, pod in pods.items():
                if key not in self._static:
                    self._static[key] = pod
                    self._update(pod)
            self._read_once.set()
            self._look.set()

    def _static_pod(self, manifest: Object) -> Object:
        """The pod that a manifest asks for: bound to this node, named after it, its uid a hash
        of its text, so that a changed manifest is another pod."""
        text = json.dumps([manifest, self._host.name], sort_keys=True)
        uid = md5(text.encode(), usedforsecurity=False).hexdigest()
        metadata = manifest["metadata"]
        pod = {
            **manifest,
            "metadata": {
                **metadata,
                "name": f"{metadata['name']}-{self._host.name}",
                "namespace": metadata.get("namespace", "default"),
                "uid": uid,
                "annotations": {
                    **metadata.get("annotations", {}),
                    CONFIG_HASH: uid,
                    CONFIG_SEEN: meta.timestamp(self._host.now()),
                    CONFIG_SOURCE: "file",
                },
            },
            "spec": {
                **manifest["spec"],
                "nodeName": self._host.name,
                "tolerations": [
                    *manifest["spec"].get("tolerations", ()),
                    {"operator": "Exists", "effect": "NoExecute"},
                ],
            },
        }
        return set_defaults(pod)

    # --- mirror pods

    async def _keep_mirrors(self) -> None:
        """Level-triggered: whatever happened, make the mirrors what they should be."""
        while True:
            await self._look.wait()
            self._look.clear()
            try:
                for pod in self._pods.list():
                    if _is_mirror(pod) and not self._is_good_mirror(pod):
                        await self._client.delete(
                            "pods", meta.name(pod), meta.namespace(pod), uid=meta.uid(pod), grace=0
                        )
                for key, pod in list(self._static.items()):
                    if self._pods.get(key) is None and self._nodes.get(self._host.name):
                        await self._client.create(self._mirror(pod))
            except (ApiError, ConnectionError):
                await asyncio.sleep(RETRY_SECONDS)
                self._look.set()

    def _is_good_mirror(self, mirror: Object) -> bool:
        pod = self._static.get(meta.key(mirror))
        same = pod is not None and meta.annotations(mirror)[MIRROR] == meta.uid(pod)
        return same and "deletionTimestamp" not in mirror["metadata"]

    def _mirror(self, pod: Object) -> Object:
        node = self._nodes.get(self._host.name)
        assert node is not None
        owner = meta.owner_reference(node)
        del owner["blockOwnerDeletion"]
        metadata = {key: value for key, value in pod["metadata"].items() if key != "uid"}
        metadata["annotations"] = {**metadata["annotations"], MIRROR: meta.uid(pod)}
        metadata["ownerReferences"] = [owner]
        return {**pod, "metadata": metadata}


def _is_mirror(pod: Object) -> bool:
    return MIRROR in meta.annotations(pod)

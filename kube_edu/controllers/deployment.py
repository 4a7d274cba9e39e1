"""Deployments: one ReplicaSet a pod template, and a way from the old ones to the new one
(upstream deployment_controller.go, sync.go, recreate.go).

The controller looks at the ReplicaSets, takes one safe step, and waits for their status to tell
it that another one is safe. What a step may be is arithmetic, in `rollout.py`; what is reported is
in `rollout_status.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from kube_edu.api import meta, podutil
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.client import ApiClient, Controller, Informers
from kube_edu.controllers import rollout, rollout_status
from kube_edu.controllers.ownership import by_controller, candidates, claim, owner_keys
from kube_edu.controllers.rollout import HASH_LABEL, REVISION
from kube_edu.host import Host


class DeploymentController(Controller):
    name = "deployment"
    account = "deployment-controller"
    resource = "deployments"

    def __init__(self, client: ApiClient, host: Host, informers: Informers) -> None:
        super().__init__(client, host, informers)
        self._deployments = self.watch("deployments")
        self._sets = self.watch("replicasets", self._keys_of_set)
        self._sets.add_index("controller", by_controller)
        self._pods = self.watch("pods", self._keys_of_pod)
        self._pods.add_index("controller", by_controller)

    def _keys_of_set(self, replicaset: Object) -> list[str]:
        return owner_keys(replicaset, "Deployment", self._deployments)

    def _keys_of_pod(self, pod: Object) -> list[str]:
        """Pods matter to the Recreate strategy alone, which waits for the last old one to go."""
        controller = meta.controller_of(pod)
        if controller is None or controller["kind"] != "ReplicaSet":
            return []
        replicaset = self._sets.get(f"{meta.namespace(pod)}/{controller['name']}")
        keys = self._keys_of_set(replicaset) if replicaset is not None else []
        found = ((key, self._deployments.get(key)) for key in keys)
        return [key for key, owner in found if owner and rollout.strategy(owner) == "Recreate"]

    async def reconcile(self, key: str) -> None:
        deployment = self._deployments.get(key)
        if deployment is None:
            return
        sets = await claim(
            self.client, deployment, candidates(self._sets, deployment), "replicasets"
        )
        new, old = rollout.new_and_old(deployment, sets)
        if meta.is_deleting(deployment):
            await self._write_status(deployment, new, old)
        elif deployment["spec"].get("paused") or rollout.is_scaling(deployment, sets):
            await self._scale(deployment, new, old)
        elif rollout.strategy(deployment) == "Recreate":
            await self._recreate(deployment, new, old)
        else:
            await self._roll(deployment, new, old)

    async def _roll(self, deployment: Object, new: Object | None, old: list[Object]) -> None:
        """One step of a rolling update: up with the new, or else down with the old."""
        new = await self._adjust(deployment, new, old) or await self._create(deployment, old)
        if new is None:
            return
        if not await self._resize(deployment, new, rollout.new_size(deployment, new, old)):
            for replicaset, size in rollout.old_sizes(deployment, new, old):
                await self._resize(deployment, replicaset, size)
        await self._finish(deployment, new, old)

    async def _recreate(self, deployment: Object, new: Object | None, old: list[Object]) -> None:
        """All old pods go before the first new one comes."""
        new = await self._adjust(deployment, new, old)
        scaled = [await self._resize(deployment, replicaset, 0) for replicaset in old]
        if not any(scaled) and not self._any_pod_left(old):
            new = new or await self._create(deployment, old)
            if new is None:
                return
            await self._resize(deployment, new, deployment["spec"]["replicas"])
        await self._finish(deployment, new, old)

    def _any_pod_left(self, sets: Sequence[Object]) -> bool:
        return any(
            not podutil.is_finished(pod)
            for replicaset in sets
            for pod in self._pods.by_index("controller", meta.uid(replicaset))
        )

    async def _scale(self, deployment: Object, new: Object | None, old: list[Object]) -> None:
        """Bring the pods to a changed number while a rollout is under way or paused."""
        new = await self._adjust(deployment, new, old)
        for replicaset, size in rollout.scaled_sizes(deployment, new, old):
            await self._resize(deployment, replicaset, size)
        await self._finish(deployment, new, old)

    async def _finish(self, deployment: Object, new: Object | None, old: list[Object]) -> None:
        if rollout_status.is_complete(deployment, deployment.get("status", {})):
            for replicaset in rollout.beyond_history(deployment, old):
                await self.client.delete_object(replicaset)
        await self._write_status(await self._with_revision(deployment, new), new, old)

    async def _with_revision(self, deployment: Object, new: Object | None) -> Object:
        """The Deployment, with the revision of its new ReplicaSet noted on it."""
        revision = meta.annotations(new).get(REVISION) if new is not None else None
        if revision is None or meta.annotations(deployment).get(REVISION) == revision:
            return deployment
        annotations = {**meta.annotations(deployment), REVISION: revision}
        metadata = {**deployment["metadata"], "annotations": annotations}
        return await self.client.update({**deployment, "metadata": metadata})

    async def _write_status(
        self, deployment: Object, new: Object | None, old: list[Object]
    ) -> None:
        now = self.host.now()
        status = rollout_status.status(deployment, new, old, now)
        if status != deployment.get("status"):
            await self.client.update({**deployment, "status": status}, subresource="status")
        wait = rollout_status.seconds_to_deadline(deployment, status, now)
        if wait is not None:
            self.queue.add_after(meta.key(deployment), wait)

    async def _create(self, deployment: Object, old: list[Object]) -> Object | None:
        """The ReplicaSet for the template of now. Its name is a function of the template, so
        that creating it twice fails the second time."""
        template = meta.clone(deployment["spec"]["template"])
        digest = rollout.template_hash(deployment)
        template["metadata"]["labels"] = {**meta.labels(template), HASH_LABEL: digest}
        selector = meta.clone(deployment["spec"]["selector"])
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: digest}
        annotations = {
            **rollout.replicaset_annotations(deployment, {}, old),
            **rollout.size_annotations(deployment),
        }
        replicaset: Object = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{meta.name(deployment)}-{digest}",
                "namespace": meta.namespace(deployment),
                "labels": template["metadata"]["labels"],
                "annotations": annotations,
                "ownerReferences": [meta.owner_reference(deployment)],
            },
            "spec": {
                "replicas": 0,
                "minReadySeconds": deployment["spec"].get("minReadySeconds", 0),
                "selector": selector,
                "template": template,
            },
        }
        replicaset["spec"]["replicas"] = rollout.new_size(deployment, replicaset, old)
        try:
            created = await self.client.create(replicaset)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            await self._count_collision(deployment, replicaset)
            return None
        size = created["spec"]["replicas"]
        if size:
            self._scaled_event(deployment, created, 0, size)
        return created

    async def _count_collision(self, deployment: Object, wanted: Object) -> None:
        """The name is taken. If by our own (the informer lags) all is well and we shall see it;
        if by another template of the same hash, the next hash shall differ."""
        there = await self.client.get("replicasets", meta.name(wanted), meta.namespace(wanted))
        if meta.owned_by(there, deployment) and rollout.same_template(deployment, there):
            return
        status = deployment.get("status", {})
        status = {**status, "collisionCount": status.get("collisionCount", 0) + 1}
        await self.client.update({**deployment, "status": status}, subresource="status")

    async def _adjust(
        self, deployment: Object, new: Object | None, old: list[Object]
    ) -> Object | None:
        """Give the new ReplicaSet its revision, and the annotations of the Deployment."""
        if new is None:
            return None
        had = meta.annotations(new)
        annotations = rollout.replicaset_annotations(deployment, had, old)
        min_ready = deployment["spec"].get("minReadySeconds", 0)
        if annotations != had or min_ready != new["spec"].get("minReadySeconds", 0):
            metadata = {**new["metadata"], "annotations": annotations}
            spec = {**new["spec"], "minReadySeconds": min_ready}
            new = await self.client.update({**new, "metadata": metadata, "spec": spec})
        return new

    async def _resize(self, deployment: Object, replicaset: Object, size: int) -> bool:
        """Bring a ReplicaSet to a size; whether that was a change."""
        before = replicaset["spec"]["replicas"]
        annotations = {**meta.annotations(replicaset), **rollout.size_annotations(deployment)}
        if before == size and annotations == meta.annotations(replicaset):
            return False
        metadata = {**replicaset["metadata"], "annotations": annotations}
        spec = {**replicaset["spec"], "replicas": size}
        await self.client.update({**replicaset, "metadata": metadata, "spec": spec})
        if before != size:
            self._scaled_event(deployment, replicaset, before, size)
        return bool(before != size)

    def _scaled_event(self, deployment: Object, replicaset: Object, before: int, size: int) -> None:
        way = "up" if size > before else "down"
        name = meta.name(replicaset)
        message = f"Scaled {way} replica set {name} from {before} to {size}"
        self.events.event(deployment, "Normal", "ScalingReplicaSet", message)

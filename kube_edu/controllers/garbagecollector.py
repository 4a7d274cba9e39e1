"""The garbage collector: an object whose owners are gone goes too
(upstream pkg/controller/garbagecollector).

Upstream builds a graph of all objects from the watches. Here the informers, indexed by the uids of
owners, are that graph.
"""

from __future__ import annotations

from collections.abc import Sequence

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.resources import STORED, Resource, by_kind, by_plural, resource_of
from kube_edu.api.status import ApiError
from kube_edu.client import ApiClient, Controller, Informers
from kube_edu.host import Host

ORPHAN = "orphan"  # the finalizers that a delete request's propagationPolicy leaves
FOREGROUND = "foregroundDeletion"
REMEMBERED_ABSENT = 500

SOLID, WAITING, ABSENT = "solid", "waiting", "absent"


class GarbageCollector(Controller):
    """Its keys are references, "pods/default/web-1", as it looks after every resource (events
    excepted, as upstream)."""

    name = "garbagecollector"
    account = "generic-garbage-collector"
    resource = ""
    workers = 20

    def __init__(self, client: ApiClient, host: Host, informers: Informers) -> None:
        super().__init__(client, host, informers)
        self._absent: dict[str, None] = {}  # uids that never come again, oldest first
        self._graph = {r: informers(r.plural) for r in STORED if r.plural != "events"}
        for informer in self._graph.values():
            informer.add_index("owner", lambda obj: [owner["uid"] for owner in meta.owners(obj)])
        for informer in self._graph.values():
            informer.on_change(self._changed)

    def reference(self, key: str) -> str:
        return key

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and _ties(old) == _ties(new):
            return
        if new is not None and self._needs_a_look(new):
            self._add(new)
        if old is not None:
            for owner in meta.owners(old):  # it may be waiting for this dependent
                found = self._cached_owner(old, owner)
                if found is not None and meta.is_deleting(found):
                    self._add(found)
        if old is not None and new is None:
            self._remember_absent(meta.uid(old))
            for dependent in self._dependents(old):
                self._add(dependent)

    def _needs_a_look(self, obj: Object) -> bool:
        if meta.is_deleting(obj):
            return ORPHAN in _finalizers(obj) or FOREGROUND in _finalizers(obj)
        found = (self._cached_owner(obj, owner) for owner in meta.owners(obj))
        return any(owner is None or meta.is_deleting(owner) for owner in found)

    def _add(self, obj: Object) -> None:
        self.queue.add(resource_of(obj).reference(obj))

    async def reconcile(self, key: str) -> None:
        plural, namespace, name = key.split("/")
        informer = self._graph[by_plural(plural)]
        obj = informer.get(f"{namespace}/{name}" if namespace else name)
        if obj is None:
            return
        if not meta.is_deleting(obj):
            await self._collect(obj)
        elif ORPHAN in _finalizers(obj):
            for dependent in self._dependents(obj):
                kept = [o for o in meta.owners(dependent) if o["uid"] != meta.uid(obj)]
                await self._patch(dependent, ownerReferences=kept or None)
            await self._remove_finalizer(obj, ORPHAN)
        elif FOREGROUND in _finalizers(obj):
            await self._delete_dependents_first(obj)

    async def _delete_dependents_first(self, obj: Object) -> None:
        blocking = [d for d in self._dependents(obj) if _blocks(d, obj)]
        for dependent in blocking:
            if not meta.is_deleting(dependent):
                self._add(dependent)
        if not blocking:
            await self._remove_finalizer(obj, FOREGROUND)

    async def _collect(self, obj: Object) -> None:
        """Delete an object all of whose owners are gone, or wait for it to go; cut the ties to
        such owners if it has another."""
        if all(state == SOLID for state in await self._states(obj)):
            return
        # The informer may be behind, and a deletion cannot be taken back: look at it afresh.
        fresh = await self.client.find(resource_of(obj), meta.name(obj), meta.namespace(obj))
        if fresh is None or meta.is_deleting(fresh):
            return
        obj, states = fresh, await self._states(fresh)
        if not states:
            return
        if SOLID in states:
            owners = zip(meta.owners(obj), states, strict=True)
            solid = [owner for owner, state in owners if state == SOLID]
            if len(solid) < len(states):
                await self._patch(obj, ownerReferences=solid)
        elif WAITING in states and self._dependents(obj):
            await self.client.delete_object(obj, propagation="Foreground")
        else:
            await self.client.delete_object(obj, propagation="Background")

    async def _states(self, obj: Object) -> list[str]:
        """For each owner: solid, waiting for its dependents to be deleted, or absent."""
        return [await self._state(obj, owner) for owner in meta.owners(obj)]

    async def _state(self, obj: Object, owner: Object) -> str:
        found = self._cached_owner(obj, owner)
        if found is None:
            found = await self._live_owner(obj, owner)
        if found is None:
            return ABSENT
        return WAITING if meta.is_deleting(found) and FOREGROUND in _finalizers(found) else SOLID

    def _cached_owner(self, obj: Object, owner: Object) -> Object | None:
        resource = _resource(owner)
        if resource is None:
            return None
        namespace = meta.namespace(obj) if resource.namespaced else ""
        key = f"{namespace}/{owner['name']}" if namespace else owner["name"]
        informer = self._graph.get(resource)  # none for a second version of what is stored
        found = informer.get(key) if informer is not None else None
        return found if found is not None and meta.uid(found) == owner["uid"] else None

    async def _live_owner(self, obj: Object, owner: Object) -> Object | None:
        if owner["uid"] in self._absent:
            return None
        resource = _resource(owner)
        if resource is None:
            return owner  # of a kind that is not known here: nothing to judge by, so let it be
        found = await self.client.find(resource, owner["name"], meta.namespace(obj))
        if found is not None and meta.uid(found) == owner["uid"]:
            return found
        self._remember_absent(owner["uid"])
        return None

    def _remember_absent(self, uid: str) -> None:
        self._absent[uid] = None
        if len(self._absent) > REMEMBERED_ABSENT:
            del self._absent[next(iter(self._absent))]

    def _dependents(self, obj: Object) -> list[Object]:
        graph = self._graph.values()
        return [d for informer in graph for d in informer.by_index("owner", meta.uid(obj))]

    async def _remove_finalizer(self, obj: Object, finalizer: str) -> None:
        await self._patch(obj, finalizers=[f for f in _finalizers(obj) if f != finalizer] or None)

    async def _patch(self, obj: Object, **metadata: Sequence[object] | None) -> None:
        patch = {"metadata": {**metadata, "resourceVersion": obj["metadata"]["resourceVersion"]}}
        try:
            await self.client.patch(resource_of(obj), meta.name(obj), meta.namespace(obj), patch)
        except ApiError as error:
            if error.code != 404:
                raise


def _finalizers(obj: Object) -> list[str]:
    return obj["metadata"].get("finalizers") or []


def _ties(obj: Object) -> tuple[object, ...]:
    """What of an object matters here."""
    return meta.owners(obj), _finalizers(obj), meta.is_deleting(obj)


def _blocks(dependent: Object, owner: Object) -> bool:
    return any(
        reference["uid"] == meta.uid(owner) and reference.get("blockOwnerDeletion", False)
        for reference in meta.owners(dependent)
    )


def _resource(owner: Object) -> Resource | None:
    try:
        resource = by_kind(owner["apiVersion"], owner["kind"])
        return resource if "get" in resource.verbs else None
    except KeyError:
        return None

"""Whose object is it? Adoption and release by selector, and waiting for one's own writes.

A selector says what a controller wants; the owner reference says what it has. Both are in the
objects themselves, so a controller that restarts knows its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.resources import resource_of
from kube_edu.api.selectors import LabelSelector
from kube_edu.client import ApiClient, Informer


def owner_keys(obj: Object, kind: str, owners: Informer) -> list[str]:
    """The owner of this kind that controls an object; for an orphan all that would have it."""
    controller = meta.controller_of(obj)
    if controller is not None:
        ours = controller["kind"] == kind
        return [f"{meta.namespace(obj)}/{controller['name']}"] if ours else []
    return [
        meta.key(owner)
        for owner in owners.list(meta.namespace(obj))
        if LabelSelector.from_dict(owner["spec"]["selector"]).matches(meta.labels(obj))
    ]


def by_controller(obj: Object) -> list[str]:
    """An index function: objects by the uid of their controller, orphans by namespace."""
    controller = meta.controller_of(obj)
    return [controller["uid"] if controller else f"orphans of {meta.namespace(obj)}"]


def candidates(informer: Informer, owner: Object) -> list[Object]:
    """The objects that `owner` controls, and those of its namespace that nobody does; from the
    index "controller" (`by_controller`)."""
    mine = informer.by_index("controller", meta.uid(owner))
    return mine + informer.by_index("controller", f"orphans of {meta.namespace(owner)}")


async def claim(
    client: ApiClient, owner: Object, objects: Sequence[Object], resource: str
) -> list[Object]:
    """The objects that belong to `owner`: orphans that its selector matches are adopted, objects
    of its own that it no longer matches are released (upstream controller_ref_manager.go)."""
    selector = LabelSelector.from_dict(owner["spec"]["selector"])
    claimed: list[Object] = []
    may_adopt: bool | None = None
    for obj in objects:
        controller, matches = meta.controller_of(obj), selector.matches(meta.labels(obj))
        if controller is not None:
            if controller["uid"] != meta.uid(owner):
                continue
            if matches:
                claimed.append(obj)
            elif not meta.is_deleting(owner):
                others = [r for r in meta.owners(obj) if r["uid"] != meta.uid(owner)]
                await _set_owners(client, resource, obj, others)
        elif matches and not meta.is_deleting(owner) and not meta.is_deleting(obj):
            if may_adopt is None:
                may_adopt = await _still_exists(client, owner)
            if may_adopt:
                owners = [*meta.owners(obj), meta.owner_reference(owner)]
                claimed.append(await _set_owners(client, resource, obj, owners))
    return claimed


async def _still_exists(client: ApiClient, owner: Object) -> bool:
    """Ask the server itself: the garbage collector would kill what a dead owner adopts."""
    fresh = await client.find(resource_of(owner), meta.name(owner), meta.namespace(owner))
    return fresh is not None and meta.uid(fresh) == meta.uid(owner) and not meta.is_deleting(fresh)


async def _set_owners(
    client: ApiClient, resource: str, obj: Object, owners: Sequence[Object]
) -> Object:
    # With its resourceVersion, so that a change made meanwhile is a conflict, and is looked at.
    version = obj["metadata"]["resourceVersion"]
    patch = {"metadata": {"ownerReferences": list(owners) or None, "resourceVersion": version}}
    return await client.patch(resource, meta.name(obj), meta.namespace(obj), patch)


class Expectations:
    """Until the informer shows what a controller itself wrote, counting there would lead it to
    write again: two pods for one.

    Upstream's ControllerExpectations count creations and deletions that are to be seen, and give
    up after five minutes. Here the resourceVersion of what was created says exactly when the
    informer has come so far.
    """

    def __init__(self, informer: Informer) -> None:
        self._informer = informer
        self._created: dict[str, int] = {}  # by the owner's key: our newest version
        self._deleted: dict[str, list[Object]] = {}

    def created(self, key: str, obj: Object) -> None:
        version = int(obj["metadata"]["resourceVersion"])
        self._created[key] = max(version, self._created.get(key, 0))

    def deleted(self, key: str, obj: Object) -> None:
        self._deleted.setdefault(key, []).append(obj)

    def fulfilled(self, key: str) -> bool:
        """Whether the informer shows all that was done for `key`."""
        if self._informer.version < self._created.get(key, 0):
            return False
        if any(self._looks_alive(obj) for obj in self._deleted.get(key, ())):
            return False
        self.forget(key)
        return True

    def forget(self, key: str) -> None:
        self._created.pop(key, None)
        self._deleted.pop(key, None)

    def _looks_alive(self, obj: Object) -> bool:
        seen = self._informer.get(meta.key(obj))
        return seen is not None and meta.uid(seen) == meta.uid(obj) and not meta.is_deleting(seen)

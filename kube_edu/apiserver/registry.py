"""The generic registry: how any object of any resource is created, changed and deleted.

Every write goes the same way: draft, defaults, admission, validation, and one transaction that
compares the revision that the draft was made from. What is particular to a resource is a row in
strategies.py (apiserver, pkg/registry/generic/registry/store.go).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from kube_edu.api import conversion, defaults, validation
from kube_edu.api.meta import Object, name, name_suffix, new_uid, timestamp
from kube_edu.api.patch import Merge, apply_patch
from kube_edu.api.resources import Resource, by_plural
from kube_edu.api.status import (
    ApiError,
    FieldError,
    already_exists,
    bad_request,
    conflict,
    forbidden_field,
    invalid,
    invalid_value,
    not_found,
    success,
)
from kube_edu.apiserver.admission import Admission, Attributes
from kube_edu.apiserver.allocators import ServiceAllocator, claims
from kube_edu.apiserver.authorization import Authorizer, refusal
from kube_edu.apiserver.call import Call
from kube_edu.apiserver.codec import media_type_of, read_body, read_object, read_options, typed
from kube_edu.apiserver.deletion import (
    begin_deletion,
    check_preconditions,
    is_finished,
)
from kube_edu.apiserver.filters import access_of
from kube_edu.apiserver.parts import DOORS, narrowed
from kube_edu.apiserver.storage import Lost, Storage
from kube_edu.apiserver.stored import revision_of, with_revision
from kube_edu.apiserver.strategies import strategy_of
from kube_edu.apiserver.watchcache import WatchCache
from kube_edu.host import Host

Change = Callable[[Object], Object]
"""From an object as it stands to the draft that shall take its place."""

ATTEMPTS = 8
"""Names that are generated, or addresses allocated, before a create gives up."""

_SERVER_OWNED = ("uid", "creationTimestamp", "generation", "deletionTimestamp",
                 "deletionGracePeriodSeconds", "managedFields")  # fmt: skip


class Registry:
    """The verbs that write, for all resources."""

    def __init__(
        self,
        host: Host,
        storage: Storage,
        caches: Mapping[str, WatchCache],
        services: ServiceAllocator,
        admission: Admission,
        authorize: Authorizer,
        merge_patch: Merge,
    ) -> None:
        self._host = host
        self._storage = storage
        self._caches = caches
        self._services = services
        self._admission = admission
        self._authorize = authorize
        self._merge_patch = merge_patch
        self._written: dict[str, int] = {}  # by resource, the last revision written from here

    async def create(self, call: Call) -> Object:
        resource = call.target
        draft = read_object(call, resource.api_version, resource.kind)
        _place(draft, call)
        return await self.insert(call, draft)

    async def update(self, call: Call) -> tuple[Object, bool]:
        """The object, and whether it is a new one, which takes the right to create."""
        resource = call.target
        draft = read_object(call, resource.api_version, resource.kind)
        _check_names(draft, call)
        may_create = strategy_of(resource).create_on_update and not call.subresource
        try:
            return await self.modify(
                call,
                partial(_replace, call, draft),
            ), False
        except ApiError as failure:
            if failure.code != 404 or not may_create or draft["metadata"].get("resourceVersion"):
                raise
        access = replace(access_of(call), verb="create")
        decision = await self._authorize(access)
        if not decision.allowed:
            raise refusal(access, decision.reason)
        return await self.insert(call, draft), True

    async def patch(self, call: Call) -> Object:
        """Apply a patch to the object as it stands; when another write comes first, to the one
        that stands there then. Only a patch that names a resourceVersion can conflict."""
        resource = call.target
        patch, content_type = read_body(call), media_type_of(call.request)

        def change(current: Object) -> Object:
            shown = conversion.to_version(current, resource.api_version)
            patched = apply_patch(shown, patch, content_type, self._merge_patch)
            draft = typed(call, patched, resource.api_version, resource.kind)
            _check_names(draft, call)
            return _replace(call, draft, current)

        return await self.modify(call, change)

    async def insert(self, call: Call, draft: Object) -> Object:
        """Write a new object."""
        resource = call.target
        if draft["metadata"].get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        for _ in range(ATTEMPTS):
            new = await self._new(call, draft)
            key = resource.storage_key(call.namespace, name(new))
            if call.dry_run:
                if await self._storage.get(key) is None:
                    return new
                raise already_exists(resource, name(new))
            try:
                new = await self._write(resource, key, new, None)
            except Lost as lost:
                if lost.taken or not name(draft):
                    continue  # another address, another name
                raise already_exists(resource, name(new)) from None
            self._record(call, new)
            return new
        raise already_exists(resource, draft["metadata"].get("generateName", name(draft)))

    async def modify(self, call: Call, change: Change, *, trusted: bool = False) -> Object:
        """Change an object, starting over from what stands there when another write was first
        (GuaranteedUpdate). A change of nothing is not written, unless
        that encrypts it with the key of today. The draft may change what the
        call's door lets through; a change of the server's own is trusted with all."""
        resource = call.target
        key = resource.storage_key(call.namespace, call.name)
        current = await self._storage.get(key)
        while True:
            if current is None:
                raise not_found(resource, call.name)
            new = await self._successor(call, change(current), current, trusted)
            if new == current and not await self._storage.is_stale(key):
                return current
            if call.dry_run:
                return new
            gone = is_finished(new)
            try:
                written = await self._write(resource, key, None if gone else new, current)
            except Lost as lost:
                current = lost.current
                continue
            if gone:
                written = with_revision(new, revision_of(written))
            self._record(call, written)
            return written

    async def delete(self, call: Call) -> Object:
        return await self.remove(call, read_options(call))

    async def remove(self, call: Call, options: Object) -> Object:
        """Begin or finish the deletion of an object."""
        resource, strategy = call.target, strategy_of(call.target)
        key = resource.storage_key(call.namespace, call.name)
        current = await self._storage.get(key)
        while True:
            if current is None:
                raise not_found(resource, call.name)
            check_preconditions(resource, current, options)
            await self._admission.mutate(_attributes(call, "delete", current))
            await self._admission.validate(_attributes(call, "delete", current))
            after = begin_deletion(current, options, strategy, self._host.now())
            if after is current:
                return current
            if not call.dry_run:
                try:
                    written = await self._write(resource, key, after, current)
                except Lost as lost:
                    current = lost.current
                    continue
                self._record(call, with_revision(current, revision_of(written)))
                after = written if after is not None else None
            if after is not None:
                return after
            return current if strategy.returns_deleted else _deleted(resource, current)

    async def find(self, plural: str, namespace: str, name: str) -> Object | None:
        """An object as admission looks for it: in the cache, or in the store if it is not there
        or this server has itself written a newer state than the cache has seen."""
        resource = by_plural(plural)
        key = resource.storage_key(namespace, name)
        cache = self._caches[resource.storage_prefix]
        stored = cache.get(key)
        if stored is not None and cache.revision >= self._written.get(plural, 0):
            return stored.decoded()
        return await self._storage.get(key)

    async def _new(self, call: Call, draft: Object) -> Object:
        """A draft made whole: name, uid, defaults, admitted and valid."""
        resource, strategy = call.target, strategy_of(call.target)
        meta = {k: v for k, v in draft["metadata"].items() if k not in _SERVER_OWNED}
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"][:58] + name_suffix(self._host.random)
        meta["uid"] = new_uid(self._host.random)
        meta["creationTimestamp"] = timestamp(self._host.now())
        if strategy.generation:
            meta["generation"] = 1
        new = {**draft, "metadata": meta}
        if "status" in resource.subresources and not strategy.keeps_status:
            new.pop("status", None)
        new = defaults.set_defaults(new)
        await self._admission.mutate(_attributes(call, "create", new))
        strategy.prepare_create(new, call.user)
        await self._services.assign(new, None)
        if errors := validation.validate_create(new):
            raise invalid(new, errors)
        await self._admission.validate(_attributes(call, "create", new))
        return new

    async def _successor(self, call: Call, draft: Object, old: Object, trusted: bool) -> Object:
        """What may come after `old`: the draft, less what its writer may not change."""
        strategy = strategy_of(call.target)
        owned = {key: old["metadata"][key] for key in _SERVER_OWNED if key in old["metadata"]}
        meta = {k: v for k, v in draft["metadata"].items() if k not in _SERVER_OWNED}
        meta["resourceVersion"] = old["metadata"]["resourceVersion"]
        new = {**draft, "metadata": meta | owned}
        door = call.subresource if call.subresource in DOORS else ""
        if not trusted:
            new = narrowed(door, new, old, self._host.now())
        new = defaults.set_defaults(new)
        await self._admission.mutate(_attributes(call, "update", new, old))
        if not trusted:
            strategy.prepare_update(new, old)
        await self._services.assign(new, old)
        errors = [] if trusted else validation.validate_update(new, old, door)
        if new["metadata"].get("deletionTimestamp"):
            errors += _added_finalizers(new, old)
        if errors:
            raise invalid(new, errors)
        await self._admission.validate(_attributes(call, "update", new, old))
        if strategy.generation and _content(new) != _content(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        return new

    async def _write(
        self, resource: Resource, key: str, new: Object | None, old: Object | None
    ) -> Object:
        """One transaction: an object in the place of another, and what it owns with it."""
        before, after = claims(old), claims(new)
        return await self._storage.write(
            key,
            new,
            expected=revision_of(old) if old else 0,
            claim={k: value for k, value in after.items() if k not in before},
            release=[k for k in before if k not in after],
            ttl=resource.ttl,
        )

    def _record(self, call: Call, obj: Object) -> None:
        self._written[call.target.plural] = revision_of(obj)
        self._host.record(
            "api.write",
            verb=call.verb,
            object=call.target.reference(obj),
            rv=revision_of(obj),
            user=call.user.name,
        )


def _attributes(call: Call, verb: str, obj: Object, old: Object | None = None) -> Attributes:
    return Attributes(
        verb,
        call.target,
        call.namespace,
        name(obj),
        obj,
        old,
        call.user,
        call.subresource,
        call.dry_run,
        call.warnings,
        call.story,
        call.annotations,
    )


def _place(draft: Object, call: Call) -> None:
    """The namespace of a new object is the URL's
    (rest.EnsureObjectNamespaceMatchesRequestNamespace)."""
    meta = draft["metadata"]
    if call.namespace and meta.get("namespace", call.namespace) != call.namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    meta.pop("namespace", None)
    if call.namespace:
        meta["namespace"] = call.namespace


def _check_names(draft: Object, call: Call) -> None:
    """A changed object is the one on the URL (handlers/rest.go, checkName)."""
    meta = draft["metadata"]
    if not meta.get("name"):
        based = f"the name of the object ({call.name} based on URL) was undeterminable"
        raise bad_request(f"{based}: name must be provided")
    namespace = meta.get("namespace") if call.namespace else ""
    for what, got, expected, where in (
        ("name", meta["name"], call.name, "name on the URL"),
        ("namespace", namespace, call.namespace, "namespace on the request"),
    ):
        if got not in (None, expected):
            raise bad_request(
                f"the {what} of the object ({got}) does not match the {where} ({expected})"
            )
    _place(draft, call)


def _replace(call: Call, draft: Object, current: Object) -> Object:
    """The draft, if it was made from the current state of the very same object."""
    resource, meta = call.target, draft["metadata"]
    version = meta.get("resourceVersion", "")
    if not version and strategy_of(resource).conditional_update:
        why = "must be specified for an update"
        raise invalid(draft, [invalid_value("metadata.resourceVersion", 0, why)])
    if version not in ("", current["metadata"]["resourceVersion"]):
        raise conflict(resource, call.name)
    uid = current["metadata"]["uid"]
    if (meta.get("uid") or uid) != uid:
        why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {uid}"
        raise conflict(resource, call.name, why)
    return draft


def _added_finalizers(new: Object, old: Object) -> list[FieldError]:
    before = old["metadata"].get("finalizers") or []
    added = [f for f in new["metadata"].get("finalizers") or [] if f not in before]
    why = (
        "no new finalizers can be added if the object is being deleted, found new finalizers "
        f"[]string{{{', '.join(json.dumps(f) for f in added)}}}"
    )
    return [forbidden_field("metadata.finalizers", why)] if added else []


def _content(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def _deleted(resource: Resource, obj: Object) -> Object:
    uid = obj["metadata"]["uid"]
    return success(name=name(obj), group=resource.group, kind=resource.plural, uid=uid)

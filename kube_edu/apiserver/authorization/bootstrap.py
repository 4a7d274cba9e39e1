"""See that the default roles are there, and that each has all its rules and subjects.

At every start, so that a new version's roles reach an old cluster; who wants to change one says
so in its annotation (kubernetes, pkg/registry/rbac/rest/storage_rbac.go and
pkg/registry/rbac/reconciliation).
"""

from __future__ import annotations

import asyncio

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.resources import resource_of
from kube_edu.api.status import ApiError
from kube_edu.apiserver.authorization.default_roles import AUTOUPDATE, default_objects
from kube_edu.apiserver.authorization.rbac import KINDS
from kube_edu.client import ApiClient


async def ensure_default_roles(client: ApiClient) -> None:
    """Returns when they are all there."""
    while True:
        try:
            await _ensure(client)
            return
        except (ApiError, ConnectionError):  # the store is away, or another API server was first
            await asyncio.sleep(1)


async def _ensure(client: ApiClient) -> None:
    there = {}
    for plural in (f"{kind.lower()}s" for kind in KINDS):
        for obj in (await client.list(plural))["items"]:
            there[resource_of(obj).reference(obj)] = obj
    writes = []
    for wanted in default_objects():
        found = there.get(resource_of(wanted).reference(wanted))
        if found is None:
            writes.append(client.create(wanted))
        elif meta.annotations(found).get(AUTOUPDATE) == "true":
            whole = _with_missing(found, wanted)
            if whole != found:
                writes.append(client.update(whole))
    await asyncio.gather(*writes)


def _with_missing(found: Object, wanted: Object) -> Object:
    """What is there, and what it lacks. The rules of an aggregated role are its controller's."""
    whole = dict(found)
    for field in ("rules", "subjects"):
        if field in wanted and "aggregationRule" not in wanted:
            present = found.get(field) or []
            whole[field] = [*present, *(part for part in wanted[field] if part not in present)]
    return whole

"""ResourceQuota: what a namespace may use in all, booked before the object is there.

Two requests at once cannot both have the last of it: in a namespace they book one after the other,
and a booking is an update of the quota's status, of which only one can win where there are several
API servers (apiserver, pkg/admission/plugin/resourcequota). What is booked for an object that then
is not created, the quota controller gives back.
"""

from __future__ import annotations

from decimal import Decimal

from kube_edu.api import meta, quantity, quota
from kube_edu.api.meta import Object
from kube_edu.api.quota import Usage
from kube_edu.api.status import ApiError
from kube_edu.apiserver.admission import Attributes, Cluster

ATTEMPTS = 3


async def resource_quota(attributes: Attributes, cluster: Cluster) -> None:
    a = attributes
    if a.subresource not in ("", "resize") or a.verb == "delete" or not a.resource.namespaced:
        return
    deltas = [(known, _delta(a, known)) for known in cluster.list("resourcequotas", a.namespace)]
    if not any(delta for _, delta in deltas):
        return
    async with cluster.booking[a.namespace]:
        for known, delta in deltas:  # all, before anything is booked
            _after(a, await _fresh(cluster, known), delta)
        for known, delta in deltas:
            await _book(a, cluster, known, delta)


def _delta(a: Attributes, known: Object) -> Usage:
    """By how much the request raises what is limited."""
    if not quota.matches(known, a.object):
        return {}
    hard = known["spec"].get("hard") or {}
    before = quota.usage(a.old) if a.old is not None else {}
    raised = {n: v - before.get(n, Decimal(0)) for n, v in quota.usage(a.object).items()}
    if a.verb == "create" and a.resource.plural == "pods":
        _check_stated(a, known)
    return {name: amount for name, amount in raised.items() if name in hard and amount > 0}


def _check_stated(a: Attributes, known: Object) -> None:
    missing = quota.missing(known, a.object)
    if missing:
        listed = "; ".join(f"{name} for: {','.join(missing[name])}" for name in sorted(missing))
        raise a.refused(f"failed quota: {meta.name(known)}: must specify {listed}")


def _after(a: Attributes, quota_now: Object, delta: Usage) -> dict[str, str]:
    """What is used once this is; raises ApiError 403 when that is too much."""
    status, name = quota_now.get("status") or {}, meta.name(quota_now)
    hard, used = status.get("hard") or {}, status.get("used") or {}
    unknown = [name for name in delta if name not in hard or name not in used]
    if unknown:
        listed = ", ".join(sorted(unknown))
        raise a.refused(f"status unknown for quota: {name}, resources: {listed}")
    after = {name: quantity.parse(used[name]) + amount for name, amount in delta.items()}
    over = [name for name in sorted(after) if after[name] > quantity.parse(hard[name])]
    if over:
        requested = _listed(quota.shown(delta), over)
        raise a.refused(
            f"exceeded quota: {name}, requested: {requested}, "
            f"used: {_listed(used, over)}, limited: {_listed(hard, over)}"
        )
    return {**used, **quota.shown(after)}


async def _book(a: Attributes, cluster: Cluster, known: Object, delta: Usage) -> None:
    """Write down what is now used. Somebody else may write too: the controller, or another API
    server."""
    for _ in range(ATTEMPTS):
        now = await _fresh(cluster, known)
        used = _after(a, now, delta)
        if a.dry_run or not delta:
            return
        booked = {**now, "status": {**now["status"], "used": used}}
        try:
            await cluster.client.update(booked, subresource="status")
            return
        except ApiError as failure:
            if failure.code not in (404, 409):
                raise
    raise a.refused(f"unable to complete resource quota: {meta.name(known)} changes too often")


async def _fresh(cluster: Cluster, known: Object) -> Object:
    found = await cluster.find("resourcequotas", meta.namespace(known), meta.name(known))
    return found or known


def _listed(amounts: dict[str, str], names: list[str]) -> str:
    return ",".join(f"{name}={amounts[name]}" for name in names)

"""Eviction: a delete that asks first whether the pod's application can do without it.

Its PodDisruptionBudget says how many pods may go; each eviction takes one from that number, in the
same way as any other write, so that two of them never take the same one (kubernetes,
pkg/registry/core/pod/storage/eviction.go).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from kube_edu.api import meta, podutil
from kube_edu.api.meta import Object
from kube_edu.api.resources import by_plural
from kube_edu.api.selectors import LabelSelector
from kube_edu.api.status import ApiError, bad_request, error, internal_error
from kube_edu.apiserver.call import Call
from kube_edu.apiserver.codec import read_object
from kube_edu.apiserver.queryoptions import check_delete
from kube_edu.apiserver.reading import Reader
from kube_edu.apiserver.registry import Registry
from kube_edu.host import Host, Request

BUDGETS = by_plural("poddisruptionbudgets")
VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."


class Evictions:
    """Answers `pods/NAME/eviction`."""

    def __init__(self, host: Host, registry: Registry, reader: Reader) -> None:
        self._host = host
        self._registry = registry
        self._reader = reader

    async def evict(self, call: Call) -> None:
        eviction = read_object(call, "policy/v1", "Eviction")
        if eviction["metadata"].get("name") != call.name:
            raise bad_request("name in URL does not match name in Eviction object")
        options = eviction.get("deleteOptions") or {}
        check_delete(options)
        dry_run = call.dry_run or "All" in (options.get("dryRun") or ())
        call = replace(call, verb="delete", dry_run=dry_run)
        while True:
            pod = (await self._reader.get(call)).decoded()
            granted = await self._is_granted(call, pod)
            as_it_is = {"preconditions": {"resourceVersion": pod["metadata"]["resourceVersion"]}}
            try:
                await self._registry.remove(call, options if granted else as_it_is | options)
                return
            except ApiError as failure:
                if granted or failure.code != 409 or "preconditions" in options:
                    raise

    async def _is_granted(self, call: Call, pod: Object) -> bool:
        """Whether the pod may go whatever becomes of it meanwhile; if not, it may go only as it is
        now. Raises ApiError 429 where it may not go."""
        if podutil.is_finished(pod) or meta.is_deleting(pod):
            return True
        if podutil.phase(pod) == "Pending":
            return False
        budgets = await self._budgets(call, pod)
        if len(budgets) > 1:
            raise internal_error(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource "
                "does not support."
            )
        for budget in budgets:
            if not podutil.is_ready(pod) and _unready_may_go(budget):
                return False
            about = replace(call, resource=BUDGETS, name=meta.name(budget), verb="update",
                            subresource="status")  # fmt: skip
            since = meta.timestamp(self._host.now())
            await self._registry.modify(about, partial(_charged, call.name, since), trusted=True)
        return True

    async def _budgets(self, call: Call, pod: Object) -> list[Object]:
        """Those that select the pod; an empty selector selects nothing here."""
        request = Request("GET", BUDGETS.path(call.namespace))
        listed = await self._reader.list(
            replace(call, request=request, resource=BUDGETS, name="", subresource="")
        )
        selectors = [
            (budget, LabelSelector.from_dict(budget["spec"].get("selector")))
            for budget in listed.decoded()["items"]
        ]
        labels = meta.labels(pod)
        return [b for b, selector in selectors if not selector.empty and selector.matches(labels)]


def _unready_may_go(budget: Object) -> bool:
    """A pod that is not ready is not missed, if enough others are."""
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status", {})
    desired: int = status.get("desiredHealthy", 0)
    return desired > 0 and bool(status.get("currentHealthy", 0) >= desired)


def _charged(pod: str, since: str, budget: Object) -> Object:
    """The budget with one disruption less to allow; raises ApiError 429 when there is none."""
    status = budget.get("status", {})
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        why = f"The disruption budget {meta.name(budget)} is still being processed by the server."
        raise _violates(why, retry_after=10)
    allowed = status.get("disruptionsAllowed", 0)
    if allowed <= 0:
        desired, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        raise _violates(
            f"The disruption budget {meta.name(budget)} needs {desired} healthy pods and has "
            f"{healthy} currently"
        )
    disrupted = {**(status.get("disruptedPods") or {}), pod: since}
    charged = {"disruptionsAllowed": allowed - 1, "disruptedPods": disrupted}
    return {**budget, "status": {**status, **charged}}


def _violates(why: str, retry_after: int = 0) -> ApiError:
    causes = [{"reason": "DisruptionBudget", "message": why}]
    return error(429, "TooManyRequests", VIOLATES, causes=causes, retryAfterSeconds=retry_after)

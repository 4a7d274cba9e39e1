"""Priority: a pod's class, resolved to the number that the scheduler compares
(kubernetes, plugin/pkg/admission/priority/admission.go)."""

from __future__ import annotations

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.apiserver.admission import Attributes, Cluster

PREEMPT = "PreemptLowerPriority"


async def priority(attributes: Attributes, cluster: Cluster) -> None:
    if attributes.is_about("priorityclasses", "create", "update"):
        _check_default(attributes, cluster)
    if not attributes.is_about("pods", "create"):
        return
    spec = attributes.object["spec"]
    chosen = await _class(attributes, cluster, spec.get("priorityClassName", ""))
    value, policy = 0, PREEMPT
    if chosen is not None:
        value, policy = chosen["value"], chosen.get("preemptionPolicy", PREEMPT)
        spec["priorityClassName"] = meta.name(chosen)
    _check_same(attributes, spec.get("priority"), value)
    if spec.get("preemptionPolicy") not in (None, policy):
        raise attributes.refused(
            f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be "
            f"provided in pod spec; priority admission controller computed {policy} from the "
            "given PriorityClass name"
        )
    spec["priority"], spec["preemptionPolicy"] = value, policy


async def _class(attributes: Attributes, cluster: Cluster, name: str) -> Object | None:
    if not name:
        defaults = [c for c in cluster.list("priorityclasses") if c.get("globalDefault")]
        return min(defaults, key=lambda c: (c["value"], meta.name(c)), default=None)
    found = await cluster.find("priorityclasses", "", name)
    if found is None:
        raise attributes.refused(f"no PriorityClass with name {name} was found")
    return found


def _check_same(attributes: Attributes, said: int | None, computed: int) -> None:
    if said is not None and said != computed:
        raise attributes.refused(
            f"the integer value of priority ({said}) must not be provided in pod spec; priority "
            f"admission controller computed {computed} from the given PriorityClass name"
        )


def _check_default(attributes: Attributes, cluster: Cluster) -> None:
    if not attributes.object.get("globalDefault"):
        return
    for other in cluster.list("priorityclasses"):
        if other.get("globalDefault") and meta.name(other) != attributes.name:
            raise attributes.refused(
                f"PriorityClass {meta.name(other)} is already marked as default. Only one default "
                "can exist"
            )

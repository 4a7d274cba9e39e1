"""Taints and tolerations that nobody has to think of.

TaintNodesByCondition: a new node takes no pods until it is ready. DefaultTolerationSeconds: a pod
stays 300 s on a node that is not (kubernetes, plugin/pkg/admission/nodetaint and
plugin/pkg/admission/defaulttolerationseconds).
"""

from __future__ import annotations

from kube_edu.apiserver.admission import Attributes, Cluster

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"


async def taint_nodes_by_condition(attributes: Attributes, cluster: Cluster) -> None:
    if not attributes.is_about("nodes", "create"):
        return
    spec = attributes.object.setdefault("spec", {})
    taint = {"key": NOT_READY, "effect": "NoSchedule"}
    taints = spec.get("taints") or []
    if not any((t["key"], t["effect"]) == (NOT_READY, "NoSchedule") for t in taints):
        spec["taints"] = [*taints, taint]


async def default_toleration_seconds(attributes: Attributes, cluster: Cluster) -> None:
    if not attributes.is_about("pods", "create"):
        return
    spec = attributes.object["spec"]
    tolerations = list(spec.get("tolerations") or ())
    for key in (NOT_READY, UNREACHABLE):
        if not any(
            toleration.get("key", "") in ("", key)
            and toleration.get("effect", "") in ("", "NoExecute")
            for toleration in tolerations
        ):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            )
    spec["tolerations"] = tolerations

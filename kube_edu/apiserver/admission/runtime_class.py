"""RuntimeClass: a pod pays for its runtime, and goes where the runtime is
(kubernetes, plugin/pkg/admission/runtimeclass/admission.go)."""

from __future__ import annotations

from kube_edu.apiserver.admission import Attributes, Cluster


async def runtime_class(attributes: Attributes, cluster: Cluster) -> None:
    """The class's overhead is added to the pod, and its node selector and tolerations."""
    if not attributes.is_about("pods", "create"):
        return
    spec = attributes.object["spec"]
    name = spec.get("runtimeClassName", "")
    found = await cluster.find("runtimeclasses", "", name) if name else None
    if name and found is None:
        why = f'pod rejected: RuntimeClass "{name}" not found'
        raise attributes.refused(why)
    overhead = ((found or {}).get("overhead") or {}).get("podFixed")
    if spec.get("overhead", overhead) != overhead:
        why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
        raise attributes.refused(why)
    if overhead:
        spec["overhead"] = dict(overhead)
    scheduling = (found or {}).get("scheduling") or {}
    selector, wanted = spec.get("nodeSelector") or {}, scheduling.get("nodeSelector") or {}
    for key, value in wanted.items():
        if selector.get(key, value) != value:
            raise attributes.refused(f"pod rejected: conflict: runtimeClass.nodeSelector[{key}]")
    if wanted:
        spec["nodeSelector"] = {**selector, **wanted}
    more = [t for t in scheduling.get("tolerations") or () if t not in spec.get("tolerations", ())]
    if more:
        spec["tolerations"] = [*spec.get("tolerations", ()), *more]

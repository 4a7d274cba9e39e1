"""Whether an object is all that it should be: what one waits for after an apply."""

from __future__ import annotations

from collections.abc import Sequence

from kube_edu.api import meta
from kube_edu.api.meta import Object


def is_ready(obj: Object, slices: Sequence[Object] = ()) -> bool:
    """A rollout that is complete, a pod or node that is Ready, a Service that has a ready endpoint
    among its EndpointSlices. Anything else is ready once it is there."""
    kind, spec, status = obj["kind"], obj.get("spec", {}), obj.get("status", {})
    if obj["metadata"].get("deletionTimestamp"):
        return False
    if kind == "Deployment":
        wanted = spec.get("replicas", 1)
        counts = [status.get(n, 0) for n in ("updatedReplicas", "replicas", "availableReplicas")]
        seen = status.get("observedGeneration", 0) >= obj["metadata"]["generation"]
        return seen and counts == [wanted] * 3
    if kind == "ReplicaSet":
        return bool(status.get("readyReplicas", 0) == spec.get("replicas", 1))
    if kind in ("Pod", "Node"):
        return meta.condition_is(obj, "Ready")
    if kind == "Service":
        return any(
            endpoint.get("conditions", {}).get("ready")
            for piece in slices
            if meta.labels(piece).get("kubernetes.io/service-name") == meta.name(obj)
            for endpoint in piece.get("endpoints") or ()
        )
    return True

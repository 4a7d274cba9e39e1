"""`kubectl rollout`: the status and the history of a Deployment, and the way back.

Source: kubectl, pkg/polymorphichelpers (rollout_status.go, history.go, rollback.go).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.status import bad_request
from kube_edu.client.client import ApiClient

REVISION = "deployment.kubernetes.io/revision"

Action = Callable[[ApiClient, Object, str], Awaitable[list[str]]]


async def status(client: ApiClient, deployment: Object, revision: str) -> list[str]:
    """How far the rollout is (this kubectl does not wait: time is yours to run)."""
    name, found = meta.name(deployment), deployment.get("status", {})
    wanted = deployment["spec"].get("replicas", 1)
    updated = found.get("updatedReplicas", 0)
    total, available = found.get("replicas", 0), found.get("availableReplicas", 0)
    waiting = f'Waiting for deployment "{name}" rollout to finish: '
    progressing = meta.find_condition(deployment, "Progressing") or {}
    if found.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return ["Waiting for deployment spec update to be observed..."]
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return [f'error: deployment "{name}" exceeded its progress deadline']
    if updated < wanted:
        return [f"{waiting}{updated} out of {wanted} new replicas have been updated..."]
    if total > updated:
        return [f"{waiting}{total - updated} old replicas are pending termination..."]
    if available < updated:
        return [f"{waiting}{available} of {updated} updated replicas are available..."]
    return [f'deployment "{name}" successfully rolled out']


async def history(client: ApiClient, deployment: Object, revision: str) -> list[str]:
    lines = [f"deployment.apps/{meta.name(deployment)} ", "REVISION  CHANGE-CAUSE"]
    for replicaset in await _revisions(client, deployment):
        cause = meta.annotations(replicaset).get("kubernetes.io/change-cause", "<none>")
        lines.append(f"{_revision(replicaset):<10}{cause}")
    return lines


async def undo(client: ApiClient, deployment: Object, revision: str) -> list[str]:
    """Put the template of an earlier revision (the one before, or `revision`) back."""
    known = await _revisions(client, deployment)
    if revision:
        chosen = [r for r in known if _revision(r) == int(revision)]
    else:
        chosen = known[-2:-1]
    if not chosen:
        raise bad_request(f"no rollout history found for revision {revision or 'before this one'}")
    template = meta.clone(chosen[0]["spec"]["template"])
    template["metadata"].get("labels", {}).pop("pod-template-hash", None)
    patch = [{"op": "replace", "path": "/spec/template", "value": template}]
    await _patch(client, deployment, patch, "json")
    return [f"deployment.apps/{meta.name(deployment)} rolled back"]


async def restart(client: ApiClient, deployment: Object, revision: str) -> list[str]:
    """Change the template by a note of the time, so that every pod is replaced."""
    last = max((_revision(r) for r in await _revisions(client, deployment)), default=0)
    note = {"kubectl.kubernetes.io/restartedAt": f"revision-{last + 1}"}
    patch = {"spec": {"template": {"metadata": {"annotations": note}}}}
    await _patch(client, deployment, patch)
    return [f"deployment.apps/{meta.name(deployment)} restarted"]


async def pause(client: ApiClient, deployment: Object, revision: str) -> list[str]:
    await _patch(client, deployment, {"spec": {"paused": True}})
    return [f"deployment.apps/{meta.name(deployment)} paused"]


async def resume(client: ApiClient, deployment: Object, revision: str) -> list[str]:
    await _patch(client, deployment, {"spec": {"paused": None}})
    return [f"deployment.apps/{meta.name(deployment)} resumed"]


ACTIONS: dict[str, Action] = {
    "status": status,
    "history": history,
    "undo": undo,
    "restart": restart,
    "pause": pause,
    "resume": resume,
}


async def _patch(
    client: ApiClient, deployment: Object, patch: object, kind: str = "strategic"
) -> None:
    name, namespace = meta.name(deployment), meta.namespace(deployment)
    await client.patch("deployments", name, namespace, patch, kind=kind)


async def _revisions(client: ApiClient, deployment: Object) -> list[Object]:
    """The Deployment's ReplicaSets, the oldest revision first."""
    found = await client.list("replicasets", meta.namespace(deployment))
    owned = [r for r in found["items"] if meta.owned_by(r, deployment)]
    return sorted(owned, key=_revision)


def _revision(replicaset: Object) -> int:
    return int(meta.annotations(replicaset).get(REVISION, 0))

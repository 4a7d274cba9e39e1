"""ServiceAccount: every pod runs as some account, and finds its token in a file.

"default", if it names none. The token comes as a projected volume: the kubelet asks for one that
is bound to the pod (kubernetes, plugin/pkg/admission/serviceaccount/admission.go).
"""

from __future__ import annotations

import asyncio

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.apiserver.admission import Attributes, Cluster
from kube_edu.apiserver.authentication.serviceaccounts import KUBELET_SECONDS

MIRROR = "kubernetes.io/config.mirror"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
ATTEMPTS = 10
"""A new namespace gets its account "default" from a controller: wait for that a little."""


async def service_account(attributes: Attributes, cluster: Cluster) -> None:
    a = attributes
    if not a.is_about("pods", "create"):
        return
    spec = a.object["spec"]
    if MIRROR in meta.annotations(a.object):
        if spec.get("serviceAccountName"):
            raise a.refused("a mirror pod may not reference service accounts")
        return
    name = spec.get("serviceAccountName") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    account = await _account(a, cluster, name)
    if account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [*account["imagePullSecrets"]]
    automount = spec.get("automountServiceAccountToken")
    if automount is None:
        automount = account.get("automountServiceAccountToken", True)
    if automount:
        _mount_token(spec, f"kube-api-access-{meta.name_suffix(cluster.random)}")


async def _account(a: Attributes, cluster: Cluster, name: str) -> Object:
    for attempt in range(ATTEMPTS if name == "default" else 1):
        if attempt:
            await asyncio.sleep(0.1 + 0.1 * cluster.random.random())
        account = await cluster.find("serviceaccounts", a.namespace, name)
        if account is not None:
            return account
    raise a.refused(
        f'error looking up service account {a.namespace}/{name}: serviceaccount "{name}" not found'
    )


def _mount_token(spec: Object, volume: str) -> None:
    """Into every container that has nothing of its own at that path."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    without = [
        container
        for container in containers
        if all(
            mount.get("mountPath") != MOUNT_PATH for mount in container.get("volumeMounts") or ()
        )
    ]
    for container in without:
        mount = {"name": volume, "readOnly": True, "mountPath": MOUNT_PATH}
        container["volumeMounts"] = [*(container.get("volumeMounts") or ()), mount]
    if without:
        spec["volumes"] = [*(spec.get("volumes") or ()), _token_volume(volume)]


def _token_volume(name: str) -> Object:
    token = {"expirationSeconds": KUBELET_SECONDS, "path": "token"}
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1"}}
    namespace["fieldRef"] = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    authority = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    sources: list[Object] = [
        {"serviceAccountToken": token},
        {"configMap": authority},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": name, "projected": {"defaultMode": 420, "sources": sources}}

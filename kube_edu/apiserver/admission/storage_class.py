"""DefaultStorageClass: a claim that names no class gets the cluster's default one
(kubernetes, plugin/pkg/admission/storage/storageclass/setdefault)."""

from __future__ import annotations

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.apiserver.admission import Attributes, Cluster

IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"
OLD_CLASS = "volume.beta.kubernetes.io/storage-class"


async def default_storage_class(attributes: Attributes, cluster: Cluster) -> None:
    if not attributes.is_about("persistentvolumeclaims", "create"):
        return
    claim = attributes.object
    if "storageClassName" in claim["spec"] or OLD_CLASS in meta.annotations(claim):
        return  # "" says: none
    defaults = [c for c in cluster.list("storageclasses") if _is_default(c)]
    if defaults:  # the newest of several; of one age, the first by name
        newest = max(c["metadata"]["creationTimestamp"] for c in defaults)
        named = [c for c in defaults if c["metadata"]["creationTimestamp"] == newest]
        claim["spec"]["storageClassName"] = min(meta.name(c) for c in named)


def _is_default(storage_class: Object) -> bool:
    return meta.annotations(storage_class).get(IS_DEFAULT) == "true"

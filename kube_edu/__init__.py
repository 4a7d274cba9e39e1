"""A whole Kubernetes control plane, small enough to read, and the workbook over it.

    from kube_edu import Cluster

`Cluster` is loaded when it is first asked for, so that importing one part stays quick.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kube_edu.cluster import Cluster

__all__ = ["Cluster"]


def __getattr__(name: str) -> Any:
    if name == "Cluster":
        from kube_edu.cluster import Cluster

        return Cluster
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

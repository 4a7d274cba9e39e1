"""A whole Kubernetes control plane, small enough to read, and the workbook over it."""

from kube_edu.cluster import Cluster

__all__ = ["Cluster"]

"""The kubelet: the agent on every node that makes pods run."""

from kube_edu.kubelet.kubelet import Kubelet

__all__ = ["Kubelet"]

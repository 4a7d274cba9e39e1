"""The kubelet: the agent on every node that makes pods run."""

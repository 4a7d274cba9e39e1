"""The controllers: each brings one kind of object from what is wanted to what is.

They reach the cluster through `kube_edu.client` alone, know nothing of one another, and meet only
in the objects that they read and write.
"""

from kube_edu.controllers.manager import CONTROLLERS, ControllerManager

__all__ = ["CONTROLLERS", "ControllerManager"]

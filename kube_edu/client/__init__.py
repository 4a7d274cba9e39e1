"""How a component reaches the cluster: through the front door, and never another way.

A client sends requests; an informer keeps a copy of one resource fresh by list and watch; a work
queue holds the keys of what changed; a controller brings the three together. The names and the
division are client-go's.
"""

from kube_edu.client.client import ApiClient
from kube_edu.client.controller import Controller
from kube_edu.client.events import EventRecorder
from kube_edu.client.informer import Informer, Informers
from kube_edu.client.leaderelection import LeaderElector
from kube_edu.client.serviceaccount import ServiceAccountClient
from kube_edu.client.workqueue import WorkQueue

__all__ = [
    "ApiClient",
    "Controller",
    "EventRecorder",
    "Informer",
    "Informers",
    "LeaderElector",
    "ServiceAccountClient",
    "WorkQueue",
]

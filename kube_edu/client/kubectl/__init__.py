"""A small kubectl for the simulation: the commands the labs use, printing what kubectl prints.

It asks the API server for tables as kubectl does, so the columns are the server's own. In live
mode the real kubectl takes its place.
"""

from kube_edu.client.kubectl.arguments import Usage
from kube_edu.client.kubectl.commands import Kubectl

__all__ = ["Kubectl", "Usage"]

"""The plugins of the default profile, with upstream's order and weights.

Source: kubernetes, pkg/scheduler/apis/config/v1/default_plugins.go. Left out are the volume
plugins, InterPodAffinity, DefaultPreemption, and ImageLocality (our images weigh nothing).
"""

from __future__ import annotations

from kube_edu.client import ApiClient, Informers
from kube_edu.scheduler.framework import Plugin
from kube_edu.scheduler.plugins.node import NodeName, NodePorts, NodeUnschedulable, TaintToleration
from kube_edu.scheduler.plugins.node_affinity import NodeAffinity
from kube_edu.scheduler.plugins.node_resources import BalancedAllocation, NodeResourcesFit
from kube_edu.scheduler.plugins.queue_and_bind import DefaultBinder, PrioritySort
from kube_edu.scheduler.plugins.topology_spread import PodTopologySpread


def default_profile(client: ApiClient, informers: Informers) -> list[tuple[Plugin, int]]:
    """The table: each plugin with the weight of its score."""
    return [
        (PrioritySort(), 0),
        (NodeUnschedulable(), 0),
        (NodeName(), 0),
        (TaintToleration(), 3),
        (NodeAffinity(), 2),
        (NodePorts(), 0),
        (NodeResourcesFit(), 1),
        (PodTopologySpread(informers("services"), informers("replicasets")), 2),
        (BalancedAllocation(), 1),
        (DefaultBinder(client), 0),
    ]

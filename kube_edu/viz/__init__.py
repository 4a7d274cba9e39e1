"""Figures: pure functions from a trace or a state to a picture that also says itself in words."""

from kube_edu.viz.cluster import cluster_picture
from kube_edu.viz.fan_out import fan_out
from kube_edu.viz.figure import Figure
from kube_edu.viz.freshness import freshness
from kube_edu.viz.merge import three_way
from kube_edu.viz.objects import object_graph
from kube_edu.viz.path import request_path
from kube_edu.viz.revisions import Rider, revisions
from kube_edu.viz.ring import ring
from kube_edu.viz.roles import role_graph
from kube_edu.viz.space_time import space_time
from kube_edu.viz.tables import Table
from kube_edu.viz.timeline import Lane, Mark, host_lanes, pod_lanes, timeline
from kube_edu.viz.traffic import traffic
from kube_edu.viz.verdict import gate_verdict
from kube_edu.viz.walk import request_walk

__all__ = [
    "Figure",
    "Lane",
    "Mark",
    "Rider",
    "Table",
    "cluster_picture",
    "fan_out",
    "freshness",
    "gate_verdict",
    "host_lanes",
    "object_graph",
    "pod_lanes",
    "request_path",
    "request_walk",
    "revisions",
    "ring",
    "role_graph",
    "space_time",
    "three_way",
    "timeline",
    "traffic",
]

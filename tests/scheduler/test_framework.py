from __future__ import annotations

from typing import Any

import pytest

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.scheduler.cache import NodeInfo
from kube_edu.scheduler.framework import FitError, Framework
from kube_edu.scheduler.plugins import default_profile
from kube_edu.scheduler.plugins.node_resources import BalancedAllocation, least_allocated
from tests.scheduler.objects import node, pod

NO_CLIENT: Any = None


class Informers:
    """Services and ReplicaSets without an API server."""

    def __init__(self, *objects: Object) -> None:
        self.objects = objects

    def __call__(self, resource: str) -> Informers:
        kind = {"services": "Service", "replicasets": "ReplicaSet"}[resource]
        return Informers(*(obj for obj in self.objects if obj["kind"] == kind))

    def list(self, namespace: str) -> list[Object]:
        return [obj for obj in self.objects if meta.namespace(obj) == namespace]

    def get(self, key: str) -> Object | None:
        return next((obj for obj in self.objects if meta.key(obj) == key), None)


def framework(*objects: Object, **roles: Any) -> Framework:
    informers: Any = Informers(*objects)
    return Framework(default_profile(NO_CLIENT, informers), **roles)


def infos(*nodes: Object) -> list[NodeInfo]:
    return [NodeInfo(n) for n in nodes]


def why_not(wanted: Object, *nodes: NodeInfo) -> str:
    feasible, rejected = framework().run_filters({}, wanted, nodes)
    return "" if feasible else str(FitError(rejected))


def test_the_message_counts_and_sorts_the_reasons_as_upstream_does() -> None:
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    nodes = infos(node("a", cpu="1"), node("b", taints=[taint]), node("c", cpu="1"))
    assert why_not(pod("p", cpu="2"), *nodes) == (
        "0/3 nodes are available: 1 node(s) had untolerated taint "
        "{node-role.kubernetes.io/control-plane: }, 2 Insufficient cpu."
    )


def test_a_cluster_without_nodes_says_so() -> None:
    assert str(FitError({})) == "no nodes available to schedule pods"


def test_one_node_can_lack_several_resources() -> None:
    assert why_not(pod("p", cpu="5", memory="9Gi"), *infos(node("a"))) == (
        "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory."
    )


def test_a_full_node_takes_no_more_pods() -> None:
    (info,) = infos(node("a", pods="1"))
    assert why_not(pod("p"), info) == ""
    info.add_pod(pod("first", nodeName="a"))
    assert why_not(pod("p"), info) == "0/1 nodes are available: 1 Too many pods."


def test_what_was_added_and_removed_leaves_no_trace() -> None:
    (info,) = infos(node("a"))
    info.add_pod(pod("first", cpu="100m", nodeName="a"))
    info.remove_pod("default/first")
    assert info.pods == []
    assert not any(info.requested.values()) and not any(info.nonzero_requested.values())


def test_init_containers_count_by_the_largest_and_sidecars_with_all() -> None:
    (info,) = infos(node("a"))
    ask = {"requests": {"cpu": "3"}}
    wanted = pod(
        "p",
        cpu="1",
        initContainers=[
            {"name": "sidecar", "restartPolicy": "Always", "resources": {"requests": {"cpu": "2"}}},
            {"name": "init", "resources": ask},
        ],
    )
    info.add_pod(wanted)
    assert info.requested["cpu"] == 5000  # init (3) beside the sidecar (2) is more than 1 + 2


@pytest.mark.parametrize(
    ("spec", "labels", "fits"),
    [
        ({"nodeSelector": {"disk": "ssd"}}, {"disk": "ssd"}, True),
        ({"nodeSelector": {"disk": "ssd"}}, {"disk": "hdd"}, False),
        ({"nodeSelector": {"disk": "ssd"}}, {}, False),
    ],
)
def test_node_selector(spec: Object, labels: dict[str, str], fits: bool) -> None:
    reason = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    assert why_not(pod("p", **spec), *infos(node("a", labels=labels))) == ("" if fits else reason)


@pytest.mark.parametrize(
    ("operator", "values", "fits"),
    [
        ("In", ["3", "4"], True),
        ("NotIn", ["3"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
        ("Gt", ["2"], True),
        ("Lt", ["2"], False),
    ],
)
def test_required_node_affinity(operator: str, values: list[str], fits: bool) -> None:
    term = {"matchExpressions": [{"key": "gen", "operator": operator, "values": values}]}
    affinity = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    wanted = pod("p", affinity={"nodeAffinity": affinity})
    assert (why_not(wanted, *infos(node("a", labels={"gen": "3"}))) == "") is fits


def test_preferred_node_affinity_decides_between_equal_nodes() -> None:
    term = {
        "weight": 5,
        "preference": {"matchExpressions": [{"key": "gen", "operator": "In", "values": ["3"]}]},
    }
    affinity = {"preferredDuringSchedulingIgnoredDuringExecution": [term]}
    wanted = pod("p", affinity={"nodeAffinity": affinity})
    nodes = infos(node("a"), node("b", labels={"gen": "3"}))
    scores = framework().run_scores({}, wanted, nodes)
    assert scores["b"] - scores["a"] == 200  # 100 times NodeAffinity's weight of 2


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        ({"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "k", "value": "other"}, False),
        ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_tolerations(toleration: Object, fits: bool) -> None:
    tainted = node("a", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}])
    answer = why_not(pod("p", tolerations=[toleration]), *infos(tainted))
    assert answer == (
        "" if fits else "0/1 nodes are available: 1 node(s) had untolerated taint {k: v}."
    )


def test_a_cordoned_node_takes_none() -> None:
    assert why_not(pod("p"), *infos(node("a", unschedulable=True))) == (
        "0/1 nodes are available: 1 node(s) were unschedulable."
    )


def test_a_host_port_is_taken_once() -> None:
    def with_port(name: str, port: int) -> Object:
        container = {"name": "c", "ports": [{"hostPort": port, "containerPort": 80}]}
        return pod(name, containers=[container], nodeName="")

    (info,) = infos(node("a"))
    info.add_pod(with_port("first", 8080))
    assert why_not(with_port("p", 8081), info) == ""
    assert why_not(with_port("p", 8080), info) == (
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
    )


def test_prefer_no_schedule_costs_points() -> None:
    taint = {"key": "k", "effect": "PreferNoSchedule"}
    scores = framework().run_scores({}, pod("p"), infos(node("a"), node("b", taints=[taint])))
    assert scores["a"] - scores["b"] == 300  # 100 times TaintToleration's weight of 3


def test_least_allocated_is_the_free_part_in_percent() -> None:
    (info,) = infos(node("a", cpu="4", memory="8Gi"))
    assert least_allocated(pod("p", cpu="1", memory="4Gi"), info) == (75 + 50) // 2


def test_balanced_allocation_likes_even_use() -> None:
    (info,) = infos(node("a", cpu="4", memory="8Gi"))
    plugin = BalancedAllocation()
    assert plugin.score({}, pod("p", cpu="2", memory="4Gi"), info) == 100
    assert plugin.score({}, pod("p", cpu="4"), info) == 50


def test_roles_take_the_place_of_all_plugins_of_their_point() -> None:
    own = framework(
        filter=lambda p, n: [] if n.name == "b" else ["not b"],
        score=lambda p, n: len(n.name),
    )
    feasible, _ = own.run_filters({}, pod("p", cpu="99"), infos(node("a"), node("b")))
    assert [n.name for n in feasible] == ["b"]
    assert own.run_scores({}, pod("p"), feasible) == {"b": 1}


def test_a_score_out_of_range_is_an_error_that_names_the_plugin() -> None:
    with pytest.raises(ValueError, match="plugin 'score' returns an invalid score 101"):
        framework(score=lambda p, n: 101).run_scores({}, pod("p"), infos(node("a")))


# --- topology spread


def labelled(name: str, **spec: Any) -> Object:
    made = pod(name, **spec)
    made["metadata"]["labels"] = {"app": "web"}
    return made


def spread(when: str, max_skew: int = 1) -> list[Object]:
    return [
        {
            "topologyKey": "zone",
            "maxSkew": max_skew,
            "whenUnsatisfiable": when,
            "labelSelector": {"matchLabels": {"app": "web"}},
        }
    ]


def zones(**pods: int) -> list[NodeInfo]:
    """One node a zone, with so many pods on it."""
    nodes = infos(*(node(name, labels={"zone": name}) for name in pods))
    for info in nodes:
        for number in range(pods[info.name]):
            info.add_pod(labelled(f"{info.name}-{number}", nodeName=info.name))
    return nodes


def test_do_not_schedule_keeps_the_skew() -> None:
    wanted = labelled("p", topologySpreadConstraints=spread("DoNotSchedule"))
    feasible, rejected = framework().run_filters({}, wanted, zones(a=1, b=0, c=1))
    assert [n.name for n in feasible] == ["b"]
    assert str(FitError(rejected)) == (
        "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints."
    )


def test_a_node_without_the_label_is_out() -> None:
    wanted = labelled("p", topologySpreadConstraints=spread("DoNotSchedule"))
    assert why_not(wanted, *infos(node("x"))) == (
        "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints "
        "(missing required label)."
    )


def test_schedule_anyway_prefers_the_emptier_zone() -> None:
    wanted = labelled("p", topologySpreadConstraints=spread("ScheduleAnyway"))
    scores = framework().run_scores({}, wanted, zones(a=2, b=0, c=1))
    assert scores["b"] > scores["c"] > scores["a"]


def test_pods_of_one_service_spread_over_hosts_by_default() -> None:
    service = {
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}},
    }
    nodes = zones(a=1, b=0)
    with_service = framework(service).run_scores({}, labelled("p"), nodes)
    without = framework().run_scores({}, labelled("p"), nodes)
    assert with_service["b"] - with_service["a"] > without["b"] - without["a"]

"""Lab 00: a first, tiny exercise, to learn how checking works."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from kube_edu import Cluster
from kube_edu.classroom.exercise import Exercise, Lab, Report, Verdict, failed, passed
from kube_edu.classroom.guard import Guard, Slip
from kube_edu.classroom.trial import Failure, Reasons
from kube_edu.viz import Table
from kube_edu.viz.cluster import Snapshot, draw_cluster, snapshot
from kube_edu.viz.states import condition, node_ready

Object = dict[str, Any]

because = Reasons("00-welcome", "ready_nodes")

NEWCOMER = "apiVersion: v1\nkind: Node\nmetadata: {name: node-4}"


def judge_ready_nodes(answer: Callable[..., Any], report: Report) -> Verdict:
    """Ask the student's function about the nodes of a running cluster, at several moments."""
    guard = Guard(answer)
    for moment, shot in _moments(report):
        named = _names(guard.call(list(shot.nodes)))
        right = [node["metadata"]["name"] for node in shot.nodes if node_ready(node)]
        if sorted(named) != sorted(right):
            rows = [
                (name, condition(node, "Ready") or "(no such condition)",
                 "yes" if name in named else "no", "yes" if name in right else "no")
                for node in shot.nodes
                for name in [node["metadata"]["name"]]
            ]  # fmt: skip
            table = Table(["node", "Ready is", "you say ready", "right"], rows)
            wrong = _misread(moment, shot.nodes, named, right)
            return failed(wrong.reason, repr(table), figure=draw_cluster(shot))
    return passed("all nodes told apart, through a crash, a report of trouble and a newcomer.")


def _moments(report: Report) -> Sequence[tuple[str, Snapshot]]:
    report("starting a cluster …")
    cluster = Cluster(nodes=3, etcd_members=1, seed=3)
    fresh = snapshot(cluster)
    moments = [("in a healthy cluster", fresh)]
    report("cutting the power of node-2 …")
    cluster.crash("node-2")
    cluster.run_until(lambda: not cluster.ready("node/node-2"), timeout=120)
    moments.append(("after node-2 lost its power", snapshot(cluster)))
    cluster.apply(NEWCOMER)
    moments.append(("with a node that has only just been registered", snapshot(cluster)))
    troubled = [_with_trouble(fresh.nodes[0]), *fresh.nodes[1:]]
    moments.append(("when a kubelet reports trouble", replace(fresh, nodes=troubled)))
    turned = [_turned(node) for node in fresh.nodes]
    moments.append(("when conditions come in another order", replace(fresh, nodes=turned)))
    return moments


def _with_trouble(node: Object) -> Object:
    conditions = [
        {**c, "status": "False", "reason": "KubeletNotReady"} if c["type"] == "Ready" else c
        for c in node["status"]["conditions"]
    ]
    return {**node, "status": {**node["status"], "conditions": conditions}}


def _turned(node: Object) -> Object:
    conditions = node["status"]["conditions"]
    pressure = {"type": "PIDPressure", "status": "False", "reason": "KubeletHasSufficientPID"}
    turned = [*conditions[::-1], pressure]
    return {**node, "status": {**node["status"], "conditions": turned}}


def _names(result: Any) -> list[str]:
    if not isinstance(result, list | tuple | set):
        raise Slip(f"it should return a list of names, and returned {type(result).__name__}")
    for name in result:
        if not isinstance(name, str):
            raise Slip(
                f"it should return names (str), and one of those it returned is a "
                f"{type(name).__name__}: a node's name is in its metadata"
            )
    return list(result)


def _misread(moment: str, nodes: Sequence[Object], named: list[str], right: list[str]) -> Failure:
    """What the answer seems to have taken for readiness."""
    for node in nodes:
        name, status = node["metadata"]["name"], condition(node, "Ready")
        if name in named and name not in right:
            kind = {"": "no condition", "Unknown": "unknown"}.get(status, "not true")
            return because(kind, moment=moment, name=name, status=status)
        if name in right and name not in named:
            return because("left out", moment=moment, name=name)
    strangers = [name for name in named if name not in right] or named
    return because("strangers", moment=moment, named=named, name=strangers[0])


lab = Lab.written("00-welcome", Exercise("ready_nodes", judge_ready_nodes))
check, hint, predict = lab.check, lab.hint, lab.predict

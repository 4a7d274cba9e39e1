"""The path of an apply, from a trace written by hand."""

from typing import Any

from kube_edu.trace import Trace
from kube_edu.viz.path import path_steps, request_path

POD = "pods/default/web-1-a"


class Story:
    def __init__(self) -> None:
        self.time = 0.0
        self.trace = Trace(lambda: self.time)

    def event(self, host: str, kind: str, **fields: Any) -> None:
        self.time += 0.01
        self.trace.record(host, kind, fields)

    def write(self, verb: str, obj: str, rv: int, user: str) -> None:
        self.event("etcd-1", "etcd.apply", index=rv, revision=rv, op="txn", keys=[])
        self.event("control-1", "api.write", verb=verb, object=obj, rv=rv, user=user)
        self.event("control-1", "api.watch", object=obj, type="ADDED", rv=rv, user="watcher")


def story() -> Story:
    told = Story()
    told.write("create", "deployments/default/web", 5, "admin")
    told.write("create", "replicasets/default/web-1", 6, "controllers")
    told.write("create", "pods/default/web-1-b", 7, "controllers")
    told.write("create", POD, 8, "controllers")
    told.event("control-1", "scheduler.bind", object=POD, node="node-2")
    told.write("create", POD, 9, "scheduler")
    told.event("node-2", "kubelet.sandbox", object=POD, address="10.244.1.2")
    told.event(
        "node-2", "kubelet.container", object=POD, container="web", state="running", reason=""
    )
    told.write("patch", POD, 10, "system:node:node-2")
    told.write("update", "endpointslices/default/web-x", 11, "controllers")
    told.event("node-1", "proxy.rules", mode="iptables", services=1, endpoints=1, rules=9)
    return told


def test_the_path_goes_through_every_component_in_order() -> None:
    steps = path_steps(story().trace, "web")
    movers = list(dict.fromkeys(step.source for step in steps))
    assert movers == [
        "kubectl", "API server", "deployment controller", "replicaset controller", "scheduler",
        "kubelet", "endpointslice controller", "kube-proxy",
    ]  # fmt: skip
    assert [step.time for step in steps] == sorted(step.time for step in steps)
    assert sum(step.kind == "commit" for step in steps) == 6


def test_it_follows_the_pod_that_ran_first() -> None:
    assert "creates a pod, …-a" in request_path(story().trace, "web").text


def test_a_path_that_has_only_begun_is_drawn_as_far_as_it_goes() -> None:
    told = Story()
    told.write("create", "deployments/default/web", 5, "admin")
    assert [step.source for step in path_steps(told.trace, "web")] == ["kubectl"] + [
        "API server"
    ] * 2
    assert "not on the trace" in request_path(told.trace, "other").text

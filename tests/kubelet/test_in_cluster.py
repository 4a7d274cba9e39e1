"""Kubelets and the scheduler in a whole cluster: the real API server, DNS and data path."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kube_edu import Cluster
from kube_edu.api import meta

PORTS = {"frontend": 80, "redis-leader": 6379, "redis-follower": 6379}


def tier(name: str, image: str, replicas: int, more: str = "") -> str:
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - {{name: c, image: {image}, {more}}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{selector: {{app: {name}}}, ports: [{{port: {PORTS[name]}}}]}}
---
"""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster(nodes=3, etcd_members=1, seed=5)
    yield made
    made.simulation.close()


def test_the_guestbook_stores_and_reads_through_its_tiers(cluster: Cluster) -> None:
    follow = 'args: [redis-server, --replicaof, redis-leader, "6379"]'
    cluster.apply(
        tier("frontend", "guestbook", 3)
        + tier("redis-leader", "redis:7", 1)
        + tier("redis-follower", "redis:7", 2, follow)
    )
    cluster.run_until(lambda: all(cluster.ready(f"deployment/{name}") for name in PORTS))
    cluster.run_for(5)
    frontends = [p for p in cluster.objects("pods", "default") if "frontend" in meta.name(p)]
    assert len({p["spec"]["nodeName"] for p in frontends}) == 3
    pod = f"pod/{meta.name(frontends[0])}"
    assert "Updated" in str(cluster.curl(pod, "http://frontend/?cmd=set&value=hello"))
    cluster.run_for(3)
    assert '{"data": "hello"}' in str(cluster.curl(pod, "http://frontend/?cmd=get"))


def test_a_kubelet_that_was_away_changes_nothing_that_runs(cluster: Cluster) -> None:
    cluster.apply(tier("frontend", "nginx", 3))
    cluster.run_until(lambda: cluster.ready("deployment/frontend"))
    before = {meta.name(p): p["status"] for p in cluster.objects("pods")}
    cluster.crash("node-1/kubelet")
    cluster.run_for(10)
    cluster.restart("node-1/kubelet")
    cluster.run_for(10)
    assert {meta.name(p): p["status"] for p in cluster.objects("pods")} == before


def test_logs_come_through_the_api_server(cluster: Cluster) -> None:
    cluster.apply(tier("frontend", "busybox", 1, "args: [sh, -c, 'echo hello; sleep infinity']"))
    cluster.run_until(lambda: cluster.ready("deployment/frontend"))
    assert cluster.kubectl("logs deployment/frontend") == "hello"


def test_an_idle_cluster_writes_leases_and_nothing_else(cluster: Cluster) -> None:
    cluster.apply(tier("frontend", "nginx", 3))
    cluster.run_until(lambda: cluster.ready("deployment/frontend"))
    cluster.run_for(10)
    since = cluster.now
    cluster.run_for(100)
    writes = cluster.trace.select("api.write", since=since)
    assert {event.fields["object"].partition("/")[0] for event in writes} == {"leases"}

"""A ReplicaSet whose pods the gate refuses."""

from itertools import pairwise

from kube_edu import Cluster

WANTED = """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: baseline}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web, namespace: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {hostNetwork: true, containers: [{name: web, image: nginx}]}
"""


def test_refused_pods_are_tried_ever_more_seldom():
    cluster = Cluster(nodes=0, etcd_members=1, seed=1)
    cluster.apply(WANTED)
    cluster.run_for(60)
    tries = [e.time for e in cluster.trace.select("api.gate", verb="create", status=403)]
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert 5 < len(tries) < 30
    assert gaps[-1] > 5

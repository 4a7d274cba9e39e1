"""The simulation: how soon a cluster is up, and how fast its time runs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from kube_edu import Cluster

FIRST_DEPLOYMENT = """
import time
began = time.perf_counter()
from kube_edu import Cluster
c = Cluster(nodes=3, etcd_members=3, seed=1)
c.apply('''
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
''')
c.run_until(lambda: c.ready("deployment/web"))
print(time.perf_counter() - began)
"""

IDLE_SECONDS = 600


def run() -> Iterator[tuple[str, str, str]]:
    times = [
        float(subprocess.check_output([sys.executable, "-c", FIRST_DEPLOYMENT])) for _ in range(5)
    ]
    yield "import to the first ready Deployment", f"{statistics.median(times):.2f} s", "< 2 s"

    cluster = Cluster(nodes=10, etcd_members=3, seed=1)
    cluster.run_for(60)
    rates = []
    for _ in range(3):
        began = time.perf_counter()
        cluster.run_for(IDLE_SECONDS)
        rates.append(IDLE_SECONDS / (time.perf_counter() - began))
    yield (
        "idle cluster of 10 nodes, 3 members: virtual s a wall s",
        f"{statistics.median(rates):.0f}",
        ">= 60",
    )

"""Nodes and pods for these tests, as the API server would give them out."""

from __future__ import annotations

from typing import Any

from kube_edu.api.meta import Object


def node(
    name: str, *, cpu: str = "4", memory: str = "8Gi", pods: str = "110", **spec: Any
) -> Object:
    labels = {"kubernetes.io/hostname": name, **spec.pop("labels", {})}
    allocatable = {"cpu": cpu, "memory": memory, "pods": pods}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
        "status": {"capacity": allocatable, "allocatable": allocatable},
    }


def pod(name: str, *, cpu: str = "", memory: str = "", **spec: Any) -> Object:
    requests = {key: value for key, value in {"cpu": cpu, "memory": memory}.items() if value}
    container = {"name": "c", "image": "nginx", "resources": {"requests": requests}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {"containers": [container], "schedulerName": "default-scheduler", **spec},
        "status": {"phase": "Pending"},
    }

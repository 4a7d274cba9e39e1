"""Ordinary programs of the official Python client and of kr8s, against a live cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kr8s
import kubernetes
import pytest
from kr8s.objects import ConfigMap, Deployment, Namespace, Pod, Service
from kubernetes import client, dynamic, watch

from tests.live.cluster import Up, folder_of

LABELS = {"app": "web"}
CONTAINER = {"name": "c", "image": "nginx:1"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"containers": [CONTAINER]}}
WEB: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": LABELS},
    "spec": {"replicas": 2, "selector": {"matchLabels": LABELS}, "template": TEMPLATE},
}


@pytest.fixture(scope="module")
def config() -> Iterator[Path]:
    """The administrator's kubeconfig of a running cluster."""
    with folder_of("") as folder:
        cluster = Up(folder, "--nodes", "1")
        try:
            cluster.wait()
            yield folder / "admin.conf"
        finally:
            cluster.stop()


@pytest.fixture
def official(config: Path) -> client.ApiClient:
    return kubernetes.config.new_client_from_config(str(config))


def test_the_official_client_reads_writes_and_watches(official: client.ApiClient) -> None:
    core, apps = client.CoreV1Api(official), client.AppsV1Api(official)
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name="official")))
    made = apps.create_namespaced_deployment("official", WEB)
    assert made.spec.progress_deadline_seconds == 600
    ready = 0
    stream = watch.Watch().stream(
        apps.list_namespaced_deployment, "official", timeout_seconds=60, label_selector="app=web"
    )
    for event in stream:
        ready = event["object"].status.ready_replicas or 0
        if ready == 2:
            break
    assert ready == 2
    pods = core.list_namespaced_pod("official", label_selector="app=web", limit=1)
    assert len(pods.items) == 1 and pods.metadata._continue
    log = core.read_namespaced_pod_log(pods.items[0].metadata.name, "official")
    assert "nginx" in log
    scale = apps.read_namespaced_deployment_scale("web", "official")
    scale.spec.replicas = 1
    assert apps.replace_namespaced_deployment_scale("web", "official", scale).spec.replicas == 1
    patched = apps.patch_namespaced_deployment("web", "official", {"spec": {"paused": True}})
    assert patched.spec.paused
    apps.delete_namespaced_deployment("web", "official", propagation_policy="Foreground")
    core.delete_namespace("official")


def test_the_official_client_tells_errors_apart(official: client.ApiClient) -> None:
    core = client.CoreV1Api(official)
    with pytest.raises(client.ApiException) as missing:
        core.read_namespaced_config_map("nothing", "default")
    assert missing.value.status == 404
    made = core.create_namespaced_config_map(
        "default", client.V1ConfigMap(metadata=client.V1ObjectMeta(generate_name="m-"))
    )
    made.data = {"a": "1"}
    core.replace_namespaced_config_map(made.metadata.name, "default", made)
    with pytest.raises(client.ApiException) as conflict:
        core.replace_namespaced_config_map(made.metadata.name, "default", made)
    assert conflict.value.status == 409
    with pytest.raises(client.ApiException) as invalid:
        core.create_namespaced_config_map("default", {"metadata": {"name": "No Name"}})
    assert invalid.value.status == 422
    core.delete_collection_namespaced_config_map("default")
    assert not [m for m in core.list_namespaced_config_map("default").items
                if m.metadata.name.startswith("m-")]  # fmt: skip


def test_the_official_client_finds_its_way_by_discovery(official: client.ApiClient) -> None:
    found = dynamic.DynamicClient(official)
    jobs = found.resources.get(api_version="batch/v1", kind="Job")
    spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}}}
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec}
    assert jobs.create(body=body, namespace="default").spec.backoffLimit == 6
    assert [job.metadata.name for job in jobs.get(namespace="default").items] == ["j"]
    jobs.delete(name="j", namespace="default")
    review = client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(
            resource_attributes=client.V1ResourceAttributes(verb="get", resource="pods")
        )
    )
    answer = client.AuthorizationV1Api(official).create_self_subject_access_review(review)
    assert answer.status.allowed


def test_kr8s_reads_writes_and_waits(config: Path) -> None:
    api = kr8s.api(kubeconfig=str(config))
    Namespace({"metadata": {"name": "kr"}}, api=api).create()
    web = Deployment({**WEB, "metadata": {**WEB["metadata"], "namespace": "kr"}}, api=api)
    web.create()
    web.wait("condition=Available", timeout=60)
    web.scale(1)
    assert web.replicas == 1
    pods = list(api.get("pods", namespace="kr", label_selector=LABELS))
    assert pods and all(isinstance(pod, Pod) for pod in pods)
    assert "nginx" in "".join(pods[0].logs())
    settings = ConfigMap(
        {"metadata": {"name": "s", "namespace": "kr"}, "data": {"a": "1"}}, api=api
    )
    settings.create()
    settings.patch({"data": {"a": "2"}})
    settings.refresh()
    assert settings.data.a == "2"
    settings.label({"x": "y"})
    ports = [{"port": 80}]
    spec = {"selector": LABELS, "ports": ports}
    service = Service({"metadata": {"name": "web", "namespace": "kr"}, "spec": spec}, api=api)
    service.create()
    assert service.spec.clusterIP
    assert service.exists()
    web.delete()
    assert [node.name for node in api.get("nodes")] == ["node-1"]
    assert "deployments" in {resource["name"] for resource in api.api_resources()}
    assert api.version()["minor"] == "33"

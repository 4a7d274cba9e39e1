"""Ordinary programs of the official Python client and of kr8s, against a live cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kr8s
import kubernetes
import pytest
from kr8s.objects import ConfigMap, Deployment, Namespace, Node, Pod, Service
from kubernetes import client, dynamic, utils, watch
from kubernetes.leaderelection.electionconfig import Config as ElectionConfig
from kubernetes.leaderelection.leaderelection import LeaderElection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

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
    name = pods.items[0].metadata.name
    log = watch.Watch().stream(core.read_namespaced_pod_log, name, "official", follow=True)
    assert "ready on port" in next(log)
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


def test_the_official_client_patches_in_every_way(official: client.ApiClient) -> None:
    core = client.CoreV1Api(official)
    core.create_namespaced_config_map("default", {"metadata": {"name": "p"}, "data": {"a": "1"}})
    operations = [{"op": "replace", "path": "/data/a", "value": "2"}]
    as_list = core.patch_namespaced_config_map("p", "default", operations)
    assert as_list.data == {"a": "2"}
    as_object = core.patch_namespaced_config_map("p", "default", {"data": {"b": "1"}})
    assert as_object.data == {"a": "2", "b": "1"}
    merged = core.patch_namespaced_config_map(
        "p", "default", {"data": {"a": None}}, _content_type="application/merge-patch+json"
    )
    assert merged.data == {"b": "1"}
    dry = core.patch_namespaced_config_map("p", "default", {"data": None}, dry_run="All")
    assert dry.data is None
    assert core.read_namespaced_config_map("p", "default").data == {"b": "1"}
    core.delete_namespaced_config_map("p", "default", grace_period_seconds=0)


def test_the_official_client_turns_pages_and_makes_objects_of_yaml(
    official: client.ApiClient,
) -> None:
    core = client.CoreV1Api(official)
    named = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"page-{n}"}}
             for n in range(5)]  # fmt: skip
    utils.create_from_yaml(official, yaml_objects=named)
    with pytest.raises(utils.FailToCreateError) as again:
        utils.create_from_yaml(official, yaml_objects=named[:1])
    assert [failure.status for failure in again.value.api_exceptions] == [409]
    found, token = list[str](), ""
    while token is not None:
        page = core.list_namespaced_config_map("default", limit=2, _continue=token)
        found += [m.metadata.name for m in page.items if m.metadata.name.startswith("page-")]
        token = page.metadata._continue
    assert found == [made["metadata"]["name"] for made in named]


def test_a_list_and_watch_loop_keeps_a_copy_of_everything(official: client.ApiClient) -> None:
    """As client-go's reflector does it: list, watch on from there, and list anew when told."""
    core = client.CoreV1Api(official)
    copy: dict[str, Any] = {}
    with pytest.raises(client.ApiException) as too_old:
        for _ in watch.Watch().stream(
            core.list_namespaced_secret, "default", resource_version="1", timeout_seconds=5
        ):
            pass
    assert too_old.value.status == 410
    listed = core.list_namespaced_secret("default")
    copy = {found.metadata.name: found for found in listed.items}
    for name in ("one", "two"):
        core.create_namespaced_secret("default", {"metadata": {"name": name}})
    core.patch_namespaced_secret("one", "default", {"stringData": {"a": "b"}})
    core.delete_namespaced_secret("two", "default")
    core.create_namespaced_secret("default", {"metadata": {"name": "last"}})
    watcher = watch.Watch()
    for event in watcher.stream(
        core.list_namespaced_secret,
        "default",
        resource_version=listed.metadata.resource_version,
        allow_watch_bookmarks=True,
        timeout_seconds=30,
    ):
        name = event["object"].metadata.name
        if event["type"] == "DELETED":
            del copy[name]
        else:
            copy[name] = event["object"]
        if name == "last":
            watcher.stop()
    assert sorted(copy) == ["last", "one"]
    assert copy["one"].data == {"a": "Yg=="}


@pytest.mark.parametrize("lock", [LeaseLock, ConfigMapLock])
def test_one_of_two_candidates_leads_and_then_the_other(config: Path, lock: Any) -> None:
    """The recipe of the official client; who leads gives up at once."""
    kubernetes.config.load_kube_config(str(config))
    led: list[str] = []

    def run(name: str) -> None:
        def lead() -> None:
            led.append(name)
            raise RuntimeError("that was it")

        LeaderElection(
            ElectionConfig(
                lock(f"election-{lock.__name__.lower()}", "default", name),
                lease_duration=3,
                renew_deadline=2,
                retry_period=1,
                onstarted_leading=lead,
                onstopped_leading=lambda: led.append(f"no more {name}"),
            )
        ).run()

    run("ann")
    run("ben")
    assert led == ["ann", "no more ann", "ben", "no more ben"]


def test_kr8s_reads_writes_and_waits(config: Path) -> None:
    api = kr8s.api(kubeconfig=str(config))
    Namespace({"metadata": {"name": "kr"}}, api=api).create()
    web = Deployment({**WEB, "metadata": {**WEB["metadata"], "namespace": "kr"}}, api=api)
    web.create()
    web.wait("condition=Available", timeout=60)
    assert len(web.pods()) == 2
    web.scale(1)
    assert web.replicas == 1
    pods = list(api.get("pods", namespace="kr", label_selector=LABELS))
    assert pods and all(isinstance(pod, Pod) for pod in pods)
    assert "ready on port" in next(pods[0].logs(follow=True))
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
    with pytest.raises(kr8s.NotFoundError):
        Pod.get("nothing", namespace="kr", api=api)
    web.delete(propagation_policy="Foreground")
    web.wait("delete", timeout=60)
    assert [node.name for node in api.get("nodes")] == ["node-1"]
    assert "deployments" in {resource["name"] for resource in api.api_resources()}
    assert api.version()["minor"] == "33"


def test_kr8s_watches_cordons_and_uncordons(config: Path) -> None:
    api = kr8s.api(kubeconfig=str(config))
    (node,) = api.get("nodes")
    assert isinstance(node, Node)
    node.cordon()
    assert node.unschedulable
    node.uncordon()
    assert not node.unschedulable
    node.taint("k", "v", effect="PreferNoSchedule")
    node.annotate(seen="yes")
    assert node.annotations["seen"] == "yes"
    node.label({"x": "y"})
    node.remove_label("x")
    for event, found in api.watch("nodes"):
        assert (event, found.name) == ("ADDED", "node-1")
        break
    assert "x" not in node.labels

"""What is filled in where a manifest says nothing."""

import pytest

from kube_edu.api.defaults import image_pull_policy, set_defaults
from tests.api.manifests import admitted, config, deployment, pod, service


def test_a_pod_gets_everything_that_kubectl_and_the_kubelet_rely_on():
    spec = admitted(pod(containers=[{"name": "c", "image": "nginx", "ports": [{}]}]))["spec"]
    container = spec.pop("containers")[0]
    assert spec == {
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }
    assert container["imagePullPolicy"] == "Always"
    assert container["ports"][0]["protocol"] == "TCP"
    assert container["resources"] == {}
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["terminationMessagePolicy"] == "File"


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry.example:5000/nginx", "Always"),
        ("registry.example:5000/nginx:1.27", "IfNotPresent"),
        ("nginx@sha256:00", "IfNotPresent"),
    ],
)
def test_an_image_that_may_change_is_always_pulled(image, policy):
    assert image_pull_policy(image) == policy


def test_probes_and_volumes_have_defaults_of_their_own():
    container = {"name": "c", "image": "i", "livenessProbe": {"httpGet": {"port": 80}}}
    volumes = [{"name": "a"}, {"name": "b", "secret": {"secretName": "s"}}]
    spec = admitted(pod(containers=[container], volumes=volumes))["spec"]
    assert spec["containers"][0]["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert spec["volumes"][0]["emptyDir"] == {}
    assert spec["volumes"][1]["secret"]["defaultMode"] == 420


def test_a_pod_requests_what_it_is_limited_to():
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}
    spec = admitted(pod(containers=[{"name": "c", "image": "i", "resources": resources}]))["spec"]
    requests = spec["containers"][0]["resources"]["requests"]
    assert requests == {"cpu": "500m", "memory": "1Gi"}


def test_a_deployment_rolls_by_quarters():
    spec = admitted(deployment())["spec"]
    assert spec["replicas"] == 1
    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    assert (
        "rollingUpdate"
        not in admitted(deployment(strategy={"type": "Recreate"}))["spec"]["strategy"]
    )
    assert admitted(deployment(replicas=0))["spec"]["replicas"] == 0


def test_a_service_sends_each_port_to_the_same_port():
    spec = admitted(service())["spec"]
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert spec["type"] == "ClusterIP"
    assert spec["sessionAffinity"] == "None"
    assert spec["internalTrafficPolicy"] == "Cluster"
    assert spec["ipFamilies"] == ["IPv4"]
    assert "externalTrafficPolicy" not in spec
    assert admitted(service(type="NodePort"))["spec"]["externalTrafficPolicy"] == "Cluster"
    assert "ipFamilies" not in admitted(service(type="ExternalName"))["spec"]


def test_texts_of_a_secret_become_data():
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    secret = admitted(secret | {"data": {"a": "YQ=="}, "stringData": {"b": "b"}})
    assert secret["data"] == {"a": "YQ==", "b": "Yg=="}
    assert "stringData" not in secret
    assert secret["type"] == "Opaque"


@pytest.mark.parametrize("manifest", [pod(), deployment(), service(), config(data={"a": "b"})])
def test_defaults_are_set_once(manifest):
    once = admitted(manifest)
    assert set_defaults(once) == once
    assert "status" not in manifest

"""What the gate says to a request is on the trace, and a figure tells it."""

import pytest

from kube_edu import Cluster
from kube_edu.viz import gate_verdict, role_graph

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {hostNetwork: %s, containers: [{name: web, image: nginx}]}
"""


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    c = Cluster(nodes=0, etcd_members=1, seed=3)
    c.kubectl("label namespace default pod-security.kubernetes.io/enforce=baseline")
    return c


def test_a_pod_is_told_who_made_it_who_may_what_changed_and_what_agreed(cluster):
    cluster.kubectl("create -f -", POD % "false")
    said = gate_verdict(cluster.trace, "create", "pods/default/").text
    assert "kubernetes-admin, who shows a certificate" in said
    assert 'of ClusterRole "cluster-admin"' in said
    assert "ServiceAccount changes spec.containers" in said
    assert "every plug-in agrees" in said


def test_a_refusal_stands_at_the_stage_that_refused(cluster):
    cluster.kubectl("create -f -", POD % "true")
    *_, allowed = gate_verdict(cluster.trace, "create", "pods/default/").text.splitlines()
    assert "refused: PodSecurity" in allowed


def test_who_proves_nothing_is_sent_away_and_who_may_not_is_forbidden(cluster):
    assert "Unauthorized" in cluster.kubectl("get pods", token="guessed")
    assert (
        "Who are you?           refused: 401" in gate_verdict(cluster.trace, "list", "pods/").text
    )
    assert "system:anonymous" in cluster.kubectl("get pods", token="")
    assert "refused: 403" in gate_verdict(cluster.trace, "list", "pods/").text


def test_kubectl_asks_the_gate_as_somebody_else(cluster):
    assert cluster.kubectl("auth can-i delete pods") == "yes"
    assert cluster.kubectl("auth can-i delete pods --as jane --as-group dev") == "no"
    assert "jane" in cluster.kubectl("auth whoami --as jane")
    listed = cluster.kubectl("auth can-i --list --as jane").splitlines()
    assert listed[0].split("   ")[0] == "Resources"
    assert any(line.startswith("selfsubjectreviews.authentication.k8s.io") for line in listed)


def test_a_token_of_a_service_account_is_that_account(cluster):
    token = cluster.kubectl("create token default")
    assert "system:serviceaccount:default:default" in cluster.kubectl("auth whoami", token=token)


def test_the_role_graph_says_who_reaches_which_rule():
    role = {"kind": "Role", "metadata": {"name": "reader", "namespace": "shop"},
            "rules": [{"verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments"],
                       "resourceNames": ["web"]}]}  # fmt: skip
    binding = {"kind": "RoleBinding", "metadata": {"name": "readers", "namespace": "shop"},
               "subjects": [{"kind": "User", "name": "jane"}],
               "roleRef": {"kind": "Role", "name": "reader"}}  # fmt: skip
    said = role_graph([role, binding]).text
    assert "User jane → RoleBinding readers in shop" in said
    assert "Role reader in shop → rule get deployments of apps named web" in said
    assert "reader (not there)" in role_graph([binding]).text

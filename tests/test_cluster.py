"""The façade: a whole simulated cluster, used as labs and readers use it."""

import pytest

from kube_edu import Cluster, parts
from kube_edu.api.status import ApiError

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: client, image: busybox, command: [sleep, infinity]}]}
"""


@pytest.fixture
def cluster():
    c = Cluster(nodes=3, etcd_members=3, seed=7)
    c.apply(WEB)
    c.run_until(lambda: all(map(c.ready, ("deployment/web", "service/web", "pod/client"))))
    c.run_for(3)
    return c


def pods(c):
    return [pod["metadata"]["name"] for pod in c.objects("pods", "default")]


def test_apply_prints_what_kubectl_prints_and_applying_again_changes_nothing(cluster):
    revision = cluster.get("deployment/web")["metadata"]["resourceVersion"]
    assert cluster.apply(WEB) == (
        "deployment.apps/web unchanged\nservice/web unchanged\npod/client unchanged"
    )
    assert cluster.get("deployment/web")["metadata"]["resourceVersion"] == revision


def test_kubectl_prints_tables(cluster):
    lines = cluster.kubectl("get deployments").splitlines()
    assert lines[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert lines[1].split()[:4] == ["web", "3/3", "3", "3"]
    assert "NODE" in cluster.kubectl("get pods -o wide").splitlines()[0]


def test_a_request_goes_by_dns_rules_and_node_to_a_pod_and_shows_its_hops(cluster):
    answer = cluster.curl("pod/client", "http://web.default.svc.cluster.local/")
    assert answer.ok
    assert any(name in answer.body for name in pods(cluster))
    steps = " ".join(hop.fields["step"] for hop in answer.hops)
    for step in ("KUBE-SERVICES", "KUBE-SVC-", "KUBE-SEP-", "DNAT", "deliver", "answer"):
        assert step in steps
    assert not cluster.curl("pod/client", "http://nowhere/").ok


def test_every_pod_of_a_service_gets_its_share(cluster):
    bodies = {cluster.curl("pod/client", "http://web/").body for _ in range(40)}
    assert len(bodies) == 3


def test_a_deleted_pod_is_replaced(cluster):
    victim = next(name for name in pods(cluster) if name.startswith("web"))
    assert cluster.kubectl(f"delete pod {victim}") == f'pod "{victim}" deleted'
    cluster.run_for(40)
    assert victim not in pods(cluster)
    assert cluster.ready("deployment/web")


def test_a_rollout_goes_forward_and_back(cluster):
    cluster.kubectl("set image deployment/web web=nginx:2")
    cluster.run_for(30)
    assert cluster.ready("deployment/web")
    assert "successfully rolled out" in cluster.kubectl("rollout status deployment/web")
    cluster.kubectl("rollout undo deployment/web")
    cluster.run_for(30)
    template = cluster.get("deployment/web")["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == "nginx"


def test_pods_of_a_dead_node_are_replaced_after_their_toleration_and_cleared_on_its_return(cluster):
    cluster.crash("node-2")
    cluster.run_for(60)
    assert "NotReady" in cluster.kubectl("get node node-2")
    assert cluster.get("deployment/web")["spec"]["replicas"] == 3
    cluster.run_for(330)
    assert cluster.ready("service/web")
    running = [
        pod
        for pod in cluster.objects("pods", "default")
        if pod["metadata"]["name"].startswith("web") and "deletionTimestamp" not in pod["metadata"]
    ]
    assert len(running) == 3
    assert all(pod["spec"]["nodeName"] != "node-2" for pod in running)
    cluster.restart("node-2")
    cluster.run_for(60)
    assert cluster.ready("node/node-2")
    assert len([name for name in pods(cluster) if name.startswith("web")]) == 3


def test_a_minority_of_the_store_may_be_cut_off(cluster):
    leader = next(name for name, member in cluster.etcd.items() if member.node.leader == name)
    cluster.partition([leader], [name for name in cluster.hosts if name != leader])
    cluster.run_for(15)
    cluster.kubectl("scale deployment web --replicas=4")
    cluster.run_until(lambda: cluster.ready("deployment/web"), timeout=60)
    cluster.heal()
    cluster.run_for(10)
    revisions = {member.store.revision for member in cluster.etcd.values()}
    assert len(revisions) == 1


def test_without_a_majority_nothing_is_written_and_pods_run_on(cluster):
    cluster.crash("etcd-1")
    cluster.crash("etcd-2")
    cluster.run_for(20)
    assert "Error from server" in cluster.kubectl("scale deployment web --replicas=1")
    assert cluster.curl("pod/client", "http://web/").ok
    cluster.restart("etcd-1")
    cluster.run_for(60)
    assert cluster.kubectl("scale deployment web --replicas=1") == "deployment.apps/web scaled"


@pytest.mark.parametrize(
    "process", ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-apiserver"]
)
def test_a_component_that_restarts_goes_on_from_what_the_api_server_holds(cluster, process):
    cluster.crash(f"control-1/{process}")
    cluster.run_for(5)
    cluster.restart(f"control-1/{process}")
    cluster.run_for(30)
    cluster.kubectl("scale deployment web --replicas=5")
    cluster.run_until(lambda: cluster.ready("deployment/web"), timeout=60)


def test_a_whole_cluster_that_loses_power_comes_back_with_what_it_had(cluster):
    before = set(pods(cluster))
    for name in cluster.hosts:
        cluster.crash(name)
    cluster.run_for(10)
    for name in cluster.hosts:
        cluster.restart(name)
    cluster.run_until(lambda: cluster.ready("deployment/web"), timeout=120)
    assert set(pods(cluster)) == before
    cluster.run_until(lambda: cluster.curl("pod/client", "http://web/").ok, timeout=60)


def test_prune_deletes_what_is_no_longer_declared(cluster):
    shop = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, labels: {app: shop}}\n"
    cluster.apply(shop % "one" + "---\n" + shop % "two")
    assert "configmap/two pruned" in cluster.apply(shop % "one", prune="app=shop")
    assert cluster.get("configmap/two") is None


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("a: [1", "error converting YAML to JSON: yaml: line"),
        ("just a word", "Object 'Kind' is missing"),
        ("apiVersion: v1\nkind: Gadget\nmetadata: {name: x}", 'no matches for kind "Gadget"'),
        ("apiVersion: v1\nkind: Pod\nmetadata: {}", "resource name may not be empty"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_A_Name}",
            "a lowercase RFC 1123 subdomain must consist of",
        ),
        (WEB.replace("replicas: 3", "replicas: three"), "cannot unmarshal string into Go struct"),
        (WEB.replace("{app: web}}\n    spec", "{app: other}}\n    spec"), "does not match"),
    ],
)
def test_bad_input_gets_one_clear_line_and_leaves_nothing_behind(manifest, said):
    c = Cluster(nodes=0, etcd_members=1, seed=1)
    with pytest.raises(ApiError) as refused:
        c.apply(manifest)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value).strip()
    assert c.objects("pods", "default") == []
    assert c.objects("deployments", "default") == []


def test_names_that_do_not_exist_are_told():
    c = Cluster(nodes=1, etcd_members=1, seed=1)
    with pytest.raises(ValueError, match="there are etcd-1, control-1, node-1"):
        c.crash("node-9")
    with pytest.raises(ValueError, match=r"there are .*kubelet"):
        c.crash("node-1/kubelt")
    with pytest.raises(ValueError, match=r"no role is called 'scheduler\.scoer'"):
        Cluster(roles={"scheduler.scoer": len})
    assert "doesn't have a resource type" in c.kubectl("get gadgets")
    assert "error:" in c.kubectl("frobnicate")
    assert c.kubectl("get pod x") == 'Error from server (NotFound): pods "x" not found'


def test_a_role_of_yours_takes_the_place_of_ours():
    seen = []

    def score(pod, node_info):
        seen.append(pod["metadata"]["name"])
        return 100 if node_info.node["metadata"]["name"] == "node-3" else 0

    c = Cluster(nodes=3, etcd_members=1, seed=1, roles={"scheduler.score": score})
    c.apply(WEB)
    c.run_until(lambda: c.ready("deployment/web"))
    assert {pod["spec"]["nodeName"] for pod in c.objects("pods", "default")} == {"node-3"}
    assert seen


ADDED_TO_OURS = {role for role, ours in parts.ROLES.items() if ours is None}
RARELY_ASKED = {"raft.next_index"}


@pytest.mark.parametrize("role", sorted(set(parts.ROLES) - ADDED_TO_OURS - RARELY_ASKED))
def test_every_role_is_asked(role):
    asked = []

    def spy(*arguments):
        asked.append(role)
        return parts.ROLES[role](*arguments)

    c = Cluster(nodes=1, etcd_members=3, seed=1, roles={role: spy})
    c.apply(WEB)
    c.run_until(lambda: c.ready("deployment/web"))
    assert asked

"""A tour of the API with the real kubectl: what a user does in a day, each step checked.

A row is a command and a piece of what it prints (or, where it begins with "!", of how it fails).
The newest kubectl at hand takes the tour, and one two minors older where there is one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kube_edu.api import manifest
from tests.live.cluster import Up, folder_of, kubectl_missing

pytestmark = pytest.mark.skipif(
    kubectl_missing() and not os.environ.get("CI"), reason="kubectl is not on this machine"
)

KINDS = manifest.load_all((Path(__file__).parents[1] / "apiserver/kinds.yaml").read_text())

SIGNING = next(obj for obj in KINDS if obj["kind"] == "CertificateSigningRequest")

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: applied}
spec:
  selector: {matchLabels: {app: applied}}
  template:
    metadata: {labels: {app: applied}}
    spec: {containers: [{name: c, image: "nginx:1"}]}
"""
TYPO = WEB.replace("image:", "imagee:")

CREATE = """
create deployment web --image=nginx:1 --replicas=2 | deployment.apps/web created
create configmap cm --from-literal=a=before        | configmap/cm created
create secret generic s --from-literal=a=b         | secret/s created
create serviceaccount sa                           | serviceaccount/sa created
create job j --image=busybox                       | job.batch/j created
create cronjob cj --image=busybox --schedule=@daily| cronjob.batch/cj created
create service clusterip svc --tcp=80              | service/svc created
create service nodeport np --tcp=80                | service/np created
create service externalname en --external-name=a.b | service/en created
create quota q --hard=pods=50                      | resourcequota/q created
create role r --verb=get --resource=pods           | role.rbac.authorization.k8s.io/r created
create rolebinding rb --role=r --user=ann          | rolebinding.rbac.authorization.k8s.io/rb
create clusterrole cr --verb=get --resource=nodes  | clusterrole.rbac.authorization.k8s.io/cr
create clusterrolebinding crb --clusterrole=cr --user=ann | clusterrolebinding.rbac
create ingress i --rule=a.example.com/*=svc:80     | ingress.networking.k8s.io/i created
create pdb p --min-available=0 --selector=app=web  | poddisruptionbudget.policy/p created
create priorityclass pc --value=10                 | priorityclass.scheduling.k8s.io/pc created
create namespace n                                 | namespace/n created
create job manual --from=cronjob/cj                | job.batch/manual created
create deployment d --image=x --dry-run=client -o yaml | replicas: 1
create deployment A_b --image=x                    | !metadata.name: Invalid value: "A_b"
create configmap cm -n nowhere                     | !namespaces "nowhere" not found
create configmap cm                                | !configmaps "cm" already exists
run one --image=nginx:1                            | pod/one created
run two --image=nginx --dry-run=server -o yaml     | imagePullPolicy: Always
run says --image=busybox --restart=Never -- echo hello | pod/says created
run crasher --image=crash:1                        | pod/crasher created
expose deployment web --port=80                    | service/web exposed
autoscale deployment web --min=1 --max=3 --cpu-percent=50 | web autoscaled
rollout status deployment web --timeout=60s        | deployment "web" successfully rolled out
wait --for=condition=Ready pod/one --timeout=60s   | pod/one condition met
"""

READ = """
version                                            | Server Version: v1.33
version -o yaml                                    | gitVersion: v1.33
cluster-info                                       | is running at
api-versions                                       | autoscaling/v2
api-resources --api-group=apps                     | statefulsets
explain deployment.spec.strategy                   | DeploymentStrategy
explain cronjob --recursive                        | concurrencyPolicy
explain pod.spec.nothing                           | !field "nothing" does not exist
get all                                            | deployment.apps/web
get pods                                           | RESTARTS
get pods -o wide                                   | NOMINATED NODE
get pods -A                                        | kube-system
get pods --show-labels                             | app=web
get pods -L run --show-kind                        | pod/one
get pods -l app=web --field-selector status.phase=Running | web-
get pods -l app!=web,run                           | one
get pods -l a=(b                                   | !unable to parse requirement
get pods --field-selector nothing=1                | !field label not supported: nothing
get pods --watch --output-watch-events --request-timeout=1s | ADDED
get pods --subresource=status one -o name          | pod/one
get pods --sort-by=.metadata.name --chunk-size=1   | one
get deployment web -o yaml                         | progressDeadlineSeconds: 600
get deployment web -o json                         | "progressDeadlineSeconds": 600
get deployment web -o name                         | deployment.apps/web
get deployment web -o jsonpath={.spec.replicas}    | 2
get pods -o jsonpath-as-json={.items[*].metadata.name} | "one",
get deployment web -o template --template={{.kind}} | Deployment
get configmap cm -o yaml --show-managed-fields     | a: before
get deployment web -o custom-columns=N:.metadata.name | web
get deployment web -o go-template={{.kind}}        | Deployment
get deployments,services                           | service/web
get hpa web                                        | cpu: <unknown>/50%
get horizontalpodautoscalers.v1.autoscaling web -o yaml | targetCPUUtilizationPercentage: 50
get events.events.k8s.io                           | Scheduled
get nothing                                        | !doesn't have a resource type "nothing"
get pods nothing                                   | !pods "nothing" not found
get --raw /readyz?verbose                          | readyz check passed
get --raw /nothing                                 | !could not find the requested resource
describe nothing                                   | !doesn't have a resource type
describe deployment web                            | ScalingReplicaSet
describe pod one                                   | Successfully assigned
describe node node-1                               | Non-terminated Pods
describe service web                               | Endpoints
events                                             | ScalingReplicaSet
events --for pod/one                               | Started
logs one                                           | ready on
logs one -c one --since=1h --timestamps            | ready on
logs one --limit-bytes=5                           | nginx
logs one --tail=0                                  |
logs one --tail=-2                                 | !--tail must be greater
logs one --previous                                | !previous terminated container "one"
logs one -c other                                  | !container other is not valid for pod one
logs deployment/web                                | ready on
logs -l app=web --tail=1 --prefix                  | [pod/web-
logs -f says --pod-running-timeout=60s             | hello
wait pod/crasher --for=jsonpath={..lastState.terminated.reason}=Error --timeout=60s | met
logs crasher --previous                            | crashes
delete pod crasher --force --grace-period=0        | force deleted
top pods                                           | !Metrics API not available
top nodes                                          | !Metrics API not available
"""

GATE = """
auth can-i create pods                             | yes
auth can-i create pods --as=ann                    | !no
auth can-i --list                                  | Resources
auth can-i --list --as=ann                         | selfsubjectaccessreviews
get pods --as=ann                                  | !cannot list resource "pods"
auth whoami                                        | kubernetes-admin
create token sa                                    | ey
create token default --bound-object-kind=Pod --bound-object-name=one --duration=10m | ey
create token sa --duration=1s                      | !less than 10 minutes
"""

CHANGE = """
label deployment web a=b                           | labeled
label deployment web a=c                           | !already has a value (b)
label deployment web a=c --overwrite               | labeled
label pods --all every=pod                         | pod/one labeled
annotate deployment web a=b                        | annotated
annotate deployment web a-                         | annotated
patch deployment web -p {"spec":{"paused":true}}   | patched
patch deployment web --type=merge -p {"spec":{"paused":null}} | patched
patch deployment web --type=json -p [{"op":"replace","path":"/spec/replicas","value":2}] | patched
patch deployment web --type=json -p [{"op":"test","path":"/kind","value":"Pod"}] | !is invalid
patch deployment web -p {"spec":{"replicas":-1}}   | !must be greater than or equal to 0
patch configmap cm --dry-run=server -o yaml -p {"data":{"x":"y"}} | x: "y"
patch deployment web --subresource=scale --type=merge -p {"spec":{"replicas":3}} | patched
scale deployment web --replicas=2                  | scaled
scale deployment web --replicas=1 --current-replicas=5 | !xpected replicas to be 5
scale deployment web --replicas=1 --resource-version=1 | !xpected resource version to be 1
set image deployment/web nginx=nginx:2             | image updated
set image deployment/web *=nginx:3                 | image updated
set serviceaccount deployment web sa               | serviceaccount updated
set selector service svc app=web                   | selector updated
set subject rolebinding rb --user=ben              | subjects updated
set env deployment/web A=B                         | env updated
set resources deployment web --limits=cpu=100m     | resource requirements updated
rollout restart deployment web                     | restarted
rollout status deployment web --timeout=60s        | successfully rolled out
rollout history deployment web                     | REVISION
rollout history deployment web --revision=1        | Image:
rollout undo deployment web --to-revision=99       | !unable to find specified revision
rollout undo deployment web                        | rolled back
rollout pause deployment web                       | paused
rollout resume deployment web                      | resumed
edit configmap cm                                  | configmap/cm edited
get configmap cm -o jsonpath={.data.a}             | edited
debug one --image=busybox:1 -c debugger            |
get pod one -o jsonpath={.spec.ephemeralContainers[*].name} | debugger
taint nodes node-1 k=v:PreferNoSchedule            | tainted
taint nodes node-1 k=v:PreferNoSchedule            | !already has k taint
taint nodes node-1 k-                              | untainted
cordon node-1                                      | cordoned
cordon node-1                                      | already cordoned
uncordon node-1                                    | uncordoned
certificate deny denied                            | denied
get csr denied                                     | Denied
certificate approve x                              | approved
get csr x                                          | Approved
wait --for=delete pod/nothing --timeout=1s         |
wait --for=condition=Never pod/one --timeout=1s    | !timed out waiting for the condition
wait --for=condition=Ready pod/nothing             | !pods "nothing" not found
wait --for=jsonpath={.status.replicas}=2 deployment/web --timeout=60s | condition met
"""

DELETE = """
create pdb guard --min-available=1 --selector=run=one | created
wait pdb/guard --for=jsonpath={.status.currentHealthy}=1 --timeout=60s | met
drain node-1 --force --pod-selector=run=one --timeout=1s | !violate the pod's disruption budget
get pod one                                        | Running
delete pdb guard                                   | deleted
uncordon node-1                                    | uncordoned
delete deployment applied --cascade=foreground     | deleted
get replicasets -l app=applied                     |
delete deployment web --cascade=orphan             | deleted
get replicasets -l app=web -o name                 | replicaset.apps/web
delete replicasets -l app=web --cascade=background | deleted
delete pod one --now                               | deleted
delete pods -l every=pod,run=says --wait=false     | pod "says" deleted
delete service --field-selector metadata.name=np   | service "np" deleted
delete configmap cm --dry-run=server               | deleted (server dry run)
delete configmap cm                                | deleted
delete configmap cm                                | !configmaps "cm" not found
delete namespace n                                 | deleted
drain node-1 --ignore-daemonsets --force --delete-emptydir-data --timeout=100s | drained
get nodes                                          | SchedulingDisabled
uncordon node-1                                    | uncordoned
"""


@pytest.fixture
def up() -> Iterator[Up]:
    with folder_of("") as folder:
        cluster = Up(folder, "--nodes", "1")
        try:
            cluster.wait()
            yield cluster
        finally:
            cluster.stop()


def walk(up: Up, rows: str) -> None:
    """Every row's command prints what its row says."""
    for row in rows.strip("\n").splitlines():
        command, _, expected = row.partition("|")
        done = up.try_kubectl(*command.split())
        expected, said = expected.strip(), done.stdout + done.stderr
        fails = expected.startswith("!")
        assert (done.returncode != 0) == fails, f"kubectl {command}:\n{said}"
        assert expected.removeprefix("!") in said, f"kubectl {command}:\n{said}"


@pytest.mark.parametrize("version", ["newest", "1.31"])
def test_kubectl_takes_the_tour(up: Up, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if version != "newest":
        older = Path(shutil.which("kubectl") or "").resolve().with_name(f"kubectl.{version}")
        if not older.exists():
            pytest.skip(f"kubectl {version} is not on this machine")
        up.program = str(older)
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/before/edited/")
    walk(up, CREATE)
    assert up.kubectl("apply", "-f", "-", stdin=WEB) == "deployment.apps/applied created\n"
    assert up.kubectl("apply", "-f", "-", stdin=WEB) == "deployment.apps/applied unchanged\n"
    more = WEB.replace("nginx:1", "nginx:2")
    difference = up.try_kubectl("diff", "-f", "-", stdin=more)
    assert difference.returncode == 1 and "+      - image: nginx:2" in difference.stdout
    assert up.kubectl("replace", "-f", "-", stdin=more) == "deployment.apps/applied replaced\n"
    refused = up.try_kubectl("apply", "-f", "-", stdin=TYPO)
    assert 'unknown field "spec.template.spec.containers[0].imagee"' in refused.stderr
    assert up.kubectl("replace", "--force", "-f", "-", stdin=more).endswith(" replaced\n")
    for name in ("x", "denied"):
        request = {**SIGNING, "metadata": {"name": name}}
        assert "created" in up.kubectl("create", "-f", "-", stdin=json.dumps(request))
    for rows in (READ, GATE, CHANGE, DELETE):
        walk(up, rows)


def test_every_kind_is_applied_shown_described_and_explained(up: Up) -> None:
    manifests = json.dumps({"apiVersion": "v1", "kind": "List", "items": KINDS})
    applied = up.kubectl("apply", "-f", "-", "--dry-run=server", stdin=manifests)
    assert applied.count("(server dry run)") == len(KINDS)
    up.kubectl("apply", "-f", "-", stdin=manifests)
    kinds = up.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    up.kubectl("get", ",".join(kinds), "-A", "-o", "wide")
    described = up.kubectl("describe", ",".join(kinds))
    assert described.count("\nName:  ") >= len(KINDS) - 1
    for kind in kinds:
        assert "FIELDS:" in up.kubectl("explain", kind.partition(".")[0])

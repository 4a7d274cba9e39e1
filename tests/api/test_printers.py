"""What `kubectl get` shows."""

import pytest

from kube_edu.api import tables
from kube_edu.api.duration import human_duration
from kube_edu.api.meta import timestamp
from kube_edu.api.printers import columns_of, table
from kube_edu.api.resources import STORED, resource_of
from tests.api.manifests import admitted, config, deployment, pod, service

NOW = 1_700_000_000.0
MINUTE, HOUR, DAY = 60, 3600, 86400


def cells(obj) -> dict[str, object]:
    """One object's row, by column."""
    shown = table(resource_of(obj), [obj], NOW)
    columns = [column["name"] for column in shown["columnDefinitions"]]
    return dict(zip(columns, shown["rows"][0]["cells"], strict=True))


def created(obj, ago: float):
    return obj | {"metadata": obj["metadata"] | {"creationTimestamp": timestamp(NOW - ago)}}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-0.5, "0s"),
        (119, "119s"),
        (2 * MINUTE, "2m"),
        (2 * MINUTE + 30, "2m30s"),
        (10 * MINUTE + 30, "10m"),
        (3 * HOUR, "3h"),
        (5 * HOUR + 7 * MINUTE, "5h7m"),
        (8 * HOUR + 7 * MINUTE, "8h"),
        (2 * DAY, "2d"),
        (3 * DAY + 4 * HOUR, "3d4h"),
        (30 * DAY, "30d"),
        (2 * 365 * DAY, "2y"),
        (2 * 365 * DAY + DAY, "2y1d"),
        (9 * 365 * DAY + DAY, "9y"),
    ],
)
def test_durations_are_told_to_two_digits_or_so(seconds, text):
    assert human_duration(seconds) == text


def container(name="c", ready=False, restarts=0, last=None, **state):
    ended = {"lastState": {"terminated": {"finishedAt": timestamp(last)}}} if last else {}
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state, **ended}


RUNNING = container(ready=True, running={})
READY = {"type": "Ready", "status": "True"}


def completed(name):
    return container(name, terminated={"exitCode": 0, "reason": "Completed"})


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ({"phase": "Pending"}, "0/1 Pending 0"),
        ({"phase": "Running", "containerStatuses": [RUNNING]}, "1/1 Running 0"),
        ({"phase": "Failed", "reason": "Evicted"}, "0/1 Evicted 0"),
        ({"phase": "Pending", "containerStatuses": [
            container(waiting={"reason": "ContainerCreating"})]}, "0/1 ContainerCreating 0"),
        ({"phase": "Running", "containerStatuses": [
            container(restarts=3, last=NOW - 40, waiting={"reason": "CrashLoopBackOff"})]},
         "0/1 CrashLoopBackOff 3 (40s ago)"),
        ({"phase": "Failed", "containerStatuses": [container(terminated={"exitCode": 3})]},
         "0/1 ExitCode:3 0"),
        ({"phase": "Failed", "containerStatuses": [container(terminated={"signal": 9})]},
         "0/1 Signal:9 0"),
        ({"phase": "Succeeded", "containerStatuses": [completed("c")]}, "0/1 Completed 0"),
        ({"phase": "Running", "conditions": [READY],
          "containerStatuses": [completed("a"), RUNNING]}, "1/1 Running 0"),
        ({"phase": "Running", "containerStatuses": [completed("a"), RUNNING]}, "1/1 NotReady 0"),
        ({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]},
         "0/1 SchedulingGated 0"),
    ],
)  # fmt: skip
def test_a_pods_status_is_its_most_telling_word(status, shown):
    row = cells(pod() | {"status": status})
    assert f"{row['Ready']} {row['Status']} {row['Restarts']}" == shown


@pytest.mark.parametrize(
    ("statuses", "shown"),
    [
        ([container("a", running={})], "Init:0/2"),
        ([completed("a"), container("b", waiting={"reason": "PodInitializing"})], "Init:1/2"),
        ([container("a", waiting={"reason": "ImagePullBackOff"})], "Init:ImagePullBackOff"),
        ([container("a", terminated={"exitCode": 1, "reason": "Error"})], "Init:Error"),
        ([container("a", terminated={"exitCode": 7})], "Init:ExitCode:7"),
    ],
)
def test_while_a_pod_initializes_its_init_containers_are_told_of(statuses, shown):
    manifest = pod(initContainers=[{"name": "a", "image": "i"}, {"name": "b", "image": "i"}])
    manifest["status"] = {"phase": "Pending", "initContainerStatuses": statuses}
    assert cells(manifest)["Status"] == shown


def test_a_sidecar_counts_as_a_container():
    sidecar = {"name": "side", "image": "i", "restartPolicy": "Always"}
    running = container("side", ready=True, restarts=1, running={}) | {"started": True}
    manifest = pod(initContainers=[sidecar])
    manifest["status"] = {
        "phase": "Running",
        "initContainerStatuses": [running],
        "containerStatuses": [RUNNING],
    }
    row = cells(manifest)
    assert (row["Ready"], row["Status"], row["Restarts"]) == ("2/2", "Running", "1")


def test_a_pod_that_is_being_deleted_is_terminating():
    manifest = pod() | {"status": {"phase": "Running", "containerStatuses": [RUNNING]}}
    manifest["metadata"]["deletionTimestamp"] = timestamp(NOW)
    assert cells(manifest)["Status"] == "Terminating"
    lost = manifest | {"status": {"phase": "Running", "reason": "NodeLost"}}
    assert cells(lost)["Status"] == "Unknown"


def test_wide_pods_show_where_they_are():
    manifest = pod(nodeName="node-1", readinessGates=[{"conditionType": "ready.example/x"}])
    manifest["status"] = {"phase": "Running", "podIP": "10.1.0.7"}
    row = cells(created(manifest, 90))
    assert row["Age"] == "90s"
    assert (row["IP"], row["Node"], row["Nominated Node"]) == ("10.1.0.7", "node-1", "<none>")
    assert row["Readiness Gates"] == "0/1"


def test_workloads_show_their_counts_and_templates():
    web = admitted(deployment(replicas=3))
    web["status"] = {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}
    row = cells(created(web, 5 * HOUR))
    assert list(row.values()) == ["web", "2/3", 3, 1, "5h", "c", "nginx", "app=web"]


def test_services_show_their_addresses_and_ports():
    assert list(cells(admitted(service())).values()) == [
        "web", "ClusterIP", "<none>", "<none>", "80/TCP", "<unknown>", "app=web"
    ]  # fmt: skip
    balanced = service(type="LoadBalancer", ports=[{"port": 80, "nodePort": 30080}], clusterIP="x")
    row = cells(admitted(balanced))
    assert (row["External-IP"], row["Port(s)"]) == ("<pending>", "80:30080/TCP")
    named = admitted(service(type="ExternalName", externalName="db.example", ports=None))
    assert cells(named)["External-IP"] == "db.example"
    assert cells(named)["Port(s)"] == "<none>"


def node(ready, **spec):
    labels = {"node-role.kubernetes.io/worker": ""}
    conditions = [{"type": "Ready", "status": ready}] if ready else []
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n", "labels": labels},
        "spec": spec,
        "status": {"conditions": conditions},
    }


def test_nodes_show_whether_they_take_pods():
    assert cells(node("True"))["Status"] == "Ready"
    assert cells(node("Unknown"))["Status"] == "NotReady"
    assert cells(node(""))["Status"] == "Unknown"
    row = cells(node("True", unschedulable=True))
    assert row["Status"] == "Ready,SchedulingDisabled"
    assert row["Roles"] == "worker"
    assert row["Internal-IP"] == "<none>"
    assert row["OS-Image"] == "<unknown>"


def test_long_lists_of_endpoints_are_cut():
    endpoints = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "web"}}
    addresses = [{"ip": f"10.0.0.{i}"} for i in range(1, 6)]
    some = endpoints | {"subsets": [{"addresses": addresses, "ports": [{"port": 80}]}]}
    assert cells(endpoints)["Endpoints"] == "<none>"
    assert cells(some)["Endpoints"] == "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more..."
    slice = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-x"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"]}],
        "ports": [{"port": 80}, {"name": "any"}],
    }
    assert list(cells(slice).values())[1:4] == ["IPv4", "80,any", "10.0.0.1"]
    assert cells(slice | {"endpoints": [], "ports": []})["Endpoints"] == "<unset>"


def test_events_show_what_happened_to_what():
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web.1"},
        "involvedObject": {"kind": "Pod", "name": "web"},
        "type": "Normal",
        "reason": "Pulled",
        "message": "Image pulled",
        "source": {"component": "kubelet", "host": "node-1"},
        "lastTimestamp": timestamp(NOW - 30),
    }
    row = cells(event)
    assert row["Last Seen"] == "30s"
    assert row["Object"] == "pod/web"
    assert row["Source"] == "kubelet, node-1"
    assert row["Count"] == 1


def test_rows_carry_what_was_asked_for():
    obj = config(data={"a": "1", "b": "2"})
    resource = resource_of(obj)
    shown = table(resource, [obj], NOW, metadata={"resourceVersion": "7"})
    assert shown["metadata"] == {"resourceVersion": "7"}
    row = shown["rows"][0]
    assert row["cells"] == ["settings", 2, "<unknown>"]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"] == obj["metadata"]
    assert table(resource, [obj], NOW, include="Object")["rows"][0]["object"] is obj
    assert "object" not in table(resource, [obj], NOW, include="None")["rows"][0]


def test_every_kind_has_columns_and_the_first_is_its_name():
    assert {resource.kind for resource in STORED} == set(tables.read("columns"))
    for kind in tables.read("columns"):
        names = [column.name for column in columns_of(kind)]
        assert len(names) == len(set(names))
        assert kind == "Event" or names[0] == "Name"


def test_a_job_shows_how_far_it_is():
    status = {"succeeded": 1, "startTime": timestamp(NOW - 90), "completionTime": timestamp(NOW)}
    done = {"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": "j"}}
    done |= {"spec": {"completions": 3}, "status": status}
    row = cells(done)
    assert (row["Status"], row["Completions"], row["Duration"]) == ("Running", "1/3", "90s")
    queue = done | {"spec": {"parallelism": 5}}
    assert cells(queue)["Completions"] == "1/1 of 5"
    done["status"]["conditions"] = [{"type": "Complete", "status": "True"}]
    assert cells(done)["Status"] == "Complete"


def test_an_autoscaler_shows_what_is_and_what_is_wanted():
    def cpu(part, **amount):
        return {"type": "Resource", "resource": {"name": "cpu", part: amount}}

    hpa = {"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2"}
    hpa["metadata"] = {"name": "h"}
    hpa["spec"] = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}
    hpa["spec"]["metrics"] = [cpu("target", averageUtilization=80)]
    assert cells(hpa)["Targets"] == "cpu: <unknown>/80%"
    hpa["status"] = {"currentMetrics": [cpu("current", averageUtilization=12)]}
    assert cells(hpa)["Targets"] == "cpu: 12%/80%"
    hpa["spec"]["metrics"] *= 3
    assert cells(hpa)["Targets"] == "cpu: 12%/80%, cpu: 12%/80% + 1 more..."


def test_a_quota_shows_what_is_used_of_what():
    hard = {"requests.cpu": "2", "pods": "10", "limits.cpu": "4"}
    quota = {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "q"}}
    quota["status"] = {"hard": hard, "used": {"pods": "3", "limits.cpu": "1"}}
    row = cells(quota)
    assert row["Request"] == "pods: 3/10, requests.cpu: 0/2"
    assert row["Limit"] == "limits.cpu: 1/4"


def test_a_claim_a_class_and_a_signing_request():
    claim = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": {"name": "c"}}
    claim["status"] = {"phase": "Bound", "accessModes": ["ReadWriteOnce", "ReadWriteOncePod"]}
    assert (cells(claim)["Status"], cells(claim)["Access Modes"]) == ("Bound", "RWO,RWOP")
    standard = {"kind": "StorageClass", "apiVersion": "storage.k8s.io/v1"}
    mark = {"storageclass.kubernetes.io/is-default-class": "true"}
    standard["metadata"] = {"name": "standard", "annotations": mark}
    assert cells(standard)["Name"] == "standard (default)"
    request = {"kind": "CertificateSigningRequest", "apiVersion": "certificates.k8s.io/v1"}
    request |= {"metadata": {"name": "r"}, "spec": {"expirationSeconds": 86400}}
    assert (cells(request)["Condition"], cells(request)["RequestedDuration"]) == ("Pending", "24h")
    request["status"] = {"conditions": [{"type": "Approved"}], "certificate": "YQ=="}
    assert cells(request)["Condition"] == "Approved,Issued"

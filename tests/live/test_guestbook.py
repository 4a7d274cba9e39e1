"""The whole way with the machine's own kubectl: the guestbook on a live cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest

from tests.live.cluster import REPOSITORY, Up, folder_of, kubectl_missing

pytestmark = pytest.mark.skipif(
    kubectl_missing() and not os.environ.get("CI"), reason="there is no kubectl here"
)

GUESTBOOK = str(Path(__file__).with_name("guestbook.yaml"))
USERS = ["root", "nobody"] if os.geteuid() == 0 else ["me"]


@pytest.fixture(scope="module", params=USERS)
def up(request: pytest.FixtureRequest) -> Iterator[Up]:
    """A cluster with the guestbook on it, run by root and by nobody."""
    with folder_of(request.param) as folder:
        running = Up(folder, "--nodes", "3", user=request.param)
        try:
            running.wait()
            running.kubectl("apply", "-f", GUESTBOOK)
            for name in ("redis-leader", "redis-follower", "frontend"):
                running.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")
            yield running
        finally:
            running.stop()


def test_all_nodes_are_ready(up: Up) -> None:
    lines = up.kubectl("get", "nodes", "--no-headers").splitlines()
    assert [line.split()[:2] for line in lines] == [[f"node-{n}", "Ready"] for n in (1, 2, 3)]
    up.kubectl("wait", "--for=condition=Available", "deployment", "--all", "--timeout=60s")


def test_a_request_to_the_frontend_passes_through_all_tiers(up: Up) -> None:
    page = fetch(f"{frontend(up)}/")
    assert page.startswith("Guestbook v1 on frontend-")
    fetch(f"{frontend(up)}/?guest={urllib.parse.quote('Ada & Grace')}")
    eventually(lambda: "Ada & Grace" in fetch(f"{frontend(up)}/"))


def test_the_service_spreads_requests_over_its_pods(up: Up) -> None:
    eventually(lambda: len({fetch(f"{frontend(up)}/").split()[3] for _ in range(12)}) == 3)


def test_scaling(up: Up) -> None:
    for replicas in (5, 3):
        up.kubectl("scale", "deployment/frontend", f"--replicas={replicas}")
        up.kubectl("rollout", "status", "deployment/frontend", "--timeout=60s")
        eventually(lambda n=replicas: len(pods(up, "app=guestbook")) == n)  # type: ignore[misc]


def test_rolling_to_a_new_image_and_back(up: Up) -> None:
    up.kubectl("set", "image", "deployment/frontend", "web=python:3.13")
    up.kubectl("rollout", "status", "deployment/frontend", "--timeout=120s")
    assert image(up) == "python:3.13"
    assert "Guestbook" in fetch(f"{frontend(up)}/")
    assert len(up.kubectl("rollout", "history", "deployment/frontend").splitlines()) >= 4
    up.kubectl("rollout", "undo", "deployment/frontend")
    up.kubectl("rollout", "status", "deployment/frontend", "--timeout=120s")
    assert image(up) == "python:3.12"
    assert "Guestbook" in fetch(f"{frontend(up)}/")


def test_logs(up: Up) -> None:
    assert "the guestbook is open" in up.kubectl("logs", "deployment/frontend")
    stamped = up.kubectl("logs", "deployment/redis-leader", "--tail=1", "--timestamps")
    assert stamped[:2] == "20" and len(stamped.splitlines()) == 1


def test_a_log_is_followed_to_its_end(up: Up) -> None:
    script = "for n in 1 2 3; do echo line $n; sleep 0.3; done"
    up.kubectl("run", "once", "--image=busybox", "--restart=Never", "--", "sh", "-c", script)
    lines = "line 1\nline 2\nline 3\n"
    eventually(lambda: up.try_kubectl("logs", "-f", "once").stdout == lines)
    up.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/once", "--timeout=30s")
    up.kubectl("delete", "pod", "once")


def test_a_deleted_pod_is_replaced(up: Up) -> None:
    victim = pods(up, "app=guestbook")[0]
    up.kubectl("delete", "pod", victim)
    up.kubectl("rollout", "status", "deployment/frontend", "--timeout=60s")
    left = pods(up, "app=guestbook")
    assert victim not in left and len(left) == 3


def test_an_unknown_image_waits_in_back_off(up: Up) -> None:
    up.kubectl("run", "typo", "--image=ngnix:1.27")
    reason = "jsonpath={.status.containerStatuses[0].state.waiting.reason}"
    eventually(lambda: up.kubectl("get", "pod", "typo", "-o", reason) == "ImagePullBackOff")
    up.kubectl("delete", "pod", "typo", "--now")


def test_a_static_pod_of_node_1(up: Up) -> None:
    manifest = up.folder / "manifests" / "hello.yaml"
    manifest.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: hello}\n"
        "spec: {containers: [{name: hello, image: 'pause:3.10'}]}\n"
    )
    phase = "jsonpath={.status.phase}"
    ask = ("get", "pod", "hello-node-1", "-o", phase, "--ignore-not-found")
    eventually(lambda: up.kubectl(*ask) == "Running")
    manifest.unlink()
    eventually(lambda: up.kubectl(*ask) == "")


@pytest.mark.parametrize("ask", [dns.query.udp, dns.query.tcp])
def test_the_clusters_dns_answers_on_this_machine(up: Up, ask: Any) -> None:
    server = cluster_ip(up, "kube-dns", "-n", "kube-system")
    address, port = dial(up, server, 53)
    query = dns.message.make_query("redis-leader.default.svc.cluster.local", "A")
    reply = ask(query, address, port=port, timeout=5)
    assert [str(record[0]) for record in reply.answer] == [cluster_ip(up, "redis-leader")]


BAD_MANIFESTS = {
    "not YAML": ("a: b: c", "error converting YAML to JSON"),
    "an unknown kind": (
        "{apiVersion: v1, kind: Pot, metadata: {name: x}}",
        'no matches for kind "Pot" in version "v1"',
    ),
    "a field of the wrong type": (
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {a: [1]}}",
        "ConfigMap",
    ),
    "no name": (
        "{apiVersion: v1, kind: ConfigMap, metadata: {}}",
        "resource name may not be empty",
    ),
    "an invalid name": (
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: Bad_Name}}",
        'metadata.name: Invalid value: "Bad_Name"',
    ),
}


@pytest.mark.parametrize("raw", [False, True], ids=["by kubectl", "by the server"])
@pytest.mark.parametrize("case", BAD_MANIFESTS)
def test_a_bad_manifest_is_refused_and_changes_nothing(up: Up, case: str, raw: bool) -> None:
    """kubectl looks at a manifest itself before it sends it, unless it is told not to. The server
    says what is wrong in one line."""
    manifest, message = BAD_MANIFESTS[case]
    before = up.kubectl("get", "configmaps,pods", "-o", "name")
    path = "/api/v1/namespaces/default/configmaps"
    verb = ("create", "--raw", path) if raw else ("apply",)
    done = up.try_kubectl(*verb, "-f", "-", stdin=manifest)
    assert done.returncode != 0
    if raw:
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    else:
        assert message in done.stderr
    assert up.kubectl("get", "configmaps,pods", "-o", "name") == before


def test_stopped_and_started_again_it_goes_on_with_its_data() -> None:
    """And nothing outlives it: no process, no lock."""
    with folder_of("root") as folder:
        first = Up(folder, "--nodes", "1", "--etcd-members", "1")
        first.wait("node-1")
        first.kubectl("create", "deployment", "web", "--image=nginx")
        first.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        identity = ("get", "deployment,namespace", "-A", "-o", "jsonpath={.items[*].metadata.uid}")
        before = first.kubectl(*identity)
        first.stop()
        assert containers_below(folder) == []

        second = Up(folder, "--nodes", "1")
        try:
            second.wait("node-1")
            assert second.kubectl(*identity) == before
            eventually(lambda: len(containers_below(folder)) == 1)
            second.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
            address = second.kubectl(
                "get", "pod", "-l", "app=web", "-o", "jsonpath={.items[0].status.podIP}"
            )
            host, port = dial(second, address, 80)
            eventually(lambda: "Welcome" in fetch(f"http://{host}:{port}/"))
        finally:
            second.process.kill()
            second.process.wait()
        eventually(lambda: containers_below(folder) == [])


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="makes a namespace")
def test_on_a_system_that_has_nothing_but_127_0_0_1() -> None:
    """As macOS is: every address is but a name in the dial map."""
    alone = "ip link set lo up && ip addr flush dev lo && ip addr add 127.0.0.1/32 dev lo"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", f'{alone} && exec "$@"', "sh",
         sys.executable, "-m", "pytest", __file__, "-q", "-k", "root and (tiers or dns or logs)"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def frontend(up: Up) -> str:
    """The frontend's ClusterIP, or for who cannot bind port 80 its NodePort."""
    if up.prefix or os.geteuid() != 0:
        port = up.kubectl("get", "service", "frontend", "-o", "jsonpath={.spec.ports[0].nodePort}")
        return f"http://127.0.0.1:{port}"
    host, port = dial(up, cluster_ip(up, "frontend"), 80)
    return f"http://{host}:{port}"


def cluster_ip(up: Up, name: str, *options: str) -> str:
    return up.kubectl("get", "service", name, *options, "-o", "jsonpath={.spec.clusterIP}")


def dial(up: Up, address: str, port: int) -> tuple[str, int]:
    """Where an address can really be reached: see kube_edu.kubelet.cni.loopback."""
    for line in (up.folder / "dial").read_text().splitlines():
        there, here = line.split()
        if there == f"{address}:{port}":
            address, _, stand_in = here.rpartition(":")
            port = int(stand_in)
    return address, port


def pods(up: Up, selector: str) -> list[str]:
    """Pods that are not on their way out."""
    found = json.loads(up.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
    live = [pod["metadata"] for pod in found if "deletionTimestamp" not in pod["metadata"]]
    return [metadata["name"] for metadata in live]


def image(up: Up) -> str:
    path = "jsonpath={.spec.template.spec.containers[0].image}"
    return up.kubectl("get", "deployment", "frontend", "-o", path)


def fetch(url: str) -> str:
    """A page; kube-proxy takes up to a second to hear of a change, so asked for again."""
    for _ in range(30):
        try:
            return _fetch(url)
        except OSError:
            time.sleep(0.1)
    return _fetch(url)


def _fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def eventually(condition: Any) -> None:
    for _ in range(300):
        if condition():
            return
        time.sleep(0.1)
    assert condition()


def containers_below(folder: Path) -> list[int]:
    """Processes whose environment says that they are containers of a cluster."""
    mark = f"KUBE_EDU_ROOT={folder}/".encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if any(v.startswith(mark) for v in environment.read_bytes().split(b"\0")):
                found.append(int(environment.parent.name))
        except OSError:
            continue
    return found

"""The life of pods on a node."""

from __future__ import annotations

import itertools

from kube_edu.api import meta
from tests.kubelet.world import World


def test_a_pod_runs_and_becomes_ready() -> None:
    world = World()
    world.pod("web")
    world.run(3)
    status = world.get("web")["status"]
    assert status["phase"] == "Running"
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": "True",
        "ContainersReady": "True",
        "PodScheduled": "True",
    }
    assert status["podIP"] == "10.244.1.2" and status["hostIP"] == "192.168.1.1"
    container = status["containerStatuses"][0]
    assert container["ready"] and container["started"] and container["restartCount"] == 0
    assert "running" in container["state"]
    assert "Served by web<" in world.get_url("/", "10.244.1.2")


def test_its_events_are_the_ones_that_kubectl_describe_shows() -> None:
    world = World()
    world.pod("web")
    world.run(3)
    assert [
        m.partition(" in ")[0] for m in world.events("Pulling", "Pulled", "Created", "Started")
    ] == [
        'Pulling image "nginx"',
        'Successfully pulled image "nginx"',
        "Created container: c",
        "Started container c",
    ]


def test_init_containers_run_one_after_the_other_before_the_rest() -> None:
    world = World()
    world.create("""
        apiVersion: v1
        kind: Pod
        metadata: {name: p}
        spec:
          initContainers:
          - {name: one, image: busybox, command: [sleep, "5"]}
          - {name: two, image: busybox, command: [sleep, "5"]}
          containers:
          - {name: c, image: nginx}
        """)
    world.run(4)
    status = world.get()["status"]
    assert status["phase"] == "Pending"
    assert "running" in status["initContainerStatuses"][0]["state"]
    assert status["initContainerStatuses"][1]["state"]["waiting"]["reason"] == "PodInitializing"
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"
    initialized = meta.find_condition(world.get(), "Initialized")
    assert initialized is not None
    assert initialized["message"] == "containers with incomplete status: [one two]"
    world.run(12)
    assert world.phase() == "Running"
    assert meta.condition_is(world.get(), "Ready")


def test_a_container_that_ends_well_completes_its_pod() -> None:
    world = World()
    world.pod(image="busybox", container="command: [sleep, '2']", spec="restartPolicy: Never")
    world.run(6)
    assert world.phase() == "Succeeded"
    assert world.container()["state"]["terminated"]["reason"] == "Completed"
    ready = meta.find_condition(world.get(), "Ready")
    assert ready is not None and ready["reason"] == "PodCompleted"


def test_a_container_that_fails_fails_its_pod_if_it_is_never_restarted() -> None:
    world = World()
    world.pod(image="busybox", container="command: [sh, -c, exit 3]", spec="restartPolicy: Never")
    world.run(5)
    assert world.phase() == "Failed"
    assert world.container()["state"]["terminated"]["exitCode"] == 3


def test_on_failure_restarts_until_it_ends_well() -> None:
    world = World()
    world.create("""
        apiVersion: v1
        kind: Pod
        metadata: {name: p}
        spec:
          restartPolicy: OnFailure
          volumes: [{name: v, emptyDir: {}}]
          containers:
          - name: c
            image: busybox
            command: [sh, -c, "cat /v/been && exit 0; touch /v/been; exit 1"]
            volumeMounts: [{name: v, mountPath: /v}]
        """)
    world.run(20)
    assert world.phase() == "Succeeded"
    assert world.container()["restartCount"] == 1


def test_crash_loop_back_off_doubles() -> None:
    world = World()
    world.pod(image="crash")
    world.run(200)
    starts = [
        event.time for event in world.simulation.trace.select("kubelet.container", state="running")
    ]
    gaps = [round(b - a) for a, b in itertools.pairwise(starts)]
    # each run takes half a second, and starting a tenth
    assert gaps == [1, 11, 21, 41, 81]
    container = world.container()
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert container["state"]["waiting"]["message"].startswith(
        "back-off 2m40s restarting failed container=c pod=p_default("
    )
    assert container["lastState"]["terminated"]["reason"] == "Error"
    assert container["restartCount"] == 5
    assert world.phase() == "Running"


def test_an_image_that_no_registry_has() -> None:
    world = World()
    world.pod(image="nosuch:1")
    world.run(2)
    waiting = world.container()["state"]["waiting"]
    assert waiting["reason"] == "ErrImagePull"
    assert "nosuch:1: not found" in waiting["message"]
    world.run(4)
    waiting = world.container()["state"]["waiting"]
    assert waiting["reason"] == "ImagePullBackOff"
    assert waiting["message"].startswith('Back-off pulling image "nosuch:1": ErrImagePull: ')
    assert world.phase() == "Pending"


def test_a_missing_config_map_holds_the_container_until_it_is_there() -> None:
    world = World()
    world.pod(container="envFrom: [{configMapRef: {name: settings}}]")
    world.run(5)
    waiting = world.container()["state"]["waiting"]
    assert waiting == {
        "reason": "CreateContainerConfigError",
        "message": 'configmap "settings" not found',
    }
    world.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {A: b}}")
    world.run(15)
    assert world.phase() == "Running"


def test_deletion_gives_time_to_stop_and_then_removes_the_pod() -> None:
    world = World()
    world.pod(image="busybox", container="command: [sleep, infinity]")  # deaf to SIGTERM
    world.run(3)
    world.delete()
    world.run(28)
    assert world.exists()
    world.run(5)
    assert not world.exists()
    assert world.events("Killing") == ["Stopping container c"]
    assert world.ask(world.runtime.list_pod_sandbox()) == []


def test_a_program_that_heeds_sigterm_is_gone_at_once() -> None:
    world = World()
    world.pod()
    world.run(3)
    world.delete()
    world.run(1)
    assert not world.exists()


def test_a_restarted_kubelet_adopts_what_runs() -> None:
    world = World()
    world.pod()
    world.run(3)
    before = world.container()
    world.node.kill("kubelet")
    world.run(5)
    written = world.api.version
    world.node.revive("kubelet")
    world.run(5)
    assert world.container() == before
    assert int(world.get()["metadata"]["resourceVersion"]) <= written


def test_an_adopted_pod_keeps_its_volumes() -> None:
    world = World()
    world.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}, data: {a: one}}")
    world.pod(
        image="busybox",
        container="args: [sh, -c, 'cat /v/a; sleep 10'], volumeMounts: [{name: v, mountPath: /v}]",
        spec="volumes: [{name: v, configMap: {name: cm}}]",
    )
    world.run(3)
    world.node.kill("kubelet")
    world.node.revive("kubelet")
    world.run(12)
    assert world.container()["restartCount"] == 1
    assert world.logs() == "one\n"


def test_a_restarted_kubelet_removes_what_nobody_wants() -> None:
    world = World()
    world.pod()
    world.run(3)
    world.node.kill("kubelet")
    world.delete(grace=0)
    world.node.revive("kubelet")
    world.run(5)
    assert world.ask(world.runtime.list_pod_sandbox()) == []


def test_a_pod_survives_a_power_cut_with_a_restart() -> None:
    world = World()
    world.pod()
    world.run(3)
    world.node.crash()
    world.run(5)
    world.node.restart()
    world.run(5)
    container = world.container()
    assert container["restartCount"] == 1
    assert container["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert meta.condition_is(world.get(), "Ready")


def test_a_finished_pod_is_not_run_again_after_a_power_cut() -> None:
    world = World()
    world.pod(image="busybox", container="command: ['true']", spec="restartPolicy: Never")
    world.run(5)
    world.node.crash()
    world.node.restart()
    world.run(5)
    assert world.phase() == "Succeeded"
    assert world.ask(world.runtime.list_containers()) == []


def test_a_new_image_replaces_the_container_in_its_pod() -> None:
    world = World()
    world.pod()
    world.run(3)
    patch = {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}
    world.ask(world.client.patch("pods", "p", "default", patch, kind="strategic"))
    world.run(3)
    assert world.container()["image"] == "nginx:2"
    assert world.container()["restartCount"] == 1
    assert world.events("Killing") == ["Container c definition changed, will be restarted"]


def test_status_is_written_only_when_it_changes() -> None:
    world = World()
    world.pod()
    world.run(5)
    before = world.get()["metadata"]["resourceVersion"]
    world.run(60)
    assert world.get()["metadata"]["resourceVersion"] == before


def test_what_others_wrote_over_the_status_is_put_right() -> None:
    world = World()
    world.pod()
    world.run(5)
    wrong = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    world.ask(
        world.client.patch("pods", "p", "default", wrong, kind="strategic", subresource="status")
    )
    world.run(2)
    assert meta.condition_is(world.get(), "Ready")


def test_two_containers_share_an_empty_dir() -> None:
    world = World()
    world.create("""
        apiVersion: v1
        kind: Pod
        metadata: {name: p}
        spec:
          volumes: [{name: shared, emptyDir: {}}]
          containers:
          - name: c
            image: busybox
            command: [sh, -c, "sleep 2; cat /in/word; sleep 100"]
            volumeMounts: [{name: shared, mountPath: /in}]
          - name: writer
            image: busybox
            command: [sh, -c, "echo hello > /out/word; sleep 100"]
            volumeMounts: [{name: shared, mountPath: /out}]
        """)
    world.run(8)
    assert world.logs() == "hello\n"

from __future__ import annotations

import asyncio
from typing import Any

from kube_edu.api import meta
from kube_edu.host import Request, Response
from kube_edu.kubelet.cri.context import ContainerContext
from tests.kubelet.world import World


class Patient:
    """A program whose health a test decides."""

    def __init__(self, *, slow: float = 0.0) -> None:
        self.healthy = True
        self.slow = slow
        self.asked: list[str] = []

    async def run(self, container: ContainerContext) -> int:
        async def serve(source: str, request: Any) -> Response:
            assert isinstance(request, Request)
            self.asked.append(request.path)
            await asyncio.sleep(self.slow)
            return Response(200 if self.healthy else 500)

        container.listen(80, serve)
        await container.terminated.wait()
        return 0


HTTP = "httpGet: {path: /healthz, port: 80}"


def test_readiness_decides_whether_the_pod_is_ready() -> None:
    patient = Patient()
    world = World(images={"nginx": patient.run})
    patient.healthy = False
    world.pod(container=f"readinessProbe: {{{HTTP}, periodSeconds: 5}}")
    world.run(10)
    assert not meta.condition_is(world.get(), "Ready")
    ready = meta.find_condition(world.get(), "Ready")
    assert ready is not None and ready["message"] == "containers with unready status: [c]"
    patient.healthy = True
    world.run(6)
    assert meta.condition_is(world.get(), "Ready")
    patient.healthy = False
    world.run(9)  # two failures of the three that it takes
    assert meta.condition_is(world.get(), "Ready")
    world.run(6)
    assert not meta.condition_is(world.get(), "Ready")
    assert world.container()["restartCount"] == 0
    assert world.events("Unhealthy") == [
        "Readiness probe failed: HTTP probe failed with statuscode: 500"
    ]


def test_liveness_restarts_the_container() -> None:
    patient = Patient()
    world = World(images={"nginx": patient.run})
    world.pod(container=f"livenessProbe: {{{HTTP}, periodSeconds: 2, failureThreshold: 2}}")
    world.run(5)
    patient.healthy = False
    world.run(4)
    patient.healthy = True
    world.run(3)
    assert world.container()["restartCount"] == 1
    assert world.events("Killing") == ["Container c failed liveness probe, will be restarted"]


def test_startup_keeps_the_others_waiting() -> None:
    patient = Patient()
    patient.healthy = False
    world = World(images={"nginx": patient.run})
    world.pod(
        container="startupProbe: {httpGet: {path: /started, port: 80}, periodSeconds: 2,"
        "failureThreshold: 9},"
        f"livenessProbe: {{{HTTP}, periodSeconds: 2, failureThreshold: 1}}"
    )
    world.run(5)
    assert set(patient.asked) == {"/started"}
    assert world.container()["started"] is False
    patient.healthy = True
    world.run(5)
    assert world.container()["started"] is True and world.container()["restartCount"] == 0
    assert "/healthz" in patient.asked
    world.run(10)
    assert patient.asked.count("/started") < 5  # once started, never asked again


def test_no_answer_in_time_is_a_failure() -> None:
    world = World(images={"nginx": Patient(slow=3).run})
    world.pod(container=f"readinessProbe: {{{HTTP}, timeoutSeconds: 1}}")
    world.run(30)
    assert not meta.condition_is(world.get(), "Ready")
    assert world.events("Unhealthy") == [
        "Readiness probe failed: timed out after 1s: context deadline exceeded"
    ]


def test_initial_delay_counts_from_the_start_of_the_container() -> None:
    patient = Patient()
    world = World(images={"nginx": patient.run})
    world.pod(container=f"readinessProbe: {{{HTTP}, initialDelaySeconds: 20}}")
    world.run(20)
    assert patient.asked == []
    world.run(3)
    assert patient.asked == ["/healthz"]


def test_tcp_and_named_ports() -> None:
    world = World()
    world.pod("open", container="ports: [{name: www, containerPort: 80}],"
              "readinessProbe: {tcpSocket: {port: www}}")  # fmt: skip
    world.pod("closed", container="readinessProbe: {tcpSocket: {port: 81}}")
    world.run(5)
    assert meta.condition_is(world.get("open"), "Ready")
    assert not meta.condition_is(world.get("closed"), "Ready")
    assert world.events("Unhealthy") == [
        "Readiness probe failed: dial tcp 10.244.1.3:81: connect: connection refused"
    ]


def test_exec_asks_for_the_exit_code() -> None:
    # the example of the Kubernetes documentation on liveness
    world = World()
    world.create("""
        apiVersion: v1
        kind: Pod
        metadata: {name: p}
        spec:
          containers:
          - name: c
            image: busybox
            args: [/bin/sh, -c, touch /tmp/healthy; sleep 30; rm -f /tmp/healthy; sleep 600]
            livenessProbe:
              exec: {command: [cat, /tmp/healthy]}
              initialDelaySeconds: 5
              periodSeconds: 5
        """)
    world.run(30)
    assert world.container()["restartCount"] == 0
    world.run(50)  # 15 s of failures, 30 s of grace that the shell does not heed
    assert world.container()["restartCount"] == 1
    (message,) = set(world.events("Unhealthy"))
    assert message == (
        "Liveness probe failed: cat: can't open '/tmp/healthy': No such file or directory"
    )


def test_a_container_that_never_gets_healthy_ends_in_a_crash_loop() -> None:
    patient = Patient()
    patient.healthy = False
    world = World(images={"nginx": patient.run})
    world.pod(container=f"livenessProbe: {{{HTTP}, periodSeconds: 2, failureThreshold: 1}}")
    world.run(6)
    waiting = world.container()["state"]["waiting"]
    assert waiting["reason"] == "CrashLoopBackOff"
    assert waiting["message"].startswith("back-off 10s restarting")

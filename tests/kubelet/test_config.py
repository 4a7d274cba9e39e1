"""What containers get to see: environment, files, DNS. They tell by their logs."""

from __future__ import annotations

import pytest

from kube_edu.kubelet.config import expand
from tests.kubelet.world import World

HEAD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: web}}\n"


def environment(world: World) -> dict[str, str]:
    world.run(4)
    return dict(line.split("=", 1) for line in world.logs().splitlines())


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("x$(A)$(B)y", "x12y"),
        ("$(MISSING)", "$(MISSING)"),
        ("$$(A)", "$(A)"),
        ("$A", "$A"),
        ("$(A", "$(A"),
    ],
)
def test_expansion(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expanded


def test_the_environment_from_everywhere() -> None:
    world = World()
    world.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}, data: {A: '1', B: '2'}}")
    world.create(
        "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {PASSWORD: aHVudGVyMg==}}"
    )
    world.create(
        HEAD
        + """
spec:
  containers:
  - name: c
    image: busybox
    args: [env]
    envFrom: [{configMapRef: {name: cm}}, {prefix: S_, secretRef: {name: s}}]
    env:
    - {name: B, value: "own"}
    - {name: GREETING, value: "A is $(A)"}
    - {name: KEY, valueFrom: {secretKeyRef: {name: s, key: PASSWORD}}}
    - {name: NONE, valueFrom: {configMapKeyRef: {name: cm, key: missing, optional: true}}}
    - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: APP, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: CPUS, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    - {name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    resources: {limits: {cpu: 1500m}}
"""
    )
    found = environment(world)
    assert found == {
        "HOSTNAME": "p", "A": "1", "B": "own", "S_PASSWORD": "hunter2", "GREETING": "A is 1",
        "KEY": "hunter2", "POD": "p", "APP": "web", "NODE": "node-1", "IP": "10.244.1.2",
        "CPUS": "2", "MEM": "8192",
    }  # fmt: skip


def test_services_are_in_the_environment_unless_unwanted() -> None:
    world = World()
    for name, namespace, address in (
        ("kubernetes", "default", "10.96.0.1"),
        ("redis-leader", "default", "10.96.0.5"),
        ("other", "elsewhere", "10.96.0.6"),
        ("headless", "default", "None"),
    ):
        world.create(
            f"{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: {namespace}}},"
            f" spec: {{clusterIP: {address}, ports: [{{name: main, port: 6379}}]}}}}"
        )
    world.pod(image="busybox", container="args: [env]")
    world.pod(
        "unlinked", image="busybox", container="args: [env]", spec="enableServiceLinks: false"
    )
    found = environment(world)
    assert found["REDIS_LEADER_SERVICE_HOST"] == "10.96.0.5"
    assert found["REDIS_LEADER_SERVICE_PORT"] == "6379"
    assert found["REDIS_LEADER_SERVICE_PORT_MAIN"] == "6379"
    assert found["REDIS_LEADER_PORT_6379_TCP"] == "tcp://10.96.0.5:6379"
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert not any(name.startswith(("OTHER", "HEADLESS")) for name in found)
    unlinked = world.logs("unlinked")
    assert "KUBERNETES_SERVICE_HOST" in unlinked and "REDIS" not in unlinked


def test_a_missing_key_is_named() -> None:
    world = World()
    world.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}, data: {A: '1'}}")
    world.pod(container="env: [{name: X, valueFrom: {configMapKeyRef: {name: cm, key: missing}}}]")
    world.run(4)
    assert world.container()["state"]["waiting"] == {
        "reason": "CreateContainerConfigError",
        "message": "couldn't find key missing in ConfigMap default/cm",
    }


def test_volumes_are_files() -> None:
    world = World()
    world.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}, data: {a: one, b: two}}")
    world.create(
        HEAD
        + """
spec:
  volumes:
  - {name: all, configMap: {name: cm}}
  - {name: some, configMap: {name: cm, items: [{key: a, path: x/y}]}}
  - name: mixed
    projected:
      sources:
      - configMap: {name: cm}
      - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
  containers:
  - name: c
    image: busybox
    command: [cat, /all/b, /some/x/y, /mixed/labels, /etc/one.conf]
    volumeMounts:
    - {name: all, mountPath: /all}
    - {name: some, mountPath: /some}
    - {name: mixed, mountPath: /mixed}
    - {name: all, mountPath: /etc/one.conf, subPath: a}
"""
    )
    world.run(4)
    assert world.logs() == 'twooneapp="web"one\n'


def test_a_missing_volume_keeps_the_pod_creating() -> None:
    world = World()
    world.pod(spec="volumes: [{name: v, secret: {secretName: missing}}]")
    world.run(4)
    assert world.container()["state"]["waiting"]["reason"] == "ContainerCreating"
    assert world.events("FailedMount") == [
        'MountVolume.SetUp failed for volume "v" : secret "missing" not found'
    ]


def test_dns_settings_follow_the_policy() -> None:
    world = World()
    world.pod("cluster")
    world.pod("none", spec="dnsPolicy: None, dnsConfig: {nameservers: [1.2.3.4]}")
    world.run(4)
    dns = {s.config.name: s.config.dns for s in world.ask(world.runtime.list_pod_sandbox())}
    assert dns["cluster"] == {
        "servers": ["10.96.0.10"],
        "searches": ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"],
        "options": ["ndots:5"],
    }
    assert dns["none"]["servers"] == ["1.2.3.4"]

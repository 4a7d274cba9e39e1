"""Admission: what the plug-ins add, and what they refuse, in the words of Kubernetes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kube_edu.api.meta import Object
from kube_edu.host import Peer
from tests.apiserver.fakes import World, config_map, deployment, pod

NS = "/api/v1/namespaces/default"
PODS = f"{NS}/pods"
NODE = Peer(common_name="system:node:node-1", organizations=("system:nodes",))


def run(scenario: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        async with World() as world:
            await scenario(world)

    asyncio.run(main())


async def given(world: World, url: str, obj: Object) -> Object:
    """Create an object, and let the plug-ins hear of it."""
    created = await world.raw("POST", url, obj)
    assert created.status == 201, created.body
    for _ in range(20):
        await asyncio.sleep(0)
    return created.body  # type: ignore[no-any-return]


def kind(api_version: str, kind: str, name: str, **rest: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **rest}


def node(name: str, **labels: str) -> Object:
    found = kind("v1", "Node", name)
    return {**found, "metadata": {"name": name, "labels": labels}} if labels else found


# --- classes


def test_a_pod_gets_the_number_of_its_priority_class() -> None:
    async def scenario(world: World) -> None:
        url = "/apis/scheduling.k8s.io/v1/priorityclasses"
        usual = kind("scheduling.k8s.io/v1", "PriorityClass", "usual", value=7, globalDefault=True)
        await given(world, url, usual)
        assert (await world.ask("POST", PODS, pod("a")))["spec"]["priorityClassName"] == "usual"
        critical = pod("b", priorityClassName="system-node-critical")
        assert (await world.ask("POST", PODS, critical))["spec"]["priority"] == 2_000_001_000
        lied = await world.raw("POST", PODS, pod("c", priority=99))
        assert "the integer value of priority (99) must not be provided" in lied.body["message"]
        other = kind("scheduling.k8s.io/v1", "PriorityClass", "x", value=1, globalDefault=True)
        assert (await world.raw("POST", url, other)).status == 403

    run(scenario)


def test_a_claim_gets_the_default_storage_class_unless_it_asks_for_none() -> None:
    async def scenario(world: World) -> None:
        fast = kind("storage.k8s.io/v1", "StorageClass", "fast", provisioner="example.com/disk")
        annotation = {"storageclass.kubernetes.io/is-default-class": "true"}
        fast["metadata"]["annotations"] = annotation
        await given(world, "/apis/storage.k8s.io/v1/storageclasses", fast)
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        }
        claims = f"{NS}/persistentvolumeclaims"
        made = await world.ask(
            "POST", claims, kind("v1", "PersistentVolumeClaim", "a", spec={**spec})
        )
        assert made["spec"]["storageClassName"] == "fast"
        none = kind("v1", "PersistentVolumeClaim", "b", spec={**spec, "storageClassName": ""})
        assert (await world.ask("POST", claims, none))["spec"]["storageClassName"] == ""

    run(scenario)


# --- Pod Security


def labelled(world: World, **modes: str) -> Awaitable[Object]:
    labels = {f"pod-security.kubernetes.io/{mode}": level for mode, level in modes.items()}
    return world.patch("/api/v1/namespaces/default", {"metadata": {"labels": labels}})


def test_restricted_says_all_that_an_ordinary_pod_lacks() -> None:
    async def scenario(world: World) -> None:
        await labelled(world, enforce="restricted")
        refused = await world.raw("POST", PODS, pod())
        assert refused.body["message"] == (
            'pods "web" is forbidden: violates PodSecurity "restricted:latest": '
            'allowPrivilegeEscalation != false (container "c" must set '
            "securityContext.allowPrivilegeEscalation=false), "
            'unrestricted capabilities (container "c" must set '
            'securityContext.capabilities.drop=["ALL"]), '
            'runAsNonRoot != true (pod or container "c" must set '
            "securityContext.runAsNonRoot=true), "
            'seccompProfile (pod or container "c" must set '
            'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
        )
        good = pod("good", securityContext={"runAsNonRoot": True})
        good["spec"]["securityContext"]["seccompProfile"] = {"type": "RuntimeDefault"}
        good["spec"]["containers"][0]["securityContext"] = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        }
        assert (await world.raw("POST", PODS, good)).status == 201

    run(scenario)


@pytest.mark.parametrize(
    ("spec", "container", "text"),
    [
        ({"hostNetwork": True, "hostPID": True}, {},
         "host namespaces (hostNetwork=true, hostPID=true)"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, {},
         'hostPath volumes (volume "v")'),
        ({}, {"securityContext": {"privileged": True}},
         'privileged (container "c" must not set securityContext.privileged=true)'),
        ({}, {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}},
         'non-default capabilities (container "c" must not include "SYS_ADMIN" in '
         "securityContext.capabilities.add)"),
        ({}, {"ports": [{"containerPort": 80, "hostPort": 80}]},
         'hostPort (container "c" uses hostPort 80)'),
        ({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}, {},
         "forbidden sysctls (kernel.msgmax)"),
        ({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, {},
         'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'),
        ({"securityContext": {"seLinuxOptions": {"type": "spc_t", "user": "root"}}}, {},
         'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t"; user '
         "may not be set)"),
    ],
)  # fmt: skip
def test_baseline_stops_what_is_known_to_lead_out_of_a_container(
    spec: Object, container: Object, text: str
) -> None:
    async def scenario(world: World) -> None:
        await labelled(world, enforce="baseline")
        bad = pod(**spec)
        bad["spec"]["containers"][0] |= container
        refused = await world.raw("POST", PODS, bad)
        assert refused.status == 403, refused.body
        assert text in refused.body["message"]
        assert (await world.raw("POST", PODS, pod("ordinary"))).status == 201

    run(scenario)


def test_warnings_and_what_is_there_already() -> None:
    async def scenario(world: World) -> None:
        await world.ask("POST", PODS, pod())
        await labelled(world, warn="restricted")
        warned = await world.raw("POST", PODS, pod("second"))
        assert warned.status == 201
        assert 'would violate PodSecurity \\"restricted:latest\\"' in warned.headers["warning"]
        url = "/apis/apps/v1/namespaces/default/deployments"
        assert "would violate" in (await world.raw("POST", url, deployment())).headers["warning"]
        bad = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "strict"}}}
        assert (await world.patch("/api/v1/namespaces/default", bad))["code"] == 422

    run(scenario)


# --- nodes


def test_a_new_node_is_tainted_until_it_is_ready() -> None:
    async def scenario(world: World) -> None:
        made = await world.ask("POST", "/api/v1/nodes", node("node-1"))
        assert made["spec"]["taints"] == [
            {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
        ]

    run(scenario)


def test_nothing_is_bound_evicted_or_given_tokens_in_a_namespace_on_its_way_out() -> None:
    async def scenario(world: World) -> None:
        await given(world, "/api/v1/namespaces", kind("v1", "Namespace", "old"))
        old = "/api/v1/namespaces/old"
        await given(world, f"{old}/pods", pod())
        await given(world, f"{old}/serviceaccounts", kind("v1", "ServiceAccount", "robot"))
        await world.ask("DELETE", old)
        binding = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "node-1"}}
        for url, body in (
            (f"{old}/pods/web/binding", binding),
            (f"{old}/pods/web/eviction", {"metadata": {"name": "web"}}),
            (f"{old}/serviceaccounts/robot/token", {}),
            (f"{old}/configmaps", config_map()),
        ):
            refused = await world.raw("POST", url, body)
            assert refused.status == 403, (url, refused.body)
            assert "because it is being terminated" in refused.body["message"]
        assert (await world.raw("DELETE", f"{old}/pods/web")).status == 200

    run(scenario)


def test_a_pod_does_not_become_a_mirror_or_less_confined() -> None:
    async def scenario(world: World) -> None:
        await given(world, PODS, pod())
        for key, why in (
            ("kubernetes.io/config.mirror", "may not add mirror pod annotation"),
            (
                "container.apparmor.security.beta.kubernetes.io/c",
                "may not add AppArmor annotations",
            ),
        ):
            for door in ("", "/status"):
                patch = {"metadata": {"annotations": {key: "unconfined"}}}
                assert why in (await world.patch(f"{PODS}/web{door}", patch))["message"]
        usual = {"metadata": {"annotations": {"example.com/a": "b"}}}
        assert (await world.patch(f"{PODS}/web", usual))["kind"] == "Pod"

    run(scenario)

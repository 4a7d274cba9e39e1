"""Admission: what the plug-ins add, and what they refuse, in the words of Kubernetes."""

from __future__ import annotations

import asyncio
import json
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


# --- limits and quotas


def limit_range(**limit: Any) -> Object:
    return kind("v1", "LimitRange", "limits", spec={"limits": [{"type": "Container", **limit}]})


def test_a_limit_range_gives_containers_its_defaults() -> None:
    async def scenario(world: World) -> None:
        limits = limit_range(default={"cpu": "1"}, defaultRequest={"cpu": "500m"})
        await given(world, f"{NS}/limitranges", limits)
        made = await world.ask("POST", PODS, pod())
        resources = made["spec"]["containers"][0]["resources"]
        assert resources == {"limits": {"cpu": "1"}, "requests": {"cpu": "500m"}}
        assert made["status"]["qosClass"] == "Burstable"
        assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
            "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
        )

    run(scenario)


def test_a_limit_range_refuses_what_is_out_of_it() -> None:
    async def scenario(world: World) -> None:
        limits = limit_range(min={"memory": "64Mi"}, max={"memory": "1Gi", "cpu": "1"})
        await given(world, f"{NS}/limitranges", limits)
        big = pod()
        big["spec"]["containers"][0]["resources"] = {
            "requests": {"memory": "32Mi", "cpu": "1"},
            "limits": {"memory": "2Gi", "cpu": "2"},
        }
        refused = await world.raw("POST", PODS, big)
        assert refused.status == 403
        for text in (
            "minimum memory usage per Container is 64Mi, but request is 32Mi",
            "maximum memory usage per Container is 1Gi, but limit is 2Gi",
            "maximum cpu usage per Container is 1, but limit is 2",
        ):
            assert text in refused.body["message"]

    run(scenario)


def with_requests(name: str, cpu: str) -> Object:
    found = pod(name)
    found["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    return found


async def with_quota(world: World, hard: Object, used: Object) -> None:
    """A quota whose controller has been here."""
    quota = await given(
        world, f"{NS}/resourcequotas", kind("v1", "ResourceQuota", "team", spec={"hard": hard})
    )
    quota["status"] = {"hard": hard, "used": used}
    await world.ask("PUT", f"{NS}/resourcequotas/team/status", quota)
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_quota_books_what_is_created_and_refuses_what_is_too_much() -> None:
    async def scenario(world: World) -> None:
        await with_quota(
            world, {"requests.cpu": "1", "pods": "5"}, {"requests.cpu": "0", "pods": "0"}
        )
        assert (await world.raw("POST", PODS, with_requests("a", "600m"))).status == 201
        used = (await world.ask("GET", f"{NS}/resourcequotas/team"))["status"]["used"]
        assert used == {"requests.cpu": "600m", "pods": "1"}
        refused = await world.raw("POST", PODS, with_requests("b", "600m"))
        assert refused.body["message"] == (
            'pods "b" is forbidden: exceeded quota: team, requested: requests.cpu=600m, '
            "used: requests.cpu=600m, limited: requests.cpu=1"
        )
        silent = await world.raw("POST", PODS, pod("c"))
        assert "must specify requests.cpu for: c" in silent.body["message"]

    run(scenario)


def test_of_many_at_once_just_as_many_are_created_as_the_quota_has_room_for() -> None:
    async def scenario(world: World) -> None:
        await with_quota(world, {"configmaps": "20"}, {"configmaps": "0"})
        answers = await asyncio.gather(
            *(world.raw("POST", f"{NS}/configmaps", config_map(f"c{n}")) for n in range(30))
        )
        assert sum(answer.status == 201 for answer in answers) == 20
        assert len((await world.ask("GET", f"{NS}/configmaps"))["items"]) == 20
        used = (await world.ask("GET", f"{NS}/resourcequotas/team"))["status"]["used"]
        assert used == {"configmaps": "20"}

    run(scenario)


def test_there_is_no_way_around_a_quota() -> None:
    async def scenario(world: World) -> None:
        hard = {"requests.cpu": "1"}
        await with_quota(world, hard, {"requests.cpu": "0"})
        negative = await world.raw("POST", PODS, with_requests("n", "-1"))
        assert "must be greater than or equal to 0" in negative.body["message"]
        sidecars = with_requests("s", "10m")
        sidecars["spec"]["initContainers"] = [
            {
                "name": f"i{n}",
                "image": "x",
                "restartPolicy": "Always",
                "resources": {"requests": {"cpu": "300m"}},
            }
            for n in range(4)
        ]
        assert (
            "requested: requests.cpu=1210m" in (await world.ask("POST", PODS, sidecars))["message"]
        )
        await world.ask("POST", PODS, with_requests("a", "500m"))
        sizes = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]}}
        resized = await world.patch(f"{PODS}/a/resize", sizes, "strategic-merge-patch")
        assert "requested: requests.cpu=1500m, used: requests.cpu=500m" in resized["message"]
        debugger = {"name": "d", "image": "x", "resources": {"requests": {"cpu": "4"}}}
        added = {"spec": {"ephemeralContainers": [debugger]}}
        refused = await world.patch(f"{PODS}/a/ephemeralcontainers", added, "strategic-merge-patch")
        assert "cannot be set for an Ephemeral Container" in refused["message"]

    run(scenario)


def test_what_one_quota_refuses_another_does_not_book() -> None:
    async def scenario(world: World) -> None:
        for name, most in (("a", "9"), ("b", "0")):
            quota = kind("v1", "ResourceQuota", name, spec={"hard": {"configmaps": most}})
            made = await given(world, f"{NS}/resourcequotas", quota)
            status = {"hard": {"configmaps": most}, "used": {"configmaps": "0"}}
            await world.ask("PUT", f"{NS}/resourcequotas/{name}/status", {**made, "status": status})
        for _ in range(20):
            await asyncio.sleep(0)
        assert (await world.raw("POST", f"{NS}/configmaps", config_map())).status == 403
        used = (await world.ask("GET", f"{NS}/resourcequotas/a"))["status"]["used"]
        assert used == {"configmaps": "0"}

    run(scenario)


def test_a_limit_range_holds_for_a_pod_that_is_resized() -> None:
    async def scenario(world: World) -> None:
        await given(world, f"{NS}/limitranges", limit_range(max={"cpu": "1"}))
        small = pod("a")
        small["spec"]["containers"][0]["resources"] = {
            "limits": {"cpu": "1"},
            "requests": {"cpu": "1"},
        }
        await world.ask("POST", PODS, small)
        sizes = {"limits": {"cpu": "2"}, "requests": {"cpu": "2"}}
        patch = {"spec": {"containers": [{"name": "c", "resources": sizes}]}}
        refused = await world.patch(f"{PODS}/a/resize", patch, "strategic-merge-patch")
        assert "maximum cpu usage per Container is 1" in refused["message"]

    run(scenario)


def test_a_quota_that_nobody_has_counted_yet_lets_nothing_through() -> None:
    async def scenario(world: World) -> None:
        quota = kind("v1", "ResourceQuota", "team", spec={"hard": {"pods": "5"}})
        await given(world, f"{NS}/resourcequotas", quota)
        refused = await world.raw("POST", PODS, pod())
        assert refused.body["message"] == (
            'pods "web" is forbidden: status unknown for quota: team, resources: pods'
        )

    run(scenario)


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


def test_a_kubelet_changes_its_own_node_and_no_other() -> None:
    async def scenario(world: World) -> None:
        mine = await world.raw("POST", "/api/v1/nodes", node("node-1"), NODE)
        assert mine.status == 201
        other = await world.raw("POST", "/api/v1/nodes", node("node-2"), NODE)
        assert other.body["message"] == (
            'nodes "node-2" is forbidden: node "node-1" is not allowed to modify node "node-2"'
        )
        await world.ask("POST", "/api/v1/nodes", node("node-2"))
        for name, status in (("node-1", 200), ("node-2", 403)):
            patch = b'{"metadata": {"labels": {"example.com/disk": "ssd"}}}'
            answer = await world.raw(
                "PATCH", f"/api/v1/nodes/{name}", patch, NODE,
                content_type="application/merge-patch+json",
            )  # fmt: skip
            assert answer.status == status, answer.body
        for patch in (
            b'{"metadata": {"labels": {"node-restriction.kubernetes.io/tier": "gold"}}}',
            b'{"spec": {"taints": []}}',
        ):
            answer = await world.raw(
                "PATCH", "/api/v1/nodes/node-1", patch, NODE,
                content_type="application/merge-patch+json",
            )  # fmt: skip
            assert answer.status == 403, answer.body

    run(scenario)


def test_a_kubelet_reads_the_secrets_of_its_pods_and_no_others() -> None:
    async def scenario(world: World) -> None:
        for name in ("used", "other"):
            await world.ask("POST", f"{NS}/secrets", kind("v1", "Secret", name))
        volume = {"name": "v", "secret": {"secretName": "used"}}
        await given(world, PODS, pod("here", nodeName="node-1", volumes=[volume]))
        await given(world, PODS, pod("there", nodeName="node-2"))
        assert (await world.raw("GET", f"{NS}/secrets/used", peer=NODE)).status == 200
        refused = await world.raw("GET", f"{NS}/secrets/other", peer=NODE)
        assert refused.status == 403
        assert (
            "no relationship found between node 'node-1' and this object"
            in (refused.body["message"])
        )
        assert (await world.raw("GET", f"{NS}/secrets", peer=NODE)).status == 403
        assert (await world.raw("GET", "/api/v1/pods", peer=NODE)).status == 403
        its_own = "/api/v1/pods?fieldSelector=spec.nodeName=node-1"
        assert (await world.raw("GET", its_own, peer=NODE)).status == 200
        there = f"{PODS}/there"
        assert (await world.raw("DELETE", there, peer=NODE)).status == 403
        created = await world.raw("POST", PODS, pod("mine", nodeName="node-1"), NODE)
        assert "can only create mirror pods" in created.body["message"]

    run(scenario)


def test_a_kubelet_gets_tokens_of_the_pods_that_it_runs() -> None:
    async def scenario(world: World) -> None:
        accounts = f"{NS}/serviceaccounts"
        await world.ask("POST", accounts, kind("v1", "ServiceAccount", "robot"))
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        for name, on, status in (("here", "node-1", 201), ("there", "node-2", 403)):
            token = {"serviceAccountToken": {"path": "token", "audience": "vault"}}
            volume = {"name": "t", "projected": {"sources": [token]}}
            robot = pod(name, nodeName=on, serviceAccountName="robot", volumes=[volume])
            made = await given(world, PODS, robot)
            bound = {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": name,
                "uid": made["metadata"]["uid"],
            }
            answer = await world.raw(
                "POST",
                f"{accounts}/robot/token",
                {**request, "spec": {"boundObjectRef": bound, "audiences": ["vault"]}},
                NODE,
            )
            assert answer.status == status, answer.body
            other = {**request, "spec": {"boundObjectRef": bound, "audiences": ["bank"]}}
            refused = await world.raw("POST", f"{accounts}/robot/token", other, NODE)
            assert refused.status == 403, refused.body
        unbound = await world.raw("POST", f"{accounts}/robot/token", {**request, "spec": {}}, NODE)
        assert "node requested token not bound to a pod" in unbound.body["message"]

    run(scenario)


def test_a_kubelet_reads_its_own_pods_and_node_alone() -> None:
    async def scenario(world: World) -> None:
        await given(world, "/api/v1/nodes", node("node-1"))
        await given(world, PODS, pod("here", nodeName="node-1"))
        await given(world, PODS, pod("there", nodeName="node-2"))
        for url, status in (
            (f"{PODS}/here", 200),
            (f"{PODS}/there", 403),
            (f"{PODS}?fieldSelector=metadata.name=here", 200),
            (f"{PODS}?fieldSelector=metadata.name=there", 403),
            ("/api/v1/nodes/node-1", 200),
            ("/api/v1/nodes?fieldSelector=metadata.name=node-1", 200),
            ("/api/v1/nodes/node-2", 403),
            ("/api/v1/nodes", 403),
            # A comma that is escaped does not begin another condition.
            ("/api/v1/pods?fieldSelector=metadata.name!=x\\,spec.nodeName=node-1", 403),
            ("/api/v1/pods?fieldSelector=spec.nodeName!=node-1", 403),
        ):
            assert (await world.raw("GET", url, peer=NODE)).status == status, url

    run(scenario)


def test_a_mirror_pod_belongs_to_its_node_and_refers_to_nothing() -> None:
    async def scenario(world: World) -> None:
        uid = (await given(world, "/api/v1/nodes", node("node-1")))["metadata"]["uid"]
        owner = {"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": uid}
        owner["controller"] = True

        def mirror(*owners: Object, **spec: Any) -> Object:
            made = pod("mirror", nodeName="node-1", **spec)
            made["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
            made["metadata"]["ownerReferences"] = [*owners]
            return made

        volume = {"name": "v", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "s"}}}
        for wrong, why in (
            (mirror(), "an owner reference set to itself"),
            (mirror(owner, {**owner, "uid": "2", "controller": False}), "a single owner reference"),
            (mirror({**owner, "name": "node-2"}), "an owner reference set to itself"),
            (mirror({**owner, "uid": "7"}), "UID mismatch"),
            (mirror({**owner, "controller": False}), "a controller owner reference"),
            (mirror({**owner, "blockOwnerDeletion": True}), "must not set blockOwnerDeletion"),
            (mirror(owner, volumes=[volume]), "pods that reference secrets"),
        ):
            refused = await world.raw("POST", PODS, wrong, NODE)
            assert why in refused.body["message"], refused.body
        assert (await world.raw("POST", PODS, mirror(owner), NODE)).status == 201

    run(scenario)


def test_a_kubelet_gives_its_node_no_owner_and_its_claims_no_finalizer() -> None:
    async def scenario(world: World) -> None:
        await given(world, "/api/v1/nodes", node("node-1"))
        claim = kind("v1", "PersistentVolumeClaim", "disk", spec={
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        })  # fmt: skip
        await given(world, f"{NS}/persistentvolumeclaims", claim)
        volume = {"name": "v", "persistentVolumeClaim": {"claimName": "disk"}}
        await given(world, PODS, pod("here", nodeName="node-1", volumes=[volume]))
        at = f"{NS}/persistentvolumeclaims/disk/status"
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "1"}
        for url, patch, status in (
            ("/api/v1/nodes/node-1", {"metadata": {"ownerReferences": [owner]}}, 403),
            (at, {"metadata": {"finalizers": ["example.com/mine"]}}, 403),
            (at, {"status": {"phase": "Lost"}}, 403),
            (at, {"status": {"capacity": {"storage": "2Gi"}}}, 200),
            (f"{PODS}/here", {"spec": {"containers": [{"name": "c", "image": "mine"}]}}, 403),
        ):
            answer = await world.raw(
                "PATCH", url, json.dumps(patch).encode(), NODE,
                content_type="application/merge-patch+json",
            )  # fmt: skip
            assert answer.status == status, (url, patch, answer.body)

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


def test_a_quota_may_count_pods_that_look_into_other_namespaces() -> None:
    async def scenario(world: World) -> None:
        spec = {"hard": {"pods": "0"}, "scopes": ["CrossNamespacePodAffinity"]}
        quota = await given(
            world, f"{NS}/resourcequotas", kind("v1", "ResourceQuota", "cross", spec=spec)
        )
        status = {"hard": {"pods": "0"}, "used": {"pods": "0"}}
        await world.ask("PUT", f"{NS}/resourcequotas/cross/status", {**quota, "status": status})
        for _ in range(20):
            await asyncio.sleep(0)
        term = {"topologyKey": "zone", "namespaceSelector": {}}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
        nosy = await world.raw("POST", PODS, pod("a", affinity={"podAffinity": required}))
        assert nosy.status == 403 and "exceeded quota: cross" in nosy.body["message"]
        assert (await world.raw("POST", PODS, pod("b"))).status == 201

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

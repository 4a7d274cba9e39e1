"""What a kubelet may, and may not: the Node authorizer and NodeRestriction."""

from __future__ import annotations

import json
from typing import Any

from kube_edu.api.meta import Object
from tests.apiserver.fakes import World, pod
from tests.apiserver.test_admission import NODE, NS, PODS, given, kind, node, run


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

"""Create, update, patch and delete: what any client may rely on, for all resources."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from tests.apiserver.fakes import World, config_map, deployment, pod, service

NS = "/api/v1/namespaces/default"
PODS, CONFIG_MAPS, SERVICES = f"{NS}/pods", f"{NS}/configmaps", f"{NS}/services"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def run(scenario: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        async with World() as world:
            await scenario(world)

    asyncio.run(main())


def test_a_new_object_gets_what_only_the_server_can_give() -> None:
    async def scenario(world: World) -> None:
        first = await world.ask("POST", DEPLOYMENTS, deployment("a"))
        second = await world.ask("POST", DEPLOYMENTS, deployment("b"))
        meta = first["metadata"]
        assert meta["creationTimestamp"] == "2026-01-01T00:00:00Z"
        assert meta["generation"] == 1 and meta["namespace"] == "default"
        assert meta["uid"] != second["metadata"]["uid"]
        assert int(second["metadata"]["resourceVersion"]) == world.etcd.revision

    run(scenario)


def test_the_resource_version_is_not_stored_but_is_the_revision() -> None:
    async def scenario(world: World) -> None:
        created = await world.ask("POST", CONFIG_MAPS, config_map(a="1"))
        kv = world.etcd.get("/registry/configmaps/default/cm")
        assert kv is not None and "resourceVersion" not in json.loads(kv.value)["metadata"]
        assert created["metadata"]["resourceVersion"] == str(kv.mod_revision)

    run(scenario)


def test_a_received_object_is_never_changed() -> None:
    async def scenario(world: World) -> None:
        sent = pod()
        before = json.dumps(sent)
        await world.ask("POST", PODS, sent)
        assert json.dumps(sent) == before

    run(scenario)


def test_generate_name_draws_another_name_each_time() -> None:
    async def scenario(world: World) -> None:
        sent = pod()
        sent["metadata"] = {"generateName": "web-"}
        names = {(await world.ask("POST", PODS, sent))["metadata"]["name"] for _ in range(5)}
        assert len(names) == 5 and all(len(name) == 9 and name[:4] == "web-" for name in names)

    run(scenario)


def test_the_second_of_two_writers_loses() -> None:
    async def scenario(world: World) -> None:
        base = await world.ask("POST", CONFIG_MAPS, config_map(n="0"))
        won = await world.raw("PUT", f"{CONFIG_MAPS}/cm", {**base, "data": {"n": "1"}})
        lost = await world.raw("PUT", f"{CONFIG_MAPS}/cm", {**base, "data": {"n": "2"}})
        assert won.status == 200 and lost.status == 409
        assert lost.body["message"] == (
            'Operation cannot be fulfilled on configmaps "cm": the object has been modified; '
            "please apply your changes to the latest version and try again"
        )

    run(scenario)


def test_concurrent_patches_without_a_resource_version_all_take_effect() -> None:
    async def scenario(world: World) -> None:
        await world.ask("POST", CONFIG_MAPS, config_map())
        patches = [world.patch(f"{CONFIG_MAPS}/cm", {"data": {f"k{i}": "v"}}) for i in range(10)]
        await asyncio.gather(*patches)
        found = await world.ask("GET", f"{CONFIG_MAPS}/cm")
        assert sorted(found["data"]) == sorted(f"k{i}" for i in range(10))

    run(scenario)


def test_a_patch_that_names_an_old_resource_version_conflicts() -> None:
    async def scenario(world: World) -> None:
        old = await world.ask("POST", CONFIG_MAPS, config_map())
        await world.patch(f"{CONFIG_MAPS}/cm", {"data": {"a": "1"}})
        version = {"resourceVersion": old["metadata"]["resourceVersion"]}
        answer = await world.patch(f"{CONFIG_MAPS}/cm", {"metadata": version, "data": {"a": "2"}})
        assert answer["reason"] == "Conflict"

    run(scenario)


def test_a_change_of_nothing_is_not_written() -> None:
    async def scenario(world: World) -> None:
        created = await world.ask("POST", DEPLOYMENTS, deployment())
        revision = world.etcd.revision
        assert await world.ask("PUT", f"{DEPLOYMENTS}/web", created) == created
        await world.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 1}})
        assert world.etcd.revision == revision

    run(scenario)


def test_spec_and_status_each_have_their_own_door() -> None:
    async def scenario(world: World) -> None:
        obj = await world.ask("POST", DEPLOYMENTS, deployment())
        both = {**obj, "spec": {**obj["spec"], "replicas": 7}, "status": {"replicas": 9}}
        through_status = await world.ask("PUT", f"{DEPLOYMENTS}/web/status", both)
        assert (through_status["spec"]["replicas"], through_status["status"]["replicas"]) == (1, 9)
        assert through_status["metadata"]["generation"] == 1
        both["metadata"] = {"name": "web"}
        through_spec = await world.ask("PUT", f"{DEPLOYMENTS}/web", {**both, "status": {}})
        assert (through_spec["spec"]["replicas"], through_spec["status"]["replicas"]) == (7, 9)
        assert through_spec["metadata"]["generation"] == 2

    run(scenario)


def test_a_status_writer_may_leave_out_the_quality_of_service_class() -> None:
    async def scenario(world: World) -> None:
        await world.ask("POST", f"{NS}/pods", pod())
        there = await world.ask("GET", f"{NS}/pods/web")
        there = {**there, "status": {"phase": "Running"}}
        await world.ask("PUT", f"{NS}/pods/web/status", there)
        status = (await world.ask("GET", f"{NS}/pods/web"))["status"]
        assert status == {"phase": "Running", "qosClass": "BestEffort"}

    run(scenario)


def test_a_dry_run_answers_like_a_write_and_writes_nothing() -> None:
    async def scenario(world: World) -> None:
        revision = world.etcd.revision
        answer = await world.raw("POST", f"{SERVICES}?dryRun=All", service())
        assert answer.status == 201 and answer.body["spec"]["clusterIP"].startswith("10.96.")
        assert world.etcd.revision == revision
        assert (await world.raw("GET", f"{SERVICES}/web")).status == 404

    run(scenario)


def test_unknown_fields_are_told_as_field_validation_asks() -> None:
    async def scenario(world: World) -> None:
        wrong = {**config_map(), "dat": {}}
        strict = await world.raw("POST", f"{CONFIG_MAPS}?fieldValidation=Strict", wrong)
        assert strict.status == 400
        assert strict.body["message"].endswith('strict decoding error: unknown field "dat"')
        warned = await world.raw("POST", CONFIG_MAPS, wrong)
        assert warned.headers["warning"] == '299 - "unknown field \\"dat\\""'
        assert warned.status == 201 and "dat" not in warned.body

    run(scenario)


@pytest.mark.parametrize(
    ("url", "body", "code", "text"),
    [
        (CONFIG_MAPS, b"{", 400, "the object provided is unrecognized"),
        (CONFIG_MAPS, b"[]", 400, "the object provided is unrecognized"),
        (CONFIG_MAPS, b'"' + b"[" * 100_000, 400, "the object provided is unrecognized"),
        (CONFIG_MAPS, b"[" * 100_000, 400, "the object provided is unrecognized"),
        (CONFIG_MAPS, b"", 400, "the object provided is unrecognized"),
        (CONFIG_MAPS, {"kind": 3}, 400, "the object provided is unrecognized"),
        (CONFIG_MAPS, pod(), 400, 'Pod in version "v1" cannot be handled as a ConfigMap'),
        (CONFIG_MAPS, deployment(), 400, "the API version in the data (apps/v1) does not match"),
        (CONFIG_MAPS, {"data": {"a": 1}}, 400, "json: cannot unmarshal number"),
        (CONFIG_MAPS, {"metadata": "x"}, 400, "json: cannot unmarshal string"),
        (CONFIG_MAPS, {"metadata": {}}, 422, "metadata.name: Required value"),
        (CONFIG_MAPS, config_map("A_b"), 422, "metadata.name: Invalid value"),
        (CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "b"}}, 400, "the namespace of the"),
        ("/api/v1/namespaces/nope/configmaps", config_map(), 404, 'namespaces "nope" not found'),
        ("/api/v1/namespaces/default/gizmos", {}, 404, "could not find the requested resource"),
        ("/api/v1/configmaps", config_map(), 405, "does not allow this method"),
        (f"{CONFIG_MAPS}?dryRun=Some", config_map(), 422, "dryRun"),
        (PODS, {"metadata": {"name": "p"}}, 422, "spec.containers: Required value"),
    ],
)
def test_malformed_input_is_answered_with_a_status(
    url: str, body: object, code: int, text: str
) -> None:
    async def scenario(world: World) -> None:
        answer = await world.raw("POST", url, body)
        assert (answer.status, answer.body["kind"]) == (code, "Status")
        assert answer.body["code"] == code and text in answer.body["message"]

    run(scenario)


def test_a_scheduled_pod_waits_for_its_kubelet() -> None:
    async def scenario(world: World) -> None:
        created = await world.ask("POST", PODS, pod())
        binding = {"metadata": {"name": "web"}, "target": {"name": "node-1"}}
        assert (await world.raw("POST", f"{PODS}/web/binding", binding)).status == 201
        again = await world.raw("POST", f"{PODS}/web/binding", binding)
        assert again.status == 409 and "already assigned to node" in again.body["message"]
        waiting = await world.ask("DELETE", f"{PODS}/web")
        assert waiting["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:30Z"
        assert waiting["metadata"]["deletionGracePeriodSeconds"] == 30
        assert (await world.ask("GET", f"{PODS}/web"))["metadata"] == waiting["metadata"]
        body = {
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": created["metadata"]["uid"]},
        }
        assert (await world.raw("DELETE", f"{PODS}/web", body)).status == 200
        assert (await world.raw("GET", f"{PODS}/web")).status == 404

    run(scenario)


def test_an_unscheduled_pod_goes_at_once() -> None:
    async def scenario(world: World) -> None:
        await world.ask("POST", PODS, pod())
        await world.ask("DELETE", f"{PODS}/web")
        assert (await world.raw("GET", f"{PODS}/web")).status == 404

    run(scenario)


def test_a_delete_with_a_wrong_uid_deletes_nothing() -> None:
    async def scenario(world: World) -> None:
        await world.ask("POST", CONFIG_MAPS, config_map())
        body = {"preconditions": {"uid": "other"}}
        answer = await world.raw("DELETE", f"{CONFIG_MAPS}/cm", body)
        assert answer.status == 409 and "Precondition failed: UID" in answer.body["message"]
        assert (await world.raw("GET", f"{CONFIG_MAPS}/cm")).status == 200

    run(scenario)


@pytest.mark.parametrize(
    ("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")]
)
def test_the_propagation_policy_leaves_work_for_the_garbage_collector(
    policy: str, finalizer: str
) -> None:
    async def scenario(world: World) -> None:
        await world.ask("POST", DEPLOYMENTS, deployment())
        await world.ask("DELETE", f"{DEPLOYMENTS}/web", {"propagationPolicy": policy})
        waiting = await world.ask("GET", f"{DEPLOYMENTS}/web")
        assert waiting["metadata"]["finalizers"] == [finalizer]
        refused = await world.patch(f"{DEPLOYMENTS}/web", {"metadata": {"finalizers": ["a.b/c"]}})
        assert "no new finalizers can be added" in refused["message"]
        await world.patch(f"{DEPLOYMENTS}/web", {"metadata": {"finalizers": None}})
        assert (await world.raw("GET", f"{DEPLOYMENTS}/web")).status == 404

    run(scenario)


def test_a_namespace_is_terminating_until_it_is_finalized() -> None:
    async def scenario(world: World) -> None:
        await world.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})
        leaving = await world.ask("DELETE", "/api/v1/namespaces/team")
        assert leaving["status"]["phase"] == "Terminating"
        refused = await world.raw("POST", "/api/v1/namespaces/team/configmaps", config_map())
        assert refused.status == 403 and refused.body["message"] == (
            'configmaps "cm" is forbidden: unable to create new content in namespace team '
            "because it is being terminated"
        )
        empty = {**leaving, "spec": {}}
        await world.ask("PUT", "/api/v1/namespaces/team/finalize", empty)
        assert (await world.raw("GET", "/api/v1/namespaces/team")).status == 404

    run(scenario)


def test_the_first_namespaces_cannot_be_deleted() -> None:
    async def scenario(world: World) -> None:
        answer = await world.raw("DELETE", "/api/v1/namespaces/default")
        assert answer.body["message"] == (
            'namespaces "default" is forbidden: this namespace may not be deleted'
        )

    run(scenario)


def test_delete_collection_deletes_what_the_selector_selects() -> None:
    async def scenario(world: World) -> None:
        for name, app in (("a", "x"), ("b", "x"), ("c", "y")):
            labelled = config_map(name)
            labelled["metadata"]["labels"] = {"app": app}
            await world.ask("POST", CONFIG_MAPS, labelled)
        await world.ask("DELETE", f"{CONFIG_MAPS}?labelSelector=app=x")
        left = await world.ask("GET", CONFIG_MAPS)
        assert [item["metadata"]["name"] for item in left["items"]] == ["c"]

    run(scenario)


def test_scale_changes_the_replicas_of_a_workload_and_nothing_else() -> None:
    async def scenario(world: World) -> None:
        before = await world.ask("POST", DEPLOYMENTS, deployment())
        scale = await world.ask("GET", f"{DEPLOYMENTS}/web/scale")
        assert scale["kind"] == "Scale" and scale["status"]["selector"] == "app=web"
        await world.patch(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 4}})
        after = await world.ask("GET", f"{DEPLOYMENTS}/web")
        assert after["spec"] == {**before["spec"], "replicas": 4}
        refused = await world.patch(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": -1}})
        assert refused["reason"] == "Invalid"

    run(scenario)


def test_an_eviction_is_a_delete() -> None:
    async def scenario(world: World) -> None:
        await world.ask("POST", PODS, pod())
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
        answer = await world.raw("POST", f"{PODS}/web/eviction", eviction)
        assert answer.status == 201 and answer.body["status"] == "Success"
        assert (await world.raw("GET", f"{PODS}/web")).status == 404

    run(scenario)


def test_a_pod_is_admitted_with_what_the_plugins_add() -> None:
    async def scenario(world: World) -> None:
        spec = (await world.ask("POST", PODS, pod()))["spec"]
        assert spec["priority"] == 0
        assert [t["key"] for t in spec["tolerations"]] == [
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unreachable",
        ]
        refused = await world.raw("POST", PODS, pod("x", priorityClassName="nope"))
        assert "no PriorityClass with name nope was found" in refused.body["message"]

    run(scenario)


def test_services_never_share_an_address_or_a_port() -> None:
    async def scenario(world: World) -> None:
        creations = [
            world.ask("POST", SERVICES, service(f"s{i}", type="NodePort")) for i in range(20)
        ]
        specs = [made["spec"] for made in await asyncio.gather(*creations)]
        assert len({spec["clusterIP"] for spec in specs}) == 20
        assert len({spec["ports"][0]["nodePort"] for spec in specs}) == 20
        taken = specs[0]["clusterIP"]
        refused = await world.ask("POST", SERVICES, service("x", clusterIP=taken))
        assert f"failed to allocate IP {taken}: provided IP is already" in refused["message"]
        await world.ask("DELETE", f"{SERVICES}/s0")
        given = await world.ask("POST", SERVICES, service("x", clusterIP=taken))
        assert given["spec"]["clusterIP"] == taken

    run(scenario)


def test_two_creations_that_ask_for_one_port_at_once_leave_one_winner() -> None:
    async def scenario(world: World) -> None:
        ports = [{"port": 80, "nodePort": 30080}]
        answers = await asyncio.gather(
            *(world.raw("POST", SERVICES, service(n, type="NodePort", ports=ports)) for n in "ab")
        )
        assert sorted(answer.status for answer in answers) == [201, 422]

    run(scenario)


def test_a_service_keeps_its_address_when_it_changes_and_gives_up_a_port_with_its_type() -> None:
    async def scenario(world: World) -> None:
        made = await world.ask("POST", SERVICES, service(type="NodePort"))
        sent = {**service(), "metadata": {"name": "web"}}
        put = await world.ask("PUT", f"{SERVICES}/web", sent)
        assert put["spec"]["clusterIP"] == made["spec"]["clusterIP"]
        assert "nodePort" not in put["spec"]["ports"][0]
        port = made["spec"]["ports"][0]["nodePort"]
        again = service("other", type="NodePort", ports=[{"port": 80, "nodePort": port}])
        assert (await world.raw("POST", SERVICES, again)).status == 201

    run(scenario)


def test_who_is_not_known_is_turned_away() -> None:
    async def scenario(world: World) -> None:
        from kube_edu.host import Peer

        stranger = Peer(address="10.0.0.9")
        assert (await world.raw("GET", PODS, peer=stranger)).status == 403
        assert (await world.raw("GET", "/readyz", peer=stranger)).status == 200

    run(scenario)


def test_a_store_that_is_away_is_told_as_unavailable() -> None:
    async def scenario(world: World) -> None:
        world.etcd.down = True
        answer = await world.raw("POST", CONFIG_MAPS, config_map())
        assert answer.status == 503 and "no leader" in answer.body["message"]

    run(scenario)


def test_events_are_forgotten_after_an_hour() -> None:
    async def scenario(world: World) -> None:
        for name in ("a", "b"):
            event = {"metadata": {"name": name}, "involvedObject": {"namespace": "default"}}
            answer = await world.raw("POST", f"{NS}/events", event)
            assert answer.status == 201, answer.body
        kvs = [world.etcd.get(f"/registry/events/default/{name}") for name in ("a", "b")]
        leases = {kv.lease for kv in kvs if kv is not None}
        assert len(leases) == 1 and 0 not in leases

    run(scenario)


@pytest.mark.parametrize(
    ("method", "url"),
    [("GET", f"{PODS}/web/binding"), ("POST", f"{PODS}/web"), ("PUT", PODS), ("POST", "/version")],
)
def test_a_method_that_a_path_does_not_have_is_not_allowed(method: str, url: str) -> None:
    async def scenario(world: World) -> None:
        assert (await world.ask(method, url))["reason"] == "MethodNotAllowed"

    run(scenario)


# Field validation, and the narrower doors


DUPLICATE = b'{"metadata": {"name": "d"}, "data": {"a": "1", "a": "2"}, "dada": {}}'


@pytest.mark.parametrize("how", ["Ignore", "Warn", "Strict", ""])
def test_unknown_and_duplicate_fields_are_told_as_the_client_wishes(how: str) -> None:
    async def test(world: World) -> None:
        answer = await world.raw("POST", f"{NS}/configmaps?fieldValidation={how}", DUPLICATE)
        problems = 'duplicate field "data.a"', 'unknown field "dada"'
        if how == "Strict":
            assert answer.status == 400
            assert all(problem in answer.body["message"] for problem in problems)
            return
        assert answer.body["data"] == {"a": "2"}
        told = answer.headers.get("warning", "")
        quoted = [problem.replace('"', '\\"') for problem in problems]
        assert all(problem in told for problem in quoted) == (how != "Ignore")

    run(test)


def test_an_ephemeral_container_is_added_and_stays() -> None:
    async def test(world: World) -> None:
        await world.ask("POST", f"{NS}/pods", pod())
        at = f"{NS}/pods/web/ephemeralcontainers"
        debugger = {"name": "debugger", "image": "busybox:1"}
        patch = {"spec": {"ephemeralContainers": [debugger], "nodeName": "no"}}
        changed = await world.patch(at, patch, "strategic-merge-patch")
        assert changed["spec"]["ephemeralContainers"][0]["name"] == "debugger"
        assert "nodeName" not in changed["spec"], "this door is for ephemeral containers alone"
        gone = await world.patch(at, {"spec": {"ephemeralContainers": []}})
        assert "may not be removed" in gone["message"]

    run(test)


def test_a_resize_changes_resources_alone_and_keeps_the_class() -> None:
    async def test(world: World) -> None:
        resources = {"requests": {"cpu": "1"}}
        containers = [{"name": "c", "image": "i:1", "resources": resources}]
        await world.ask("POST", f"{NS}/pods", pod(containers=containers))
        at = f"{NS}/pods/web/resize"

        def to(**resources: object) -> object:
            container = {"name": "c", "image": "other", "resources": resources}
            return {"spec": {"containers": [container]}}

        changed = await world.patch(at, to(requests={"cpu": "2"}), "strategic-merge-patch")
        container = changed["spec"]["containers"][0]
        assert container["resources"] == {"requests": {"cpu": "2"}}
        assert container["image"] == "i:1"
        sizes = {"cpu": "2", "memory": "1Gi"}
        refused = await world.patch(at, to(requests=sizes, limits=sizes), "strategic-merge-patch")
        assert "QOS Class may not change" in refused["message"]

    run(test)

"""Behaviours that Kubernetes' own conformance tests check, of the kind that need the API alone;
each test bears the name of one of them, or tells which several it stands for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from kube_edu.api.meta import Object, clone
from kube_edu.api.resources import STORED, resource_of
from kube_edu.host import decoded
from tests.apiserver.fakes import World, config_map, deployment, pod, service
from tests.apiserver.test_kinds import AS_TABLE, KINDS, collection, every_kind

NS = "/api/v1/namespaces/default"
WITH_STATUS = [obj for obj in KINDS if "status" in resource_of(obj).subresources]


def run(test: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        async with World() as world:
            await test(world)

    asyncio.run(main())


async def next_event(stream: AsyncIterator[Any]) -> Object:
    async with asyncio.timeout(10):
        return decoded(await anext(stream))  # type: ignore[no-any-return]


@every_kind
def test_api_operations(obj: Object) -> None:
    """Ingress API, IngressClass API, RuntimeClass, CSR, PodTemplates, CSIDriver, StorageClass,
    VolumeAttachment, PriorityClass, EndpointSlice, Lease, LimitRange, ValidatingAdmissionPolicy
    … should support API operations: all verbs, and a watch that tells of each."""

    async def test(world: World) -> None:
        at = collection(obj)
        mine = clone(obj)
        mine["metadata"]["labels"] = {"special": "mine"}
        name = obj["metadata"]["name"]
        listed = await world.ask("GET", f"{at}?labelSelector=special=mine")
        assert listed["items"] == []
        version = listed["metadata"]["resourceVersion"]
        query = f"watch=1&labelSelector=special=mine&resourceVersion={version}"
        watch = await world.raw("GET", f"{at}?{query}")
        assert watch.stream is not None
        made = await world.ask("POST", at, mine)
        assert (await next_event(watch.stream))["type"] == "ADDED"
        patched = await world.patch(f"{at}/{name}", {"metadata": {"annotations": {"a": "1"}}})
        assert patched["metadata"]["annotations"]["a"] == "1"
        event = await next_event(watch.stream)
        assert (event["type"], event["object"]) == ("MODIFIED", patched)
        stale = await world.ask("PUT", f"{at}/{name}", made)
        assert stale["reason"] == "Conflict"
        patched["metadata"]["annotations"]["a"] = "2"
        updated = await world.ask("PUT", f"{at}/{name}", patched)
        assert updated["metadata"]["annotations"]["a"] == "2"
        assert (await next_event(watch.stream))["type"] == "MODIFIED"
        everywhere = await world.ask("GET", f"{resource_of(obj).path()}?labelSelector=special=mine")
        assert len(everywhere["items"]) == 1
        if "deletecollection" in resource_of(obj).verbs:
            gone = await world.raw("DELETE", f"{at}?labelSelector=special=mine")
            assert gone.status == 200
            assert (await next_event(watch.stream))["type"] == "DELETED"
            assert (await world.raw("GET", f"{at}/{name}")).status == 404
        await watch.close()

    run(test)


def test_status_endpoints() -> None:
    """… should validate Status endpoints; should apply changes to a namespace status, a
    resourcequota status, a pv/pvc status: metadata and status are written there, nothing else."""

    async def test(world: World) -> None:
        for obj in WITH_STATUS:
            at = f"{collection(obj)}/{obj['metadata']['name']}"
            made = await world.ask("POST", collection(obj), obj)
            assert await world.ask("GET", f"{at}/status") == made
            patch = {"metadata": {"annotations": {"patched": "yes"}}, "spec": {"no": "never"}}
            patched = await world.patch(f"{at}/status", patch)
            assert patched["metadata"]["annotations"]["patched"] == "yes"
            assert patched.get("spec") == made.get("spec")
            condition = {
                "type": "Tested", "status": "True", "reason": "Test", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }  # fmt: skip
            changed = {
                **patched,
                "status": {**patched.get("status", {}), "conditions": [condition]},
            }
            written = await world.ask("PUT", f"{at}/status", changed)
            if "conditions" in written["status"]:
                kept = await world.ask("PUT", at, {**written, "status": {}})
                assert kept["status"] == written["status"], "the main door leaves the status alone"

    run(test)


def test_watchers_observe_an_object_deletion_if_it_stops_meeting_the_selector() -> None:
    async def test(world: World) -> None:
        at = f"{NS}/configmaps"
        mine = config_map("c")
        mine["metadata"]["labels"] = {"watch": "yes"}
        await world.ask("POST", at, mine)
        watch = await world.raw("GET", f"{at}?watch=1&labelSelector=watch=yes")
        assert watch.stream is not None
        assert (await next_event(watch.stream))["type"] == "ADDED"
        await world.patch(f"{at}/c", {"metadata": {"labels": {"watch": "no"}}})
        assert (await next_event(watch.stream))["type"] == "DELETED"
        await world.patch(f"{at}/c", {"metadata": {"labels": {"watch": "yes"}}, "data": {"a": "b"}})
        event = await next_event(watch.stream)
        assert event["type"] == "ADDED" and event["object"]["data"] == {"a": "b"}
        await watch.close()

    run(test)


def test_watchers_receive_events_on_concurrent_watches_in_the_same_order() -> None:
    """… and start watching from a specific resource version, and restart from the last one."""

    async def test(world: World) -> None:
        at = f"{NS}/configmaps"
        begun = (await world.ask("GET", at))["metadata"]["resourceVersion"]
        for number in range(20):
            await world.ask("POST", at, config_map(f"c-{number % 10}"))
            await world.raw("DELETE", f"{at}/c-{number * 3 % 10}")
        ended = (await world.ask("GET", at))["metadata"]["resourceVersion"]
        seen: list[Object] = []
        version = begun
        while version != ended:
            watch = await world.raw("GET", f"{at}?watch=1&resourceVersion={version}")
            assert watch.stream is not None
            seen.append(await next_event(watch.stream))
            version = seen[-1]["object"]["metadata"]["resourceVersion"]
            await watch.close()
        for start in range(len(seen)):
            version = seen[start]["object"]["metadata"]["resourceVersion"]
            watch = await world.raw("GET", f"{at}?watch=1&resourceVersion={version}")
            assert watch.stream is not None
            assert [await next_event(watch.stream) for _ in seen[start + 1 :]] == seen[start + 1 :]
            await watch.close()

    run(test)


@pytest.mark.parametrize("media_type", ["merge-patch+json", "strategic-merge-patch+json", "json"])
def test_field_validation_detects_unknown_and_duplicate_fields_of_a_typed_object(
    media_type: str,
) -> None:
    """… and unknown metadata fields."""
    wrong = """{
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "unknownMeta": "foo"},
        "spec": {"unknown": "foo", "replicas": 1, "replicas": 2, "paused": true, "paused": false,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}}}}"""
    told = [
        f'{what} field "{path}"'
        for what, path in (
            ("duplicate", "spec.replicas"), ("duplicate", "spec.paused"),
            ("unknown", "metadata.unknownMeta"), ("unknown", "spec.unknown"),
        )
    ]  # fmt: skip

    async def test(world: World) -> None:
        at, method = "/apis/apps/v1/namespaces/default/deployments", "POST"
        if media_type != "json":
            await world.ask("POST", at, deployment(replicas=7))
            at, method = f"{at}/web", "PATCH"
        how = f"application/{media_type}"
        strict = await world.raw(
            method, f"{at}?fieldValidation=Strict", wrong.encode(), content_type=how
        )
        assert strict.status == 400
        assert f"strict decoding error: {', '.join(told)}" in strict.body["message"]
        warned = await world.raw(method, at, wrong.encode(), content_type=how)
        assert warned.body["spec"]["replicas"] == 2
        escaped = [text.replace('"', '\\"') for text in told]
        assert warned.headers["warning"] == ", ".join(f'299 - "{text}"' for text in escaped)

    run(test)


def test_table_transformation_returns_a_406_for_a_backend_which_does_not_implement_metadata() -> (
    None
):
    async def test(world: World) -> None:
        at = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
        refused = await world.raw("POST", at, review, accept=AS_TABLE)
        assert (refused.status, refused.body["reason"]) == (406, "NotAcceptable")

    run(test)


def test_aggregated_discovery_endpoint_accept_headers() -> None:
    async def test(world: World) -> None:
        aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        found = await world.raw("GET", "/apis", accept=aggregated)
        assert found.headers["content-type"] == aggregated
        assert found.body["kind"] == "APIGroupDiscoveryList"
        assert (await world.ask("GET", "/apis", accept="application/json"))[
            "kind"
        ] == "APIGroupList"

    run(test)


def test_discovery_should_validate_preferred_version_for_each_api_group() -> None:
    async def test(world: World) -> None:
        for group in (await world.ask("GET", "/apis"))["groups"]:
            preferred = group["preferredVersion"]["groupVersion"]
            assert preferred in [version["groupVersion"] for version in group["versions"]]
            assert (await world.ask("GET", f"/apis/{group['name']}")) == {
                "kind": "APIGroup", "apiVersion": "v1", **group,
            }  # fmt: skip
            kind = (await world.ask("GET", f"/apis/{preferred}"))["kind"]
            assert kind == "APIResourceList"

    run(test)


@pytest.mark.parametrize("kind", ["configmaps", "secrets"])
def test_should_be_immutable_if_immutable_field_is_set(kind: str) -> None:
    async def test(world: World) -> None:
        body = {"metadata": {"name": "x"}, "data": {"a": "YQ=="}}
        await world.ask("POST", f"{NS}/{kind}", body)
        changed = await world.patch(f"{NS}/{kind}/x", {"data": {"a": "Yg=="}, "immutable": True})
        assert changed["immutable"]
        for change in ({"data": {"a": "Yw=="}}, {"immutable": False}):
            assert (await world.patch(f"{NS}/{kind}/x", change))["reason"] == "Invalid"
        labelled = await world.patch(f"{NS}/{kind}/x", {"metadata": {"labels": {"a": "b"}}})
        assert labelled["metadata"]["labels"] == {"a": "b"}

    run(test)


@pytest.mark.parametrize("kind", ["configmaps", "secrets"])
def test_should_fail_to_create_due_to_empty_key(kind: str) -> None:
    async def test(world: World) -> None:
        body = {"metadata": {"name": "x"}, "data": {"": "YQ=="}}
        assert (await world.ask("POST", f"{NS}/{kind}", body))["reason"] == "Invalid"

    run(test)


def test_server_side_dry_run_can_update_pods() -> None:
    async def test(world: World) -> None:
        made = await world.ask("POST", f"{NS}/pods", pod())
        dry = await world.patch(
            f"{NS}/pods/web?dryRun=All",
            {"spec": {"containers": [{"name": "c", "image": "other:2"}]}},
            "strategic-merge-patch",
        )
        assert dry["spec"]["containers"][0]["image"] == "other:2"
        assert await world.ask("GET", f"{NS}/pods/web") == made

    run(test)


def test_who_asks_for_a_deprecated_kind_is_warned() -> None:
    async def test(world: World) -> None:
        answer = await world.raw("GET", f"{NS}/endpoints")
        why = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
        assert answer.status == 200 and answer.headers["warning"] == f'299 - "{why}"'
        assert "warning" not in (await world.raw("GET", f"{NS}/services")).headers

    run(test)


def test_services_should_find_a_service_from_listing_all_namespaces() -> None:
    async def test(world: World) -> None:
        await world.ask("POST", f"{NS}/services", service("found"))
        listed = await world.ask("GET", "/api/v1/services")
        names = [item["metadata"]["name"] for item in listed["items"]]
        assert "kubernetes" in names, "provides a secure master service"
        assert "found" in names

    run(test)


def test_runtime_class_should_reject_or_complete_a_pod() -> None:
    """… requesting a non-existent RuntimeClass; should schedule a Pod requesting a RuntimeClass
    and initialize its Overhead."""

    async def test(world: World) -> None:
        refused = await world.ask("POST", f"{NS}/pods", pod(runtimeClassName="none"))
        assert 'RuntimeClass "none" not found' in refused["message"]
        runtime = {
            "metadata": {"name": "heavy"}, "handler": "heavy",
            "overhead": {"podFixed": {"cpu": "10m"}},
            "scheduling": {"nodeSelector": {"runtime": "heavy"}},
        }  # fmt: skip
        await world.ask("POST", "/apis/node.k8s.io/v1/runtimeclasses", runtime)
        made = await world.ask("POST", f"{NS}/pods", pod(runtimeClassName="heavy"))
        assert made["spec"]["overhead"] == {"cpu": "10m"}
        assert made["spec"]["nodeSelector"] == {"runtime": "heavy"}

    run(test)


def test_every_stored_kind_with_a_status_is_tested_here() -> None:
    rows = [r for r in STORED if "status" in r.subresources and "create" in r.verbs]
    assert {r.kind for r in rows} == {obj["kind"] for obj in WITH_STATUS}

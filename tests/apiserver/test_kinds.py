"""What holds for every kind that is stored, be it never so rare."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kube_edu.api import manifest
from kube_edu.api.meta import Object
from kube_edu.api.resources import RESOURCES, STORED, resource_of
from tests.apiserver.fakes import World

KINDS = manifest.load_all(Path(__file__).with_name("kinds.yaml").read_text())
WRITTEN = [resource for resource in STORED if "create" in resource.verbs]
METHODS = {"create": "POST", "list": "GET", "deletecollection": "DELETE"}
AS_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
AS_METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"

every_kind = pytest.mark.parametrize("obj", KINDS, ids=lambda obj: obj["kind"])


def run(test: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        async with World() as world:
            await test(world)

    asyncio.run(main())


def collection(obj: Object) -> str:
    resource = resource_of(obj)
    return resource.path("default" if resource.namespaced else "")


def test_there_is_an_example_of_every_kind() -> None:
    assert {resource_of(obj) for obj in KINDS} == set(WRITTEN)


@every_kind
def test_an_object_lives_from_creation_to_deletion(obj: Object) -> None:
    async def test(world: World) -> None:
        at = f"{collection(obj)}/{obj['metadata']['name']}"
        made = await world.ask("POST", collection(obj), obj)
        assert made["kind"] == obj["kind"], made
        assert made["metadata"]["uid"] and made["metadata"]["resourceVersion"]
        assert await world.ask("GET", at) == made
        assert await world.ask("PUT", at, made) == made, "what is put back unchanged is unchanged"
        labelled = await world.patch(at, {"metadata": {"labels": {"a": "b"}}})
        assert labelled["metadata"].get("generation") == made["metadata"].get("generation")
        listed = await world.ask("GET", f"{collection(obj)}?labelSelector=a=b")
        assert [item["metadata"]["uid"] for item in listed["items"]] == [made["metadata"]["uid"]]
        assert listed["kind"] == f"{obj['kind']}List"
        gone = await world.raw("DELETE", at)
        assert gone.status == 200
        if obj["kind"] != "Namespace":
            assert (await world.raw("GET", at)).status == 404

    run(test)


def test_every_object_is_shown_as_a_table_and_as_metadata() -> None:
    async def test(world: World) -> None:
        for obj in KINDS:
            at = f"{collection(obj)}/{obj['metadata']['name']}"
            made = await world.ask("POST", collection(obj), obj)
            table = await world.ask("GET", at, accept=AS_TABLE)
            names = [column["name"] for column in table["columnDefinitions"]]
            assert len(table["rows"][0]["cells"]) == len(names), obj["kind"]
            partial = await world.ask("GET", at, accept=AS_METADATA)
            assert partial["kind"] == "PartialObjectMetadata"
            assert partial["metadata"]["uid"] == made["metadata"]["uid"]

    run(test)


def test_an_empty_object_is_refused_or_made_whole() -> None:
    """Whatever is missing is told; nothing fails for it."""

    async def test(world: World) -> None:
        for resource in WRITTEN:
            at = resource.path("default" if resource.namespaced else "")
            for body in ({}, {"metadata": {"name": "x"}}, {"metadata": {"name": "x"}, "spec": {}}):
                answer = await world.raw("POST", at, body)
                assert answer.status < 500, (resource.kind, answer.body)

    run(test)


def test_what_has_a_second_version_is_one_object() -> None:
    async def test(world: World) -> None:
        hpa = next(obj for obj in KINDS if obj["kind"] == "HorizontalPodAutoscaler")
        v1, v2 = (
            f"/apis/autoscaling/{v}/namespaces/default/horizontalpodautoscalers"
            for v in ("v1", "v2")
        )
        await world.ask("POST", v2, hpa)
        old = await world.ask("GET", f"{v1}/x")
        assert old["apiVersion"] == "autoscaling/v1"
        assert old["spec"]["targetCPUUtilizationPercentage"] == 80
        old["spec"]["targetCPUUtilizationPercentage"] = 50
        changed = await world.ask("PUT", f"{v1}/x", old)
        assert changed["spec"]["targetCPUUtilizationPercentage"] == 50
        new = await world.ask("GET", f"{v2}/x")
        assert new["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50
        listed = await world.ask("GET", v1)
        assert listed["items"][0] == {**changed}

        events = "/apis/events.k8s.io/v1/namespaces/default/events"
        regarding = {"kind": "Pod", "name": "p", "namespace": "default"}
        event = {"metadata": {"name": "e"}, "regarding": regarding, "note": "hello"}
        assert (await world.ask("POST", events, event))["note"] == "hello"
        core = await world.ask("GET", "/api/v1/namespaces/default/events/e")
        assert (core["message"], core["involvedObject"]) == ("hello", regarding)
        found = await world.ask("GET", f"{events}?fieldSelector=regarding.name=p")
        assert [item["note"] for item in found["items"]] == ["hello"]
        patched = await world.patch(f"{events}/e", {"note": "bye"})
        assert patched["note"] == "bye" and patched["apiVersion"] == "events.k8s.io/v1"

    run(test)


def test_nothing_that_is_read_only_or_only_asked_is_written() -> None:
    async def test(world: World) -> None:
        for resource in RESOURCES:
            at = resource.path("default" if resource.namespaced else "")
            for verb, method in METHODS.items():
                if verb not in resource.verbs:
                    assert (await world.raw(method, at, {})).status == 405

    run(test)

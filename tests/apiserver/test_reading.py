"""Get, list and watch: which state a client may see, and that it misses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from kube_edu.api.meta import Object
from kube_edu.api.selectors import FieldSelector, LabelSelector
from kube_edu.apiserver import server, watchcache, watchers
from kube_edu.apiserver.selection import Selection
from kube_edu.apiserver.stored import Change, Decoder
from kube_edu.apiserver.watchcache import WatchCache
from kube_edu.apiserver.watchers import Audience
from kube_edu.etcd.messages import KeyValue, PutRequest, RangeRequest
from kube_edu.host import Response, decoded
from tests.apiserver.fakes import LocalEtcd, World, config_map, pod

NS = "/api/v1/namespaces/default"
CONFIG_MAPS = f"{NS}/configmaps"


def run(scenario: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        async with World() as world:
            await scenario(world)

    asyncio.run(main())


def names(found: Object) -> list[str]:
    return [item["metadata"]["name"] for item in found["items"]]


def cache_of(world: World) -> WatchCache:
    """That of the ConfigMaps."""
    return world.server._caches["/registry/configmaps/"]


async def create(world: World, *wanted: str) -> None:
    for name in wanted:
        labelled = config_map(name)
        labelled["metadata"]["labels"] = {"app": name[0]}
        await world.ask("POST", CONFIG_MAPS, labelled)


@contextlib.asynccontextmanager
async def watching(world: World, url: str) -> AsyncIterator[Callable[[], Awaitable[Object]]]:
    """`await next_event()` reads the stream of a watch."""
    response: Response = await world.raw("GET", url)
    assert response.status == 200 and response.stream is not None
    stream = response.stream

    async def next_event() -> Object:
        async with asyncio.timeout(5):
            event: Object = decoded(await anext(stream))
            return event

    try:
        yield next_event
    finally:
        await response.close()


def test_a_list_in_pages_shows_one_state_however_long_it_takes() -> None:
    async def scenario(world: World) -> None:
        await create(world, "a", "b", "c", "d")
        page = await world.ask("GET", f"{CONFIG_MAPS}?limit=2")
        assert page["metadata"]["remainingItemCount"] == 2
        await world.ask("DELETE", f"{CONFIG_MAPS}/d")
        await create(world, "e")
        token = page["metadata"]["continue"]
        rest = await world.ask("GET", f"{CONFIG_MAPS}?limit=2&continue={token}")
        assert names(page) + names(rest) == ["a", "b", "c", "d"]
        assert rest["metadata"]["resourceVersion"] == page["metadata"]["resourceVersion"]
        assert "continue" not in rest["metadata"]

    run(scenario)


@pytest.mark.parametrize("limit", range(1, 6))
def test_pages_with_a_selector_find_what_a_whole_list_finds(limit: int) -> None:
    async def scenario(world: World) -> None:
        await create(world, "a1", "b1", "a2", "b2", "a3", "c1")
        url = f"{CONFIG_MAPS}?labelSelector=app=a&limit={limit}"
        found, token = [], ""
        while True:
            page = await world.ask("GET", f"{url}&continue={token}")
            assert len(page["items"]) <= limit
            found += names(page)
            token = page["metadata"].get("continue", "")
            if not token:
                break
        assert found == ["a1", "a2", "a3"]

    run(scenario)


def test_a_continue_token_that_is_too_old_comes_with_one_that_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchcache, "RING", 1)

    async def scenario(world: World) -> None:
        await create(world, "a", "b")
        page = await world.ask("GET", f"{CONFIG_MAPS}?limit=1")
        await create(world, "c", "d")
        await asyncio.sleep(0.01)
        world.etcd.forget()
        token = page["metadata"]["continue"]
        expired = await world.ask("GET", f"{CONFIG_MAPS}?limit=1&continue={token}")
        assert (expired["code"], expired["reason"]) == (410, "Expired")
        token = expired["metadata"]["continue"]
        rest = await world.ask("GET", f"{CONFIG_MAPS}?continue={token}")
        assert names(rest) == ["b", "c", "d"]

    run(scenario)


def test_resource_version_zero_is_answered_without_the_store() -> None:
    async def scenario(world: World) -> None:
        await create(world, "a")
        await asyncio.sleep(0.01)
        world.etcd.down = True
        assert names(await world.ask("GET", f"{CONFIG_MAPS}?resourceVersion=0")) == ["a"]
        assert (await world.raw("GET", f"{CONFIG_MAPS}/a?resourceVersion=0")).status == 200
        assert (await world.raw("GET", CONFIG_MAPS)).status == 503

    run(scenario)


def test_an_exact_revision_shows_the_past() -> None:
    async def scenario(world: World) -> None:
        await create(world, "a")
        then = (await world.ask("GET", CONFIG_MAPS))["metadata"]["resourceVersion"]
        await create(world, "b")
        exact = f"{CONFIG_MAPS}?resourceVersion={then}&resourceVersionMatch=Exact"
        assert names(await world.ask("GET", exact)) == ["a"]
        newer = await world.ask("GET", f"{CONFIG_MAPS}?resourceVersion={then}")
        assert int(newer["metadata"]["resourceVersion"]) >= int(then)

    run(scenario)


def test_a_revision_of_the_future_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchcache, "PATIENCE", 0.01)

    async def scenario(world: World) -> None:
        for match in ("", "&resourceVersionMatch=NotOlderThan", "&resourceVersionMatch=Exact"):
            answer = await world.ask("GET", f"{CONFIG_MAPS}?resourceVersion=99999{match}")
            assert answer["code"] == 504 and "Too large resource version" in answer["message"]
            (cause,) = answer["details"]["causes"]
            assert cause["reason"] == "ResourceVersionTooLarge"

    run(scenario)


@pytest.mark.parametrize(
    "query",
    [
        "resourceVersion=x",
        f"resourceVersion={'9' * 5000}",
        "limit=-1",
        "watch=1&timeoutSeconds=soon",
        "watch=1&resourceVersion=x",
        "watch=1&labelSelector=a b",
        "continue=%%",
        "labelSelector=a b",
        "fieldSelector=spec.x=1",
    ],
)
def test_a_bad_query_is_the_clients_fault(query: str) -> None:
    async def scenario(world: World) -> None:
        assert (await world.ask("GET", f"{CONFIG_MAPS}?{query}"))["reason"] == "BadRequest"

    run(scenario)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("resourceVersionMatch=Exact", "is forbidden unless resourceVersion is provided"),
        ("resourceVersion=0&resourceVersionMatch=Exact", 'is forbidden for resourceVersion "0"'),
        ("resourceVersion=1&resourceVersionMatch=New", 'supported values: "", "Exact", "NotOlder'),
        ("resourceVersion=1&resourceVersionMatch=Exact&continue=x", "when continue is provided"),
        ("sendInitialEvents=true", "sendInitialEvents is forbidden for list"),
        ("watch=1&sendInitialEvents=true", "requires setting resourceVersionMatch to NotOlderThan"),
        ("watch=1&resourceVersionMatch=NotOlderThan", "unless sendInitialEvents is provided"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(query: str, why: str) -> None:
    async def scenario(world: World) -> None:
        answer = await world.ask("GET", f"{CONFIG_MAPS}?{query}")
        assert (answer["code"], answer["reason"]) == (422, "Invalid")
        assert why in answer["message"]
        assert answer["message"].startswith('ListOptions.meta.k8s.io "" is invalid: ')

    run(scenario)


def test_a_limit_with_a_revision_means_that_very_revision() -> None:
    async def scenario(world: World) -> None:
        await create(world, "a")
        then = (await world.ask("GET", CONFIG_MAPS))["metadata"]["resourceVersion"]
        await create(world, "b")
        page = await world.ask("GET", f"{CONFIG_MAPS}?resourceVersion={then}&limit=5")
        assert names(page) == ["a"] and page["metadata"]["resourceVersion"] == then

    run(scenario)


@pytest.mark.parametrize(("version", "confirmed"), [
    ("3.4.23", False), ("3.4.31", True), ("3.5.12", False), ("3.5.13", True), ("3.6.0", True),
])  # fmt: skip
def test_the_newest_list_comes_from_the_cache_where_the_store_says_how_far_it_is(
    version: str, confirmed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalEtcd, "version", version)

    async def scenario(world: World) -> None:
        await create(world, "a")
        asked: list[RangeRequest] = []
        world.etcd.observe = asked.append
        assert names(await world.ask("GET", CONFIG_MAPS)) == ["a"]
        assert [bool(request.range_end) for request in asked] == [not confirmed]

    run(scenario)


def test_a_change_is_encoded_once_for_all_watchers() -> None:
    async def scenario(world: World) -> None:
        streams = [(await world.raw("GET", f"{CONFIG_MAPS}?watch=1")).stream for _ in range(3)]
        await create(world, "a")
        events = [await anext(stream) for stream in streams if stream is not None]
        assert len({id(event.encoded()) for event in events}) == 1
        assert json.loads(events[0].encoded()) == events[0].decoded()

    run(scenario)


def test_a_watch_from_a_lists_revision_shows_every_change_after_it_once() -> None:
    async def scenario(world: World) -> None:
        await create(world, "a")
        version = (await world.ask("GET", CONFIG_MAPS))["metadata"]["resourceVersion"]
        await create(world, "b")
        url = f"{CONFIG_MAPS}?watch=true&resourceVersion={version}"
        async with watching(world, url) as next_event:
            await world.patch(f"{CONFIG_MAPS}/a", {"data": {"k": "v"}})
            await world.ask("DELETE", f"{CONFIG_MAPS}/b")
            events = [await next_event() for _ in range(3)]
        assert [(e["type"], e["object"]["metadata"]["name"]) for e in events] == [
            ("ADDED", "b"),
            ("MODIFIED", "a"),
            ("DELETED", "b"),
        ]
        versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in events]
        assert versions == sorted(set(versions)) and versions[-1] == world.etcd.revision

    run(scenario)


@pytest.mark.parametrize("version", ["", "&resourceVersion=0"])
def test_a_watch_without_a_revision_begins_with_what_there_is(version: str) -> None:
    async def scenario(world: World) -> None:
        await create(world, "a", "b")
        if version:
            await asyncio.sleep(0.01)  # the cache may be behind, and is not asked without one
        async with watching(world, f"{CONFIG_MAPS}?watch=1{version}") as next_event:
            events = [await next_event(), await next_event()]
            await create(world, "c")
            events.append(await next_event())
        assert [e["object"]["metadata"]["name"] for e in events] == ["a", "b", "c"]
        assert {e["type"] for e in events} == {"ADDED"}

    run(scenario)


def test_initial_events_end_with_a_bookmark() -> None:
    async def scenario(world: World) -> None:
        await create(world, "a")
        query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true"
        url = f"{CONFIG_MAPS}?{query}&resourceVersionMatch=NotOlderThan"
        async with watching(world, url) as next_event:
            assert (await next_event())["type"] == "ADDED"
            end = await next_event()
        assert end["type"] == "BOOKMARK"
        assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}

    run(scenario)


def test_an_object_enters_and_leaves_a_selectors_view() -> None:
    async def scenario(world: World) -> None:
        url = f"{CONFIG_MAPS}?watch=1&labelSelector=app=x"
        async with watching(world, url) as next_event:
            await create(world, "a")
            for label in ("x", "x", "y"):
                labels = {"labels": {"app": label}, "annotations": {"n": label}}
                await world.patch(f"{CONFIG_MAPS}/a", {"metadata": labels})
                await world.patch(f"{CONFIG_MAPS}/a", {"data": {"n": label}})
            types = [(await next_event())["type"] for _ in range(3)]
        assert types == ["ADDED", "MODIFIED", "DELETED"]

    run(scenario)


def test_all_watchers_share_one_object_a_revision() -> None:
    async def scenario(world: World) -> None:
        url = f"{CONFIG_MAPS}?watch=1"
        async with watching(world, url) as one, watching(world, url) as two:
            await create(world, "a")
            assert (await one())["object"] is (await two())["object"]

    run(scenario)


def test_a_revision_before_the_ring_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchcache, "RING", 2)

    async def scenario(world: World) -> None:
        await create(world, "a", "b", "c", "d")
        version = (await world.ask("GET", f"{CONFIG_MAPS}/a"))["metadata"]["resourceVersion"]
        await asyncio.sleep(0.01)
        url = f"{CONFIG_MAPS}?watch=1&resourceVersion={version}"
        async with watching(world, url) as next_event:
            event = await next_event()
        assert event["type"] == "ERROR"
        assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
        assert (
            event["object"]["message"]
            == f"too old resource version: {version} ({int(version) + 1})"
        )

    run(scenario)


def test_a_watcher_that_does_not_read_is_dropped_and_nobody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchers, "QUEUE", 3)

    async def scenario(world: World) -> None:
        url = f"{CONFIG_MAPS}?watch=1"
        async with watching(world, url) as slow, watching(world, url) as quick:
            await create(world, "a")
            await slow(), await quick()
            for name in ("b", "c", "d", "e", "f"):
                await create(world, name)
                assert (await quick())["object"]["metadata"]["name"] == name
            assert [(await slow())["object"]["metadata"]["name"] for _ in "bcd"] == list("bcd")
            with pytest.raises(StopAsyncIteration):
                await slow()

    run(scenario)


def test_a_broken_stream_of_the_store_is_taken_up_where_it_broke(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchcache, "RETRY", 0.001)

    async def scenario(world: World) -> None:
        async with watching(world, f"{CONFIG_MAPS}?watch=1") as next_event:
            world.etcd.go_down()
            await asyncio.sleep(0.01)
            world.etcd.down = False
            await create(world, "a")
            assert (await next_event())["object"]["metadata"]["name"] == "a"

    run(scenario)


def test_after_a_compaction_the_cache_lists_anew_and_its_watchers_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchcache, "RETRY", 0.001)

    async def scenario(world: World) -> None:
        async with watching(world, f"{CONFIG_MAPS}?watch=1") as next_event:
            reading = asyncio.ensure_future(next_event())
            await asyncio.sleep(0.01)
            world.etcd.go_down()
            await asyncio.sleep(0.01)
            for _ in range(5):
                world.etcd.state.apply(PutRequest(b"x", b""))
            world.etcd.forget()
            world.etcd.down = False
            with pytest.raises((StopAsyncIteration, RuntimeError)):
                await reading
        await asyncio.sleep(0.01)
        await create(world, "z")
        await asyncio.sleep(0.01)
        assert names(await world.ask("GET", f"{CONFIG_MAPS}?resourceVersion=0")) == ["z"]

    run(scenario)


def test_a_watch_that_begins_while_the_cache_lists_anew_is_told_to_come_again() -> None:
    async def scenario(world: World) -> None:
        cache_of(world).ready.clear()
        answer = await world.raw("GET", f"{CONFIG_MAPS}?watch=1")
        assert (answer.status, answer.body["reason"]) == (429, "TooManyRequests")

    run(scenario)


def test_a_change_that_comes_in_the_moment_of_a_bookmark_goes_before_it() -> None:
    async def main() -> None:
        kv = KeyValue(b"/registry/configmaps/default/a", 1, 1, 1, b"{}")
        change = Change("/registry/configmaps/default/a", 1, Decoder().stored(kv), None)
        everything = Selection("/registry/configmaps/", LabelSelector(), FieldSelector())
        audience = Audience("/registry/configmaps/")
        watcher, loop = audience.join(everything, 0, [], []), asyncio.get_running_loop()
        deadline = loop.time() + 0.01
        loop.call_at(deadline, lambda: loop.call_soon(audience.tell, change))
        assert await watcher.next(deadline) is change.event("ADDED")

    asyncio.run(main())


def test_history_is_compacted_after_another_server_that_did_so_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "COMPACT_EVERY", 0.001)

    async def scenario(world: World) -> None:
        await asyncio.sleep(0.01)
        await create(world, "a")
        world.etcd.forget()
        await create(world, "b")
        newest = world.etcd.revision
        async with asyncio.timeout(5):
            while world.etcd.state.store.compact_revision < newest:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    run(scenario)


def test_a_watch_ends_after_its_timeout_with_a_bookmark_to_go_on_from() -> None:
    async def scenario(world: World) -> None:
        query = "watch=1&allowWatchBookmarks=true&timeoutSeconds=3"
        response = await world.raw("GET", f"{CONFIG_MAPS}?{query}")
        assert response.stream is not None
        events = [event async for event in response.stream]
        assert events[-1]["type"] == "BOOKMARK"

    run(scenario)


def test_tables_are_made_where_the_client_accepts_them() -> None:
    async def scenario(world: World) -> None:
        await world.ask("POST", f"{NS}/pods", pod())
        accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
        table = await world.ask("GET", f"{NS}/pods", accept=accept)
        assert table["kind"] == "Table" and table["rows"][0]["cells"][0] == "web"
        one = await world.ask("GET", f"{NS}/pods/web", accept=accept)
        assert one["rows"] == table["rows"]
        watch = await world.raw("GET", f"{NS}/pods?watch=1", accept=accept)
        assert watch.stream is not None
        assert (await anext(watch.stream))["object"]["rows"] == table["rows"]
        await watch.close()

    run(scenario)


def test_logs_are_streamed_from_the_kubelet_of_the_pods_node() -> None:
    async def scenario(world: World) -> None:
        asked = []

        class Kubelet:
            async def request(self, request: object) -> Response:
                asked.append(request)

                async def lines() -> AsyncIterator[str]:
                    yield "one\n"
                    yield "two\n"

                return Response(stream=lines())

            async def close(self) -> None:
                asked.append("closed")

        world.host.kubelets["10.0.0.7:10250"] = Kubelet()
        addresses = [{"type": "InternalIP", "address": "10.0.0.7"}]
        node = {"metadata": {"name": "node-1"}, "status": {"addresses": addresses}}
        await world.ask("POST", "/api/v1/nodes", node)
        await world.ask("POST", f"{NS}/pods", pod(nodeName="node-1"))
        response = await world.raw("GET", f"{NS}/pods/web/log?tailLines=2")
        assert response.stream is not None
        assert [line async for line in response.stream] == ["one\n", "two\n"]
        assert asked[0].path == "/containerLogs/default/web/c"  # type: ignore[attr-defined]
        assert asked[-1] == "closed"
        wrong = await world.ask("GET", f"{NS}/pods/web/log?container=x")
        assert wrong["message"] == "container x is not valid for pod web"

    run(scenario)

"""What clients see of history, in a simulated cluster whose store and network misbehave: all of it,
once, in order; lists of one moment; and never the past for the present."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from random import Random
from typing import Any

import pytest

from kube_edu import Cluster, parts
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.apiserver import watchcache
from kube_edu.client import ApiClient
from kube_edu.etcd.messages import EventType, RangeRequest
from kube_edu.etcd.mvcc import Store
from tests.apiserver.fakes import config_map

NAMES = [f"cm-{number}" for number in range(6)]
PREFIX, END = b"/registry/configmaps/default/", b"/registry/configmaps/default0"
ETCD = ["etcd-1", "etcd-2", "etcd-3"]

Seen = tuple[int, str, str]
"""Revision, type and name of one change."""


class World:
    """A cluster without nodes, a client that writes at random, and faults at random."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.clients = 0
        self.cluster = Cluster(nodes=0, etcd_members=3, seed=seed)
        self.cluster.run_for(5)
        self.client = self.new_client("writer")

    def new_client(self, name: str) -> ApiClient:
        self.clients += 1
        machine = self.cluster.simulation.machine(name, f"192.168.7.{self.clients}")
        machine.start(name, _idle)
        return parts.api_client(machine.processes[name].host, "control-1:6443", "admin", name)

    def run(self, *coroutines: Any) -> None:
        async def together() -> None:
            await asyncio.gather(*coroutines)

        self.cluster.simulation.call(together(), timeout=280)

    @property
    def store(self) -> Store:
        """That of the member that has come furthest."""
        stores = [server.store for server in self.cluster.etcd.values()]
        return max(stores, key=lambda store: store.revision)

    def truth(self, after: int, until: int) -> list[Seen]:
        """What happened to the ConfigMaps, as the store has it."""
        seen = []
        for events in self.store.changes(after + 1):
            for event in events:
                kv = event.kv
                if not kv.key.startswith(PREFIX) or kv.mod_revision > until:
                    continue
                type = "ADDED" if kv.version == 1 else "MODIFIED"
                type = "DELETED" if event.type == EventType.DELETE else type
                seen.append((kv.mod_revision, type, kv.key.removeprefix(PREFIX).decode()))
        return seen

    def state(self, revision: int) -> dict[str, str]:
        """Names and resourceVersions at a revision."""
        found = self.store.range(RangeRequest(PREFIX, END, revision=revision))
        return {kv.key.removeprefix(PREFIX).decode(): str(kv.mod_revision) for kv in found.kvs}

    async def write(self, count: int, pause: float = 0.2) -> None:
        for number in range(count):
            name = self.random.choice(NAMES)
            try:
                if self.random.random() < 0.3:
                    await self.client.delete("configmaps", name, "default")
                elif await self.client.find("configmaps", name, "default") is None:
                    obj = config_map(name)
                    obj["metadata"]["namespace"] = "default"
                    await self.client.create(obj)
                else:
                    patch = {"data": {"n": str(number)}}
                    await self.client.patch("configmaps", name, "default", patch)
            except (ApiError, ConnectionError):
                pass
            await asyncio.sleep(self.random.random() * pause)

    async def count(self, number: int) -> None:
        counter = config_map("counter", n=str(number))
        counter["metadata"]["namespace"] = "default"
        if number == 0:
            await self.client.create(counter)
        else:
            patch = {"data": counter["data"]}
            await self.client.patch("configmaps", "counter", "default", patch)

    async def isolate(self, rounds: int) -> None:
        """Cut one member of the store after the other off: from the rest, or from the API
        server."""
        for _ in range(rounds):
            alone = self.random.choice(ETCD)
            rest = [name for name in ETCD if name != alone]
            self.cluster.partition([alone], self.random.choice([rest, ["control-1"]]))
            await asyncio.sleep(self.random.uniform(1, 25))
            self.cluster.heal()
            await asyncio.sleep(self.random.uniform(0, 6))


async def _idle(host: Any) -> None:
    await asyncio.Event().wait()


def names(found: Object) -> dict[str, str]:
    return {
        item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in found["items"]
    }


@pytest.mark.seeds(2)
def test_who_breaks_off_and_lists_anew_sees_every_change_once_and_in_order(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchcache, "RING", 8)
    world = World(seed)
    random = Random(seed)
    relisted = 0

    async def follow(client: ApiClient) -> None:
        """Watch, break off, stay away, resume; list where that is too late."""
        nonlocal relisted
        revision, base, seen = 0, 0, list[Seen]()
        for _ in range(25):
            try:
                if not revision:
                    assert seen == world.truth(base, seen[-1][0] if seen else base)
                    found = await client.list("configmaps", "default")
                    revision = base = int(found["metadata"]["resourceVersion"])
                    assert names(found) == world.state(base)
                    seen, relisted = [], relisted + 1
                stop = random.randrange(1, 8)
                stream = client.watch(
                    "configmaps", "default", resource_version=str(revision), timeout_seconds=5
                )
                async with aclosing(stream) as events:
                    async for type, obj in events:
                        revision = int(obj["metadata"]["resourceVersion"])
                        if type != "BOOKMARK":
                            seen.append((revision, type, obj["metadata"]["name"]))
                            stop -= 1
                        if stop == 0:
                            break
            except ApiError as error:
                if error.code == 410:
                    revision = 0
            except ConnectionError:
                pass
            await asyncio.sleep(random.random() * 2)
        assert seen == world.truth(base, seen[-1][0] if seen else base)

    world.run(world.write(250), follow(world.new_client("watcher")), world.isolate(3))
    assert relisted > 1


@pytest.mark.seeds(2)
def test_a_list_in_pages_and_a_list_at_a_revision_show_exactly_that_state(seed: int) -> None:
    world = World(seed)
    random = Random(seed)

    async def page(client: ApiClient, **query: str) -> Object:
        path = "/api/v1/namespaces/default/configmaps"
        body: Object = (await client.raw("GET", path, list(query.items()))).body
        return body

    async def read(client: ApiClient) -> None:
        revisions = []
        for _ in range(12):
            limit = str(random.randrange(1, 4))
            found = await page(client, limit=limit)
            listed = names(found)
            while token := found["metadata"].get("continue"):
                await asyncio.sleep(random.random())
                found = await page(client, **{"limit": limit, "continue": token})
                listed |= names(found)
            revisions.append(int(found["metadata"]["resourceVersion"]))
            assert listed == world.state(revisions[-1])
            then = random.choice(revisions)
            exact = {"resourceVersion": str(then), "resourceVersionMatch": "Exact"}
            assert names(await page(client, **exact)) == world.state(then)

    world.run(world.write(80), read(world.new_client("reader")))


@pytest.mark.seeds(2)
def test_the_newest_is_never_older_than_what_was_written_before(seed: int) -> None:
    world = World(seed)
    written = 0

    async def count() -> None:
        nonlocal written
        for number in range(1, 150):
            with suppress(ApiError, ConnectionError):
                await world.count(number)
                written = number
            await asyncio.sleep(world.random.random() * 0.3)

    async def read(client: ApiClient) -> None:
        for _ in range(90):
            await asyncio.sleep(world.random.random() * 0.5)
            with suppress(ApiError, ConnectionError):
                before = written
                assert counted(await client.list("configmaps", "default")) >= before
                before = written
                one = await client.get("configmaps", "counter", "default")
                assert counted({"items": [one]}) >= before

    world.run(world.count(0))
    world.run(count(), read(world.new_client("reader")), world.isolate(4))
    assert written > 60


def test_what_the_cache_holds_may_be_old() -> None:
    """The API server's watch hangs on a member that it cannot reach: nobody tells it."""
    world = World(1)
    lists: list[tuple[int, int]] = []

    async def look(number: int) -> None:
        while True:
            with suppress(ApiError, ConnectionError):
                await world.count(number)
                break
        cached = await world.client.list("configmaps", "default", resource_version="0")
        newest = await world.client.list("configmaps", "default")
        lists.append((counted(cached), counted(newest)))

    world.run(world.count(0))
    for number, member in enumerate(ETCD, 1):
        world.cluster.partition([member], ["control-1"])
        world.run(look(number))
        world.cluster.heal()
        world.cluster.run_for(10)
    assert [newest for _, newest in lists] == [1, 2, 3]
    assert any(cached < newest for cached, newest in lists)


def counted(found: Object) -> int:
    numbers = [item["data"]["n"] for item in found["items"] if "n" in item.get("data", {})]
    return int(numbers[0]) if numbers else 0

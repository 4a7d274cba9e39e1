"""kube-proxy follows Services and EndpointSlices."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from kube_edu.proxy import KubeProxy
from kube_edu.proxy.model import ServicePort
from tests.addons.fakes import FakeApi, FakeHost, endpoint_slice, service


class Recorder:
    """A mode that notes what it is to proxy, and may refuse."""

    mode = "test"

    def __init__(self, fail: int = 0) -> None:
        self.synced: list[list[str]] = []
        self.fail = fail

    async def sync(self, services: Sequence[ServicePort]) -> int:
        if self.fail:
            self.fail -= 1
            raise ValueError("unknown match: -A X")
        self.synced.append([row.name for row in services])
        return 7


def run(api: FakeApi, recorder: Recorder, story, **settings) -> FakeHost:
    host = FakeHost()

    async def main() -> None:
        proxy = KubeProxy(host, api.client(), recorder, **settings)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(proxy.run())
            await until(lambda: host.events)
            await story()
            running.cancel()

    asyncio.run(main())
    return host


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)  # what is waited for has no event


def test_the_first_sync_has_everything_and_is_on_the_trace() -> None:
    slices = endpoint_slice("ns/a", [{"addresses": ["10.244.1.2"]}], ("p", 80))
    api = FakeApi([service("ns/a", "10.96.0.1", ("p", 80)), slices])

    async def story() -> None:
        pass

    host = run(api, Recorder(), story)
    assert host.events == [
        ("proxy.rules", {"mode": "test", "services": 1, "endpoints": 1, "rules": 7})
    ]


def test_an_empty_cluster_is_synced_too() -> None:
    async def story() -> None:
        pass

    recorder = Recorder()
    run(FakeApi([]), recorder, story)
    assert recorder.synced == [[]]


def test_a_burst_of_changes_is_one_sync() -> None:
    api = FakeApi([])
    recorder = Recorder()

    async def story() -> None:
        await until(lambda: "services" in api.news)
        for number in range(10):
            new = service(f"ns/s{number}", f"10.96.0.{number}", ("p", 80), version=f"{number + 2}")
            api.tell("services", "ADDED", new)
        await until(lambda: recorder.synced[-1])

    run(api, recorder, story, min_sync_period=0.05)
    assert [len(names) for names in recorder.synced] == [0, 10]


def test_rules_that_are_refused_are_reported_and_tried_again(monkeypatch) -> None:
    monkeypatch.setattr("kube_edu.proxy.proxy.RETRY_SECONDS", 0.01)
    recorder = Recorder(fail=1)

    async def story() -> None:
        await until(lambda: recorder.synced)

    host = run(FakeApi([]), recorder, story)
    assert host.events[0] == ("proxy.error", {"mode": "test", "error": "unknown match: -A X"})
    assert host.events[1][0] == "proxy.rules"

"""The API server: requests a second over HTTPS, long lists, fan-out of watches, memory, and what
all that costs as objects get more."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from kube_edu.apiserver.storage import Storage
from kube_edu.apiserver.stored import encode
from kube_edu.apiserver.watchcache import WatchCache
from kube_edu.etcd.messages import PutRequest
from kube_edu.host import Request
from kube_edu.wire.http import HttpConnection, HttpServer
from tests.apiserver.fakes import ADMIN, LocalEtcd, World, pod

PODS = "/api/v1/namespaces/default/pods"
SECONDS = 5
CLIENTS = 50
WATCHERS = 1000
EVENTS = 1000

CREATE = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = '%s'
"""


def run() -> Iterator[tuple[str, str, str]]:
    if shutil.which("wrk"):
        yield from requests()
    yield from fan_out()
    yield from long_list()
    yield from memory()
    yield from growth()


# -- over HTTPS -------------------------------------------------------------------------------


@contextmanager
def served(*what: str) -> Iterator[int]:
    """The port of a server in a process of its own."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        command = [sys.executable, "-m", "tests.benchmarks.http_server", folder, *what]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.terminate()
            server.wait()


@contextmanager
def real_etcd() -> Iterator[str]:
    """The URL of an etcd, as it comes with Debian."""
    client, peer = "http://127.0.0.1:23790", "http://127.0.0.1:23800"
    with tempfile.TemporaryDirectory(dir=".") as folder:
        command = ["etcd", "--data-dir", folder, "--initial-cluster", f"default={peer}"]
        for flag, url in (("listen-client", client), ("advertise-client", client),
                          ("listen-peer", peer), ("initial-advertise-peer", peer)):  # fmt: skip
            command += [f"--{flag}-urls", url]
        etcd = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            yield client
        finally:
            etcd.terminate()
            etcd.wait()


def requests() -> Iterator[tuple[str, str, str]]:
    """50 clients, each one request after the other, against the bare server's limit."""
    stores = ["in-process store"] + ["real etcd"] * bool(shutil.which("etcd"))
    with served("bare") as port:
        most = {"GET": wrk(port), "create": wrk(port, create=True)}
    for store in stores:
        with ExitStack() as stack:
            url = [stack.enter_context(real_etcd())] if store == "real etcd" else []
            port = stack.enter_context(served("api", *url))
            rates = {"create": wrk(port, create=True)}
            asyncio.run(ask(port, "POST", PODS, {**pod("one")}))
            rates["GET"] = wrk(port)
        for what, mark in (("GET", 1500), ("create", 600)):
            share = f"{rates[what]:.0f} ({rates[what] / most[what]:.0%})"
            yield f"API server, {store}: {what}s a second (of a bare one's)", share, f">= {mark}"


def wrk(port: int, *, create: bool = False) -> float:
    url = f"https://127.0.0.1:{port}{PODS}" + ("" if create else "/one")
    command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{SECONDS}", url]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if create:
            body = pod() | {"metadata": {"generateName": "web-"}}
            script.write(CREATE % json.dumps(body))
            script.flush()
            command += ["-s", script.name]
        report = subprocess.check_output(command, text=True)
    assert "Non-2xx" not in report, report
    return float(re.findall(r"Requests/sec: *([\d.]+)", report)[0])


def insecure() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def ask(port: int, method: str, path: str, body: Any = None) -> Any:
    client = HttpConnection(f"127.0.0.1:{port}", insecure())
    try:
        response = await client.request(Request(method, path, body=body))
        assert response.status < 300, response.body
        return response.body
    finally:
        await client.close()


def fan_out() -> Iterator[tuple[str, str, str]]:
    with served("api") as port:
        seconds = asyncio.run(watched(port))
    name = f"API server: {EVENTS} events to {WATCHERS} watchers over HTTPS"
    yield name, f"{seconds:.1f} s", "< 10 s"


class Reader(asyncio.Protocol):
    """A watcher that counts the events it gets."""

    def __init__(self) -> None:
        self.events = 0
        self.done = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        transport.write(b"GET %s?watch=1 HTTP/1.1\r\nhost: x\r\n\r\n" % PODS.encode())

    def data_received(self, data: bytes) -> None:
        self.events += data.count(b'{"type":"ADDED"')
        if self.events >= EVENTS:
            self.done.set()


async def watched(port: int) -> float:
    loop, tls = asyncio.get_running_loop(), insecure()
    readers = [
        (await loop.create_connection(Reader, "127.0.0.1", port, ssl=tls))[1]
        for _ in range(WATCHERS)
    ]
    client = HttpConnection(f"127.0.0.1:{port}", tls)
    began = time.perf_counter()

    async def writer(number: int) -> None:
        for count in range(EVENTS // 10):
            body = pod(f"web-{number}-{count}")
            response = await client.request(Request("POST", PODS, body=body))
            assert response.status == 201, response.body

    await asyncio.gather(*(writer(number) for number in range(10)))
    await asyncio.gather(*(reader.done.wait() for reader in readers))
    seconds = time.perf_counter() - began
    await client.close()
    return seconds


# -- in this process --------------------------------------------------------------------------


def large_pod(number: int) -> bytes:
    """As it is stored: 3 KiB of JSON."""
    big = pod(f"web-{number:06}", nodeName=f"node-{number % 100}")
    big["metadata"] |= {"namespace": "default", "annotations": {"note": "x" * 2800}}
    return encode(big)


def filled(etcd: LocalEtcd, count: int) -> None:
    for number in range(count):
        key = b"/registry/pods/default/web-%06d" % number
        etcd.state.apply(PutRequest(key, large_pod(number)))


def long_list(count: int = 10_000) -> Iterator[tuple[str, str, str]]:
    """From the request to the decoded answer, over a socket."""

    async def main() -> float:
        async with World() as world:
            filled(world.etcd, count)

            async def handle(request: Request) -> Any:
                return await world.server.handle(replace(request, peer=ADMIN))

            server = HttpServer(handle)
            port = await server.listen("127.0.0.1", 0)
            client = HttpConnection(f"127.0.0.1:{port}")
            times = []
            for _ in range(3):
                began = time.perf_counter()
                answer = await client.request(Request("GET", "/api/v1/pods"))
                times.append(time.perf_counter() - began)
                assert len(answer.body["items"]) == count
            await client.close()
            await server.close()
            return statistics.median(times)

    yield f"API server: LIST of {count:,} pods of 3 KiB", f"{asyncio.run(main()):.2f} s", "< 1 s"


def memory(count: int = 10_000) -> Iterator[tuple[str, str, str]]:
    async def main() -> float:
        etcd = LocalEtcd()
        filled(etcd, count)
        gc.collect()
        tracemalloc.start()
        cache = WatchCache(Copying(etcd), "/registry/pods/")
        await cache._list()
        gc.collect()
        used = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return used / count

    used = asyncio.run(main()) / 1024
    yield "API server: memory in the cache for a pod of 3 KiB", f"{used:.1f} KiB", "< 12 KiB"


class Copying(Storage):
    """A store in another process: values are not shared with it."""

    def stored(self, kv: Any) -> Any:
        stored = super().stored(kv)
        stored.value = bytes(bytearray(stored.value))
        return stored


def growth() -> Iterator[tuple[str, str, str]]:
    """What one get, create and watch cost beside so many other objects."""
    costs: dict[str, list[float]] = {}
    for count in (1_000, 10_000, 100_000):
        for what, microseconds in asyncio.run(costs_among(count)).items():
            costs.setdefault(what, []).append(microseconds)
    for what, each in costs.items():
        shown = " ".join(f"{microseconds:.0f}" for microseconds in each)
        name = f"API server, 1,000, 10,000, 100,000 pods: {what}, microseconds"
        yield name, f"{shown} ({each[-1] / each[0]:.2f})", "alike"


async def costs_among(count: int, times: int = 300) -> dict[str, float]:
    async with World() as world:
        filled(world.etcd, count)
        await world.ask("GET", f"{PODS}?limit=1")  # the newest, so the cache is there
        of_node = "/api/v1/pods?fieldSelector=spec.nodeName=node-1"

        async def cost(*requests: tuple[str, str, Any]) -> float:
            spent = []
            for request in requests:
                began = time.perf_counter()
                response = await world.raw(*request)
                spent.append(time.perf_counter() - began)
                assert response.status < 300, response.body
                await response.close()
            return statistics.median(spent) * 1e6

        gc.freeze()
        among = [f"web-{number * count // times:06}-new" for number in range(times)]
        return {
            "get": await cost(*[("GET", f"{PODS}/web-000001", None)] * times),
            "create": await cost(*[("POST", PODS, pod(name)) for name in among]),
            "begin a kubelet's watch": await cost(
                *[("GET", f"{of_node}&watch=1&resourceVersion={world.etcd.revision}", None)] * times
            ),
        }

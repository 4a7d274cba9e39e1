"""The store in process: puts, ranges, memory, watches."""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from kube_edu.etcd import EtcdServer
from kube_edu.etcd.messages import (
    PutRequest,
    RangeRequest,
    WatchCreateRequest,
    prefix_end,
)
from kube_edu.etcd.state import State
from kube_edu.host import Host, Request, Response
from kube_edu.kubelet.cni.loopback import DialMap
from kube_edu.live.host import Rack
from kube_edu.live.pki import Pki
from kube_edu.sim import Simulation

WRITERS = 50
PUT = "/etcdserverpb.KV/Put"
VALUE = b"v" * 256
KEYS = 100_000


def run() -> Iterator[tuple[str, str, str]]:
    rate = statistics.median(simulated_puts() for _ in range(3))
    yield "etcd, 3 simulated members, 50 writers: puts a wall s", f"{rate:.0f}", ">= 5000"
    rate = statistics.median(disk_puts() for _ in range(3))
    yield "etcd, 1 member, fsync on a real disk, 50 writers: puts/s", f"{rate:.0f}", "etcd's own"
    yield from many_keys()
    yield from watchers()


async def put_all(handle: Callable[[Request], Awaitable[Response]], each: int) -> None:
    """All writers put, each one value after the other."""

    async def writer(number: int) -> None:
        for count in range(each):
            request = Request("POST", PUT, body=PutRequest(b"/%d/%d" % (number, count), VALUE))
            response = await handle(request)
            assert "grpc-status" not in response.headers, response.headers

    async with asyncio.TaskGroup() as tasks:
        for number in range(WRITERS):
            tasks.create_task(writer(number))


def simulated_puts(each: int = 60) -> float:
    """Three members, of whom the leader is asked, as by clients beside it."""
    sim = Simulation(1)
    names = ["etcd-1", "etcd-2", "etcd-3"]
    servers: dict[str, EtcdServer] = {}

    async def member(host: Host) -> None:
        server = servers[host.name] = EtcdServer(host, {n: f"{n}:2380" for n in names})
        await server.run()

    for number, name in enumerate(names):
        sim.machine(name, f"10.0.0.{number + 1}").start("etcd", member)
    sim.run_for(5)
    leader = next(name for name in names if servers[name].node.leadership)
    began = time.perf_counter()
    sim.call(put_all(servers[leader].handle, each), timeout=600)
    return WRITERS * each / (time.perf_counter() - began)


def disk_puts(each: int = 100) -> float:
    """One member on the disk below the current folder, as the embedded store runs."""

    async def main(folder: Path) -> float:
        rack = Rack(folder, Pki(folder / "pki"), DialMap(folder / "dial"))
        host = rack.host("etcd-1", "127.0.0.1")
        server = EtcdServer(host, {"etcd-1": "etcd-1:2380"})
        task = asyncio.create_task(server.run())
        await put_all(server.handle, 1)  # and so wait for it to lead
        began = time.perf_counter()
        await put_all(server.handle, each)
        rate = WRITERS * each / (time.perf_counter() - began)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return rate

    with tempfile.TemporaryDirectory(dir=".") as folder:
        return asyncio.run(main(Path(folder)))


def many_keys() -> Iterator[tuple[str, str, str]]:
    """A hundred of prefixes with a thousand keys each."""
    values = [b"%016d" % number * 16 for number in range(KEYS)]
    gc.collect()
    tracemalloc.start()
    state = State()
    for number, value in enumerate(values):
        state.apply(PutRequest(b"/registry/pods/%03d/%05d" % (number % 100, number), value))
    gc.collect()
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    prefix = b"/registry/pods/042/"
    request = RangeRequest(prefix, prefix_end(prefix))
    times = []
    for _ in range(20):
        began = time.perf_counter()
        assert len(state.apply(request).kvs) == 1000
        times.append(time.perf_counter() - began)
    milliseconds = statistics.median(times) * 1000
    yield "etcd, 100,000 keys: range of 1,000 by prefix", f"{milliseconds:.2f} ms", "< 5 ms"
    yield "etcd, 100,000 keys: memory a key beyond its value", f"{used / KEYS:.0f} B", "< 1024 B"


def watchers() -> Iterator[tuple[str, str, str]]:
    """A put that so many watchers hear of: the time for each of them."""
    microseconds = {}
    for number in (10, 100, 1000):
        state = State()
        watches = [state.watches.watch(WatchCreateRequest(b"a", b"b")) for _ in range(number)]
        times = []
        for count in range(30):
            began = time.perf_counter()
            state.apply(PutRequest(b"a/%d" % count, VALUE))
            times.append(time.perf_counter() - began)
            for watch in watches:
                watch.waiting()
        microseconds[number] = statistics.median(times) * 1e6 / number
    growth = microseconds[1000] / microseconds[100]
    shown = " ".join(f"{each:.1f}" for each in microseconds.values())
    yield "etcd, a put to 10, 100, 1000 watchers: microseconds each", shown, "linear"
    yield "etcd, 1000 watchers against 100, time for each", f"{growth:.2f}", "<= 1.2"

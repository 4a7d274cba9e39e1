"""The store over gRPC, as its clients meet it: `kube-edu etcd` against Debian's etcd, in one run on
the same disk, one member, fsync on. The load comes from h2load (Debian: nghttp2-client), for a
client in Python would be the bottleneck. The echo, the same gRPC server without a store, shows what
can be had at all.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kube_edu.etcd import EtcdClient
from kube_edu.etcd.messages import PutRequest, PutResponse, RangeRequest, ResponseHeader
from kube_edu.host import Request, Response
from kube_edu.live.etcd_grpc import GrpcConnection, GrpcServer
from kube_edu.live.urls import parse_url
from kube_edu.wire import protobuf
from tests.etcd.members import OURS, Members, eventually

ROUNDS = 5
ONE = 1_000
MANY = 10_000
CLIENTS = 50
KEY = b"/registry/configmaps/default/bench"

SERVERS = {
    "etcd": ["etcd"],
    "kube-edu etcd": OURS,
    "bare echo": [sys.executable, "-m", "tests.benchmarks.bench_grpc"],
}


def run() -> Iterator[tuple[str, str, str]]:
    missing = [program for program in ("etcd", "h2load") if shutil.which(program) is None]
    if missing:
        yield "etcd over gRPC", f"no {missing[0]} here", "-"
        return
    with tempfile.TemporaryDirectory(dir=".") as folder:
        one, many = measured(Path(folder).absolute())
    for name, rate in one.items():
        yield f"{name} over gRPC, 1 client: a put", f"{1e3 / rate:.2f} ms", "-"
    yield (
        "kube-edu etcd against etcd: time of a put",
        f"{one['etcd'] / one['kube-edu etcd']:.2f}",
        "<= 2",
    )
    for name, rate in many.items():
        yield f"{name} over gRPC, {CLIENTS} clients: puts/s", f"{rate:.0f}", "-"
    ours = many["kube-edu etcd"]
    yield (
        "kube-edu etcd against the bare echo: throughput",
        f"{ours / many['bare echo']:.0%}",
        ">= 85%",
    )
    yield "kube-edu etcd against etcd: throughput", f"{ours / many['etcd']:.0%}", ">= 30%"


def measured(folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Puts a second of each server, by one client and by many; turn and turn about, for the disk
    has its moods."""
    body = folder / "put"
    message = protobuf.encode(PutRequest(KEY, b"v" * 256))
    body.write_bytes(b"\0" + len(message).to_bytes(4) + message)
    one: dict[str, list[float]] = {name: [] for name in SERVERS}
    many: dict[str, list[float]] = {name: [] for name in SERVERS}
    servers = {name: Members(command, folder, (name,)) for name, command in SERVERS.items()}
    try:
        for server in servers.values():
            server.start()
            eventually(lambda url=server.urls: revision(url))  # type: ignore[misc]
        for _ in range(ROUNDS):
            for name, server in servers.items():
                one[name].append(puts(server.urls, body, ONE, 1))
                many[name].append(puts(server.urls, body, MANY, CLIENTS))
        for name in ("etcd", "kube-edu etcd"):
            assert revision(servers[name].urls) > ROUNDS * (ONE + MANY), f"{name} has lost puts"
    finally:
        for server in servers.values():
            server.close()
    return (
        {name: statistics.median(rates) for name, rates in one.items()},
        {name: statistics.median(rates) for name, rates in many.items()},
    )


def puts(url: str, body: Path, number: int, clients: int) -> float:
    """So many puts by h2load; how many a second."""
    command = ["h2load", f"-n{number}", f"-c{clients}", "-d", str(body)]
    command += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    said = subprocess.check_output([*command, f"{url}/etcdserverpb.KV/Put"], text=True)
    assert f" {number} succeeded, 0 failed" in said, said
    found = re.search(r"([\d.]+) req/s", said)
    assert found is not None, said
    return float(found[1])


def revision(url: str) -> int:
    async def ask() -> int:
        connection = GrpcConnection(url.partition("//")[2])
        answer = await EtcdClient([connection]).range(RangeRequest(KEY, count_only=True))
        await connection.close()
        assert answer.header is not None
        return answer.header.revision

    return asyncio.run(ask())


async def echo(url: str) -> None:
    """Answer every put alike."""
    address = parse_url("listen-client-urls", url)
    answer = protobuf.encode(PutResponse(ResponseHeader(1, 2, 3, 4)))

    async def handle(request: Request) -> Response:
        return Response(body=answer)

    server = GrpcServer(handle)
    server.add_port(address.host, address.port)
    await server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    flags = dict(flag.split("=", 1) for flag in sys.argv[1:])
    asyncio.run(echo(flags["--listen-client-urls"]))

"""One member of the store as a program: `kube-edu etcd`, with etcd's own flags.

Clients speak etcd's v3 gRPC API to it. Members speak the project's own protocol with one another
(kube_edu.live.member), so all members of a cluster must be kube-edu's.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from kube_edu.etcd.errors import EtcdError
from kube_edu.etcd.messages import RangeRequest
from kube_edu.etcd.server import EtcdServer
from kube_edu.etcd.service_messages import MoveLeaderRequest
from kube_edu.etcd.services import Services
from kube_edu.etcd.wal import WalError
from kube_edu.host import Request
from kube_edu.live.etcd_flags import Config, add_arguments
from kube_edu.live.etcd_grpc import GrpcServer
from kube_edu.live.etcd_metrics import Metrics
from kube_edu.live.member import MemberHost
from kube_edu.wire.http import HttpServer

__all__ = ["add_arguments", "run"]

GREET_AGAIN = 0.1
"""Seconds between two attempts at a first read; a learner's are refused at once."""

HAND_OVER = 1.0
"""Seconds that a leader takes for it when it stops."""


def run(arguments: argparse.Namespace) -> int:
    try:
        asyncio.run(_member(Config.read(arguments)))
    except (ValueError, WalError, OSError) as refusal:
        print(f"kube-edu etcd: {refusal}", file=sys.stderr)
        return 1
    return 0


async def _member(config: Config) -> None:
    """Run until SIGINT or SIGTERM, or until the disk fails."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    lock = _hold(config.data_dir)
    host = _host(config)
    opened: list[Callable[[], Awaitable[None]]] = [host.close]
    try:
        server = EtcdServer(
            host,
            {name: url.text for name, url in config.members.items()},
            join=config.join,
            cluster_id=config.cluster_id,
            client_urls=config.advertised,
        )
        host.cluster_id = lambda: server.state.members.cluster_id
        services = Services(server)
        metrics = Metrics(server, services.handle)
        clients = GrpcServer(metrics.handle)
        opened.append(clients.close)
        for url in config.listen_client:
            clients.add_port(url.host, url.port, config.client_tls if url.secure else None)
        for url in config.listen_metrics:
            http = HttpServer(metrics.serve)
            await http.listen(
                url.host, url.port, config.client_tls.server() if url.secure else None
            )
            opened.append(http.close)
        await clients.start()
        async with asyncio.TaskGroup() as group:
            member = group.create_task(server.run())
            member.add_done_callback(lambda task: stop.set())
            greeting = group.create_task(_greet(services, config))
            await stop.wait()
            greeting.cancel()
            if not member.done():
                await _hand_over(server)
                member.cancel()
            elif server.node.name in server.state.members.removed:
                _say(f"{config.name}: the member has been permanently removed from the cluster")
            else:
                member.result()
                raise OSError(f"{config.data_dir}: writing failed, so this member has stopped")
    except* OSError as errors:
        raise errors.exceptions[0] from None
    finally:
        for close in reversed(opened):
            await close()
        os.close(lock)


async def _hand_over(server: EtcdServer) -> None:
    """A leader that goes lets another one lead, so that nobody has to wait for an election
    time-out (etcd: TryTransferLeadershipOnShutdown)."""
    voters = list(server.state.members.voters.items())
    with suppress(EtcdError, TimeoutError):
        async with asyncio.timeout(HAND_OVER):
            for node, member in voters:
                if node != server.node.name and server.node.leadership is not None:
                    await server.cluster.move_leader(MoveLeaderRequest(member.ID))


def _host(config: Config) -> MemberHost:
    secure = config.members[config.name].secure
    return MemberHost(
        config.name,
        config.data_dir,
        listen=[(url.host, url.port) for url in config.listen_peer],
        server_tls=config.peer_tls.server() if secure else None,
        client_tls=config.peer_tls.client() if secure else None,
        say=_say,
    )


async def _greet(services: Services, config: Config) -> None:
    """Say so when a linearizable read works for the first time."""
    question = Request("POST", "/etcdserverpb.KV/Range", body=RangeRequest(b"\0", limit=1))
    while True:
        answer = await services.handle(question)
        if "grpc-status" not in answer.headers:
            break
        await asyncio.sleep(GREET_AGAIN)
    urls = ", ".join(url.text for url in config.listen_client)
    _say(f"{config.name}: ready to serve client requests on {urls}")


def _say(text: str) -> None:
    print(text, flush=True)


def _hold(data_dir: Path) -> int:
    """Keep everybody else out of the data directory."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OSError(f"--data-dir: {data_dir}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise OSError(f"--data-dir: {data_dir} is in use by another member") from None
    return lock

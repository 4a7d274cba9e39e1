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
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kube_edu.etcd.membership import numbered
from kube_edu.etcd.messages import RangeRequest
from kube_edu.etcd.server import EtcdServer
from kube_edu.etcd.services import Services
from kube_edu.etcd.wal import WalError
from kube_edu.host import Request
from kube_edu.live.etcd_grpc import GrpcServer
from kube_edu.live.etcd_metrics import Metrics
from kube_edu.live.member import MemberHost
from kube_edu.live.tls import Tls
from kube_edu.live.urls import Url, parse_url, parse_urls
from kube_edu.wire.http import HttpServer

CLIENT_URL = "http://localhost:2379"
PEER_URL = "http://localhost:2380"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    def flag(name: str, default: str = "", help: str | None = None) -> None:
        shown = f" (default: {default})" if default else ""
        parser.add_argument(f"--{name}", default=default, help=f"{help or ''}{shown}")

    flag("name", "default", "this member's name")
    flag("data-dir", help="default: NAME.etcd")
    flag("listen-client-urls", CLIENT_URL, "where clients are served")
    flag("advertise-client-urls", help="what clients are told")
    flag("listen-peer-urls", PEER_URL, "where members are served")
    flag("initial-advertise-peer-urls", PEER_URL, "what members are told")
    flag("initial-cluster", help="all members: NAME=URL,... (default: this one alone)")
    flag("initial-cluster-state", "new", "new or existing")
    flag("initial-cluster-token", "etcd-cluster", "tells clusters of the same members apart")
    flag("listen-metrics-urls", help="where /health and /metrics are served")
    for prefix, whom in (("", "clients"), ("peer-", "members")):
        flag(f"{prefix}cert-file", help=f"the certificate shown to {whom}")
        flag(f"{prefix}key-file", help="and its key")
        flag(f"{prefix}trusted-ca-file", help=f"who must have signed the certificates of {whom}")
        parser.add_argument(
            f"--{prefix}client-cert-auth", type=_truth, nargs="?", const=True, default=False,
            help=f"ask {whom} for a certificate",
        )  # fmt: skip


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
    host = config.host()
    opened: list[Callable[[], Awaitable[None]]] = [host.close]
    try:
        server = EtcdServer(
            host,
            {name: url.text for name, url in config.members.items()},
            join=config.join,
            cluster_id=config.cluster_id,
            client_urls=config.advertised,
        )
        host.cluster_id = lambda: server.state.cluster_id
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
                member.cancel()
            elif server.node.name in server.state.members.removed:
                _say(f"{config.name}: the member has been permanently removed from the cluster")
            else:
                member.result()
                raise OSError(f"{config.data_dir}: writing failed, so this member has stopped")
    except* OSError as errors:
        raise _first(errors) from None
    finally:
        for close in reversed(opened):
            await close()
        os.close(lock)


async def _greet(services: Services, config: Config) -> None:
    """Say so when a linearizable read works for the first time."""
    question = Request("POST", "/etcdserverpb.KV/Range", body=RangeRequest(b"\0", limit=1))
    while "grpc-status" in (await services.handle(question)).headers:
        pass  # it has waited for an answer
    urls = ", ".join(url.text for url in config.listen_client)
    _say(f"{config.name}: ready to serve client requests on {urls}")


def _say(text: str) -> None:
    print(text, flush=True)


# -- what the flags say -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Config:
    name: str
    data_dir: Path
    listen_client: list[Url]
    listen_peer: list[Url]
    listen_metrics: list[Url]
    advertised: tuple[str, ...]
    members: dict[str, Url]
    join: bool
    token: str
    client_tls: Tls
    peer_tls: Tls

    @classmethod
    def read(cls, flags: Any) -> Config:
        """Raises ValueError, with etcd's text where etcd has one."""
        if flags.listen_client_urls != CLIENT_URL and not flags.advertise_client_urls:
            raise ValueError(
                "--advertise-client-urls is required when --listen-client-urls is set explicitly"
            )
        peer = parse_urls("initial-advertise-peer-urls", flags.initial_advertise_peer_urls)[0]
        members = {flags.name: peer}
        if flags.initial_cluster:
            members = _members(flags.initial_cluster)
        if flags.name not in members:
            raise ValueError(
                f'couldn\'t find local name "{flags.name}" in the initial cluster configuration'
            )
        if members[flags.name].text != peer.text:
            raise ValueError(
                f"--initial-cluster has {flags.name}={members[flags.name].text} "
                f"but missing from --initial-advertise-peer-urls={peer.text}"
            )
        data_dir = Path(flags.data_dir or f"{flags.name}.etcd")
        if flags.initial_cluster_state not in ("new", "existing"):
            state = flags.initial_cluster_state
            raise ValueError(f'--initial-cluster-state: invalid value "{state}"')
        advertised = parse_urls("advertise-client-urls", flags.advertise_client_urls or CLIENT_URL)
        config = cls(
            flags.name,
            data_dir,
            parse_urls("listen-client-urls", flags.listen_client_urls),
            parse_urls("listen-peer-urls", flags.listen_peer_urls),
            parse_urls("listen-metrics-urls", flags.listen_metrics_urls),
            tuple(url.text for url in advertised),
            members,
            flags.initial_cluster_state == "existing",
            flags.initial_cluster_token,
            _tls(flags, ""),
            _tls(flags, "peer_"),
        )
        clients = config.listen_client + config.listen_metrics
        _check_secure("", clients, config.client_tls)
        _check_secure("peer-", [*config.listen_peer, *members.values()], config.peer_tls)
        return config

    @property
    def cluster_id(self) -> int:
        members = sorted(f"{name}={url.text}" for name, url in self.members.items())
        return numbered(",".join([self.token, *members]))

    def host(self) -> MemberHost:
        secure = self.members[self.name].secure
        return MemberHost(
            self.name,
            self.data_dir,
            listen=[(url.host, url.port) for url in self.listen_peer],
            server_tls=self.peer_tls.server() if secure else None,
            client_tls=self.peer_tls.client() if secure else None,
            say=_say,
        )


def _members(text: str) -> dict[str, Url]:
    members: dict[str, Url] = {}
    for each in text.split(","):
        name, equals, url = each.partition("=")
        if not equals or not name or name in members:
            raise ValueError(f"--initial-cluster: {each!r} is not NAME=URL, one for each member")
        members[name] = parse_url("initial-cluster", url)
    return members


def _tls(flags: Any, prefix: str) -> Tls:
    files = [getattr(flags, f"{prefix}{name}_file") for name in ("cert", "key", "trusted_ca")]
    if getattr(flags, f"{prefix}client_cert_auth") and not files[2]:
        flag = prefix.replace("_", "-")
        raise ValueError(f"--{flag}client-cert-auth needs --{flag}trusted-ca-file")
    return Tls(*files)


def _check_secure(prefix: str, urls: Sequence[Url], tls: Tls) -> None:
    if len({url.secure for url in urls}) > 1 and prefix:
        raise ValueError("peer URLs are all http or all https")
    for url in urls:
        if url.secure and not tls.cert:
            raise ValueError(f"{url.text} needs --{prefix}cert-file and --{prefix}key-file")
    tls.server()


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


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is not true or false")
    return text == "true"


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

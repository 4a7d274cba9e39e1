"""The flags of `kube-edu etcd`: etcd's own names and texts (server/etcdmain/config.go)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kube_edu.etcd.membership import numbered
from kube_edu.live.tls import Tls
from kube_edu.live.urls import Url, parse_url, parse_urls

CLIENT_URL = "http://localhost:2379"
PEER_URL = "http://localhost:2380"


def add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    """Who this member is, and who all are."""
    _flag(parser, "name", "default", "this member's name")
    _flag(parser, "data-dir", help="default: NAME.etcd")
    _flag(parser, "initial-advertise-peer-urls", PEER_URL, "what members are told")
    _flag(parser, "initial-cluster", help="all members: NAME=URL,... (default: this one alone)")
    _flag(parser, "initial-cluster-token", "etcd-cluster", "tells alike clusters apart")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cluster_arguments(parser)
    _flag(parser, "initial-cluster-state", "new", "new or existing")
    _flag(parser, "listen-client-urls", CLIENT_URL, "where clients are served")
    _flag(parser, "advertise-client-urls", help="what clients are told")
    _flag(parser, "listen-peer-urls", PEER_URL, "where members are served")
    _flag(parser, "listen-metrics-urls", help="where /health and /metrics are served")
    for prefix, whom in (("", "clients"), ("peer-", "members")):
        _flag(parser, f"{prefix}cert-file", help=f"the certificate shown to {whom}")
        _flag(parser, f"{prefix}key-file", help="and its key")
        _flag(parser, f"{prefix}trusted-ca-file", help=f"who must have signed those of {whom}")
        parser.add_argument(
            f"--{prefix}client-cert-auth", type=_truth, nargs="?", const=True, default=False,
            help=f"ask {whom} for a certificate",
        )  # fmt: skip


def _flag(parser: argparse.ArgumentParser, name: str, default: str = "", help: str = "") -> None:
    shown = f" (default: {default})" if default else ""
    parser.add_argument(f"--{name}", default=default, help=f"{help}{shown}")


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is not true or false")
    return text == "true"


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
    cluster_id: int
    client_tls: Tls
    peer_tls: Tls

    @classmethod
    def read(cls, flags: Any) -> Config:
        """Raises ValueError, with etcd's text where etcd has one."""
        if flags.listen_client_urls != CLIENT_URL and not flags.advertise_client_urls:
            raise ValueError(
                "--advertise-client-urls is required when --listen-client-urls is set explicitly"
            )
        members = read_cluster(flags)
        if flags.initial_cluster_state not in ("new", "existing"):
            state = flags.initial_cluster_state
            raise ValueError(f'--initial-cluster-state: invalid value "{state}"')
        advertised = parse_urls("advertise-client-urls", flags.advertise_client_urls or CLIENT_URL)
        config = cls(
            flags.name,
            Path(flags.data_dir or f"{flags.name}.etcd"),
            _listen("listen-client-urls", flags.listen_client_urls),
            _listen("listen-peer-urls", flags.listen_peer_urls),
            parse_urls("listen-metrics-urls", flags.listen_metrics_urls),
            tuple(url.text for url in advertised),
            members,
            flags.initial_cluster_state == "existing",
            cluster_id(flags.initial_cluster_token, members),
            _tls(flags, ""),
            _tls(flags, "peer_"),
        )
        clients = config.listen_client + config.listen_metrics
        _check_secure("", clients, config.client_tls)
        _check_secure("peer-", [*config.listen_peer, *members.values()], config.peer_tls)
        return config


def read_cluster(flags: Any) -> dict[str, Url]:
    """All members, by name. Raises ValueError."""
    peer = parse_url("initial-advertise-peer-urls", flags.initial_advertise_peer_urls)
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
    return members


def cluster_id(token: str, members: dict[str, Url]) -> int:
    """The same for the same members and token."""
    return numbered(",".join([token, *sorted(f"{name}={members[name].text}" for name in members)]))


def _listen(flag: str, text: str) -> list[Url]:
    urls = parse_urls(flag, text)
    if not urls:
        raise ValueError(f"--{flag}: there is no URL")
    return urls


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

"""A live cluster: `kube-edu up`.

The same programs as in the simulation (kube_edu.parts), on the ordinary event loop of one
process, with real sockets, files and certificates. What kubectl needs is in DIR/admin.conf.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import runpy
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from kube_edu.apiserver.options import Options
from kube_edu.etcd import EtcdClient, EtcdError
from kube_edu.etcd.messages import RangeRequest
from kube_edu.live import gate
from kube_edu.live.addresses import LOCALHOST, Addresses, choose
from kube_edu.live.cluster import LiveCluster
from kube_edu.live.folder import Folder, Settings, UpError
from kube_edu.parts import Roles, check_roles
from kube_edu.wire.jwt import Signer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    number = partial(_number, 1)
    parser.add_argument("--dir", required=True, type=Path, help="the cluster's folder")
    parser.add_argument("--nodes", type=partial(number, 100), default=3, help="default: 3")
    parser.add_argument(
        "--port", type=partial(number, 65535), default=6443, help="the API server's; default: 6443"
    )
    parser.add_argument(
        "--etcd-members", type=partial(number, 9), help="default: 3, or what DIR was made with"
    )
    parser.add_argument(
        "--with", dest="roles", action="append", default=[], metavar="ROLE=FILE",
        help="a function of yours in the place of ours: scheduler.score=mine.py has def score(…)",
    )  # fmt: skip
    parser.add_argument(
        "--etcd-servers", default="", metavar="URL,...",
        help="an etcd v3 cluster to store everything in, instead of members of its own",
    )  # fmt: skip
    gate.add_arguments(parser)
    for name, what in (
        ("cafile", "who signed the servers' certificates"),
        ("certfile", "the certificate to show them"),
        ("keyfile", "its key"),
    ):
        parser.add_argument(f"--etcd-{name}", default="", metavar="FILE", help=what)


def run(arguments: argparse.Namespace) -> int:
    try:
        asyncio.run(_up(arguments))
    except UpError as refusal:
        print(f"kube-edu up: {refusal}", file=sys.stderr)
        return 1
    return 0


async def _up(arguments: argparse.Namespace) -> None:
    """Run until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    roles = _roles(arguments.roles)
    options = _options(arguments)
    store = await _store(arguments)
    folder = Folder(arguments.dir)
    try:
        cluster = _open(folder, arguments, store, options, roles)
        try:
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(part) for part in cluster.programs()]
                running.append(group.create_task(cluster.boot()))
                await stop.wait()
                _print("stopping ...")
                for task in running:
                    task.cancel()
        except BaseExceptionGroup as group:
            first = _first(group)
            if isinstance(first, OSError):  # a port that somebody else has, a full disk
                raise UpError(str(first)) from None
            raise
        finally:
            await cluster.close()
    except OSError as error:  # a part of the folder that is somebody else's
        raise UpError(str(error)) from None
    finally:
        folder.close()


def _roles(pairs: Sequence[str]) -> Roles:
    """The functions that --with names; in its file each is called as the last word of its role."""
    roles: dict[str, Any] = {}
    for pair in pairs:
        role, _, file = pair.partition("=")
        function = role.rpartition(".")[2]
        try:
            check_roles([role])
            roles[role] = runpy.run_path(file)[function]
        except (ValueError, OSError, SyntaxError) as refusal:
            raise UpError(f"--with {pair}: {refusal}") from None
        except KeyError:
            raise UpError(f"--with {pair}: {file} defines no {function}") from None
    return roles


def _options(arguments: argparse.Namespace) -> Callable[[Signer], Options]:
    try:
        return gate.options(arguments)
    except ValueError as refusal:
        raise UpError(str(refusal)) from None


async def _store(arguments: argparse.Namespace) -> EtcdClient | None:
    """The client of --etcd-servers, once they have answered."""
    if not arguments.etcd_servers:
        return None
    if arguments.etcd_members:
        raise UpError("--etcd-servers are a store already: leave out --etcd-members")
    from kube_edu.live.etcd_grpc import connections  # what few need, few shall wait for
    from kube_edu.live.tls import Tls
    from kube_edu.live.urls import parse_urls

    tls = Tls(arguments.etcd_certfile, arguments.etcd_keyfile, arguments.etcd_cafile)
    try:
        tls.client()
        store = EtcdClient(connections(parse_urls("etcd-servers", arguments.etcd_servers), tls))
        await store.range(RangeRequest(b"\0", limit=1))
    except ValueError as refusal:
        raise UpError(str(refusal)) from None
    except EtcdError as refusal:
        raise UpError(f"--etcd-servers: {refusal.message}") from None
    return store


def _open(
    folder: Folder,
    arguments: argparse.Namespace,
    store: EtcdClient | None,
    options: Callable[[Signer], Options],
    roles: Roles,
) -> LiveCluster:
    """See that all can be had before anything is written."""
    settings = folder.check()
    members = 0 if store else arguments.etcd_members
    if settings is None:
        _check_port(arguments.port)
        try:
            settings = Settings(3 if members is None else members, choose(folder.path).block)
        except LookupError as refusal:
            raise UpError(str(refusal)) from None
        folder.open(settings)
    elif bool(store) != (settings.etcd_members == 0):
        made = "a store of its own" if store else "--etcd-servers"
        raise UpError(f"{folder.path} was made with {made}: it cannot start without")
    elif members not in (None, settings.etcd_members):
        raise UpError(
            f"{folder.path} was made with --etcd-members {settings.etcd_members}: "
            f"its store cannot start with {members}"
        )
    elif not Addresses(settings.block).free():
        node = Addresses(settings.block).node(1)
        raise UpError(f"another cluster on this machine has the addresses of {folder.path}: {node}")
    else:
        _check_port(arguments.port)
    return LiveCluster(
        folder.path, settings, arguments.nodes, arguments.port, _print, store, options, roles
    )


def _print(text: str) -> None:
    with suppress(BrokenPipeError):  # nobody listens any more: the cluster goes on
        print(text, flush=True)


def _check_port(port: int) -> None:
    try:
        socket.create_server((LOCALHOST, port)).close()
    except OSError as refusal:
        why = os.strerror(refusal.errno or 0)
        raise UpError(f"port {port} of {LOCALHOST}: {why}: choose another with --port") from None


def _number(least: int, most: int, text: str) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
    return int(text)


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

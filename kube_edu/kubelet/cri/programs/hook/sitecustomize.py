"""The network and the files that a container's Python sees.

A pod has no namespaces of its own here: it is a child process. This module, which Python imports
when it starts, mends what a program would notice:
- names are asked of the servers in the container's etc/resolv.conf: the cluster's DNS;
- an address and port are looked up in the dial map (kube_edu.kubelet.cni.loopback);
- "all addresses" and "localhost" are the pod's own address, so that every pod has its own ports;
- a path that is mounted is opened below the container's root folder.
"""

from __future__ import annotations

import builtins
import io
import os
import socket
import sys
from typing import Any

ROOT = os.environ.get("KUBE_EDU_ROOT", "")
MOUNTS = tuple(filter(None, os.environ.get("KUBE_EDU_MOUNTS", "").split(":")))
POD_IP = os.environ.get("KUBE_EDU_POD_IP", "")
DIAL_MAP = os.environ.get("KUBE_EDU_DIAL_MAP", "")
DNSPYTHON = os.environ.get("KUBE_EDU_DNSPYTHON", "")

OWN = ("", "0.0.0.0", "127.0.0.1", "localhost")

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex
_bind = socket.socket.bind
_sendto: Any = socket.socket.sendto
_getaddrinfo = socket.getaddrinfo
_open = io.open


class PlainSocket(socket.socket):
    """A socket that goes where it is told."""

    sendto = _sendto


def dial(address: Any) -> Any:
    """Where a socket address can really be reached."""
    if not isinstance(address, tuple) or len(address) != 2:
        return address  # a Unix socket, or IPv6
    host, port = address
    if host in OWN:
        host = POD_IP
    with _open(DIAL_MAP) as file:
        for line in file:
            there, _, here = line.strip().partition(" ")
            if there == f"{host}:{port}":
                host, _, port = here.rpartition(":")
    return host, int(port)


def connect(sock: socket.socket, address: Any) -> None:
    _connect(sock, dial(_resolved(sock, address)))


def connect_ex(sock: socket.socket, address: Any) -> int:
    return _connect_ex(sock, dial(_resolved(sock, address)))


def bind(sock: socket.socket, address: Any) -> None:
    _bind(sock, dial(address))


def sendto(sock: socket.socket, data: bytes, *flags_and_address: Any) -> int:
    *flags, address = flags_and_address
    sent: int = _sendto(sock, data, *flags, dial(_resolved(sock, address)))
    return sent


def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
    if isinstance(host, bytes):
        host = host.decode()
    if host:
        host = resolve(host) or host
    found = _getaddrinfo(host, port, *args, **kwargs)
    return [entry for entry in found if entry[0] == socket.AF_INET] or found


def gethostbyname(host: str) -> str:
    address: str = getaddrinfo(host, None)[0][4][0]
    return address


def resolve(name: str) -> str:
    """The first address of a name in the cluster; "" where the cluster knows none."""
    if name in OWN or name == socket.gethostname():
        return POD_IP
    if name.replace(".", "").isdigit() or ":" in name:
        return name
    sys.path.append(DNSPYTHON)  # only for this: a container has no libraries of ours
    import dns.query
    from dns.exception import DNSException
    from dns.resolver import Resolver

    sys.path.remove(DNSPYTHON)
    dns.query.socket_factory = PlainSocket
    resolver = Resolver(os.path.join(ROOT, "etc/resolv.conf"))
    servers = [dial((str(server), 53)) for server in resolver.nameservers]
    resolver.nameservers = [host for host, _ in servers]
    resolver.nameserver_ports = dict(servers)
    try:
        return str(resolver.resolve(name, "A", search=True)[0])
    except DNSException:
        return ""


def _resolved(sock: socket.socket, address: Any) -> Any:
    if sock.family == socket.AF_INET and isinstance(address, tuple):
        return (resolve(address[0]) or address[0], address[1])
    return address


def open_mounted(file: Any, *args: Any, **kwargs: Any) -> Any:
    if isinstance(file, (str, os.PathLike)):
        path = os.fspath(file)
        if isinstance(path, str) and any(
            path == mount or path.startswith(f"{mount}/") for mount in MOUNTS
        ):
            file = ROOT + path
    return _open(file, *args, **kwargs)


if POD_IP:
    patches = {"connect": connect, "connect_ex": connect_ex, "bind": bind, "sendto": sendto}
    for method, replacement in patches.items():
        setattr(socket.socket, method, replacement)
    socket.getaddrinfo = getaddrinfo
    socket.gethostbyname = gethostbyname
    socket.gethostname = lambda: os.environ.get("HOSTNAME", "")
    builtins.open = io.open = open_mounted

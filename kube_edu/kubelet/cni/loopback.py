"""The pod network of a machine where nobody is root: every address is inside 127.0.0.0/8.

Linux answers on the whole block, so a pod's address is real: other programs of the machine reach
the pod at it. Two facts of rootless life stand in the way of "every pod listens on port 80": ports
below 1024 belong to root, and some systems (macOS) have nothing but 127.0.0.1. So each port may
have a stand-in socket, and the *dial map* says where an address and port can really be reached.
It is a text file, for the programs in the containers to read too, one line a stand-in:

    127.244.1.5:80 127.244.1.5:41233
"""

from __future__ import annotations

import errno
import socket
from pathlib import Path

Real = tuple[str, int]


class DialMap:
    """Where the addresses of a cluster on this machine can really be reached."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._real: dict[Real, Real] = {}
        self._write()

    def claim(self, address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> Real:
        """Where to listen so as to be reached at (address, port): there, if it can be bound, or
        at a free port in its stead. Raises OSError when the port is in use."""
        if (address, port) in self._real:
            return self._real[address, port]
        for stand_in in ((address, port), (address, 0), ("127.0.0.1", 0)):
            try:
                real = _bindable(kind, *stand_in)
                break
            except OSError as refusal:
                if refusal.errno not in (errno.EACCES, errno.EADDRNOTAVAIL):
                    raise OSError(refusal.errno, refusal.strerror, f"{address}:{port}") from None
        if real != (address, port):
            self._real[address, port] = real
            self._write()
        return real

    def release(self, address: str, port: int = 0) -> None:
        """Forget the stand-in of a port, or all of an address."""
        kept = {
            at: real
            for at, real in self._real.items()
            if at[0] != address or port not in (0, at[1])
        }
        if kept != self._real:
            self._real = kept
            self._write()

    def dial(self, address: str, port: int) -> Real:
        return self._real.get((address, port), (address, port))

    def _write(self) -> None:
        lines = (f"{a}:{p} {real[0]}:{real[1]}\n" for (a, p), real in self._real.items())
        new = self.file.with_suffix(".new")
        new.write_text("".join(lines))
        new.replace(self.file)


def _bindable(kind: socket.SocketKind, address: str, port: int) -> Real:
    with socket.socket(type=kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))
        name: Real = probe.getsockname()
        return name

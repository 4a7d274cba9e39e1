"""Which addresses a live cluster has.

Clusters on one machine share its loopback block, 127.0.0.0/8, so each takes a part of it, a
*block*, and keeps it for life, since addresses are written into its objects. Block 0 has

    127.32.0.0/16    nodes        127.96.0.0/16    services        127.160.0.0/16    pods

and block N the same with N added to the second number.
"""

from __future__ import annotations

import socket
import zlib
from dataclasses import dataclass
from pathlib import Path

LOCALHOST = "127.0.0.1"
BLOCKS = 32
GUARD_PORT = 10250
"""Every cluster has its first kubelet there: where it can be bound, the block is free."""


@dataclass(frozen=True, slots=True)
class Addresses:
    block: int

    @property
    def service_cidr(self) -> str:
        return f"127.{96 + self.block}.0.0/16"

    @property
    def cluster_cidr(self) -> str:
        return f"127.{160 + self.block}.0.0/16"

    @property
    def kubernetes(self) -> str:
        """The Service `kubernetes` has the first address of the range."""
        return f"127.{96 + self.block}.0.1"

    @property
    def dns(self) -> str:
        """kubeadm's choice: the tenth address of the service range."""
        return f"127.{96 + self.block}.0.10"

    def node(self, number: int) -> str:
        return f"127.{32 + self.block}.0.{number}"

    def free(self) -> bool:
        """Whether no running cluster has this block. Where the system has only 127.0.0.1, none
        can be taken: then every address is but a name in a dial map."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.node(1), 0))
            except OSError:
                return True
        try:
            socket.create_server((self.node(1), GUARD_PORT)).close()
        except OSError:
            return False
        return True


def choose(folder: Path) -> Addresses:
    """A free block, seldom the one of another folder. Raises LookupError when all are taken."""
    first = zlib.crc32(str(folder).encode())
    for number in range(BLOCKS):
        addresses = Addresses((first + number) % BLOCKS)
        if addresses.free():
            return addresses
    raise LookupError(f"{BLOCKS} clusters run on this machine, and there are addresses for no more")

"""Backups: what `etcdctl snapshot save` gets, and a new cluster made from it (etcd:
etcdutl/snapshot/v3_snapshot.go).

The file holds the state machine, its length before it and zeros behind it up to a whole page, and
then the SHA-256 of all that: etcdctl takes nothing else for a snapshot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from kube_edu.etcd.membership import Membership
from kube_edu.etcd.state import State
from kube_edu.etcd.wal import Wal, first_state
from kube_edu.host import Disk

PAGE = 512
HASH = hashlib.sha256().digest_size
LENGTH = 8


def pack(state: bytes) -> bytes:
    """The file for a state."""
    data = len(state).to_bytes(LENGTH) + state
    data += bytes(-len(data) % PAGE)
    return data + hashlib.sha256(data).digest()


def unpack(file: bytes) -> bytes:
    """The state in a file. Raises ValueError."""
    data, checksum = file[:-HASH], file[-HASH:]
    if len(file) % PAGE != HASH:
        raise ValueError("it is cut off, or no snapshot")
    if hashlib.sha256(data).digest() != checksum:
        raise ValueError("it is damaged: its SHA-256 does not match")
    length = int.from_bytes(data[:LENGTH])
    if not 0 <= len(data) - LENGTH - length < PAGE:
        raise ValueError("it is not of a kube-edu etcd")
    return data[LENGTH : LENGTH + length]


async def restore(
    file: bytes, disk: Disk, name: str, members: Mapping[str, str], cluster_id: int
) -> int:
    """Begin the log of the member `name` of a new cluster with what a file holds: its keys and
    leases, and new members (name → peer URL). All members must begin with the same file. Returns
    the revision. Raises ValueError."""
    state = State()
    state.restore(unpack(file))
    state.members = Membership.initial(members, cluster_id)
    saved = first_state(members, state.snapshot())
    await Wal(disk, name).replace(saved.snapshot, (), saved.hard_state)
    return state.store.revision

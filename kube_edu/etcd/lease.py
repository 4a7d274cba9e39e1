"""Leases: keys that vanish when nobody keeps them alive (etcd: server/lease/lessor.go).

Which leases there are, and what hangs on them, comes through the log and is the same on every
member. When they run out is known to the leader alone: it counts the time, and proposes to revoke
what has expired. A new leader gives every lease its full time again, so none ends too early.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from kube_edu.etcd import errors

MIN_TTL = 2
"""Seconds: 1.5 election time-outs, rounded up, so that a lease outlives a change of leaders."""

TICK_SLACK = 0.1
"""The last tick may be as long ago when a lease is granted, and no lease may end early."""

MAX_TTL = 9_000_000_000


@dataclass(slots=True)
class Lease:
    id: int
    ttl: int
    keys: dict[bytes, None] = field(default_factory=dict)
    expiry: float = 0.0
    """Loop time; only a leader's is right."""


class Lessor:
    """All leases of a store."""

    def __init__(self) -> None:
        self.leases: dict[int, Lease] = {}
        self.term = 0
        """The term in which this member leads and counts the time; 0 if it does not."""

        self._now = 0.0  # at the last tick
        self._queue: list[tuple[float, int]] = []  # (a time not after the expiry, lease), a heap

    # -- through the log ----------------------------------------------------------------------

    def grant(self, id: int, ttl: int) -> Lease:
        if ttl > MAX_TTL:
            raise errors.lease_ttl_too_large()
        if id in self.leases:
            raise errors.lease_exists()
        lease = self.leases[id] = Lease(id, max(ttl, MIN_TTL))
        if self.term:
            lease.expiry = self._now + lease.ttl + TICK_SLACK
            heappush(self._queue, (lease.expiry, lease.id))
        return lease

    def revoke(self, id: int) -> list[bytes]:
        """End a lease; returns the keys that go with it, in order."""
        lease = self.leases.pop(id, None)
        if lease is None:
            raise errors.lease_not_found()
        return sorted(lease.keys)

    def check(self, id: int) -> None:
        if id and id not in self.leases:
            raise errors.lease_not_found()

    def move(self, key: bytes, old: int, new: int) -> None:
        """A key that hung on lease `old` hangs on `new` now; 0 is none."""
        if old != new:
            if old in self.leases:
                self.leases[old].keys.pop(key, None)
            if new:
                self.leases[new].keys[key] = None

    # -- the leader's clock -------------------------------------------------------------------

    def promote(self, now: float, term: int) -> None:
        """This member leads: all leases have their full time again."""
        self._now, self.term = now, term
        for lease in self.leases.values():
            lease.expiry = now + lease.ttl
        self._queue = [(lease.expiry, lease.id) for lease in self.leases.values()]
        heapify(self._queue)

    def demote(self) -> None:
        self.term = 0
        self._queue.clear()

    def tick(self, now: float) -> list[int]:
        """The leases that have expired by now. Each is named again after a second, until it is
        revoked."""
        self._now = now
        expired = []
        while self._queue and self._queue[0][0] <= now:
            _, id = heappop(self._queue)
            lease = self.leases.get(id)
            if lease is None:
                continue
            again = lease.expiry
            if lease.expiry <= now:
                expired.append(id)
                again = now + 1
            heappush(self._queue, (again, id))
        return expired

    def renew(self, id: int, now: float) -> int:
        """Start a lease's time anew; returns its TTL, or 0 if it is gone or has expired."""
        lease = self.leases.get(id)
        if lease is None or lease.expiry <= now:
            return 0
        lease.expiry = now + lease.ttl
        return lease.ttl

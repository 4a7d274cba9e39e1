"""Leader election: of several alike, one works, and the others wait for its lease to run out.

client-go's `tools/leaderelection`. The lock is a Lease object; whoever writes its name there first
wins, as a second write fails on the resourceVersion. No clocks are compared: a candidate watches
how long *by its own clock* the lease has not changed. There is a moment in which a leader that was
cut off still works while the next has begun, which is why every write checks resourceVersions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.client.client import ApiClient
from kube_edu.host import Host

LEASE_DURATION = 15.0  # seconds without renewal after which others may take the lease
RENEW_DEADLINE = 10.0  # seconds without renewal after which the leader itself stops
RETRY_PERIOD = 2.0
JITTER = 1.2

NAMESPACE = "kube-system"


class LeaderElector:
    """Runs `lead` while this candidate holds the Lease `name`; it is cancelled when the lease is
    lost, and the candidate stands for election again."""

    def __init__(self, client: ApiClient, host: Host, name: str) -> None:
        self.identity = f"{host.name}_{meta.new_uid(host.random)}"
        self._client = client
        self._host = host
        self._name = name
        self._lease: Object | None = None  # as last seen
        self._seen_at = 0.0  # when it was seen to change, by our own clock

    async def run(self, lead: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            await self._acquire()
            async with asyncio.TaskGroup() as group:
                work = group.create_task(lead())
                await self._renew()
                work.cancel()

    async def _acquire(self) -> None:
        """Return when the lease is ours."""
        while True:
            if await self._try_acquire_or_renew():
                return
            await asyncio.sleep(RETRY_PERIOD * (1 + JITTER * self._host.random.random()))

    async def _renew(self) -> None:
        """Return when the lease could not be renewed in time."""
        try:
            async with asyncio.timeout(RENEW_DEADLINE) as deadline:
                while True:
                    await asyncio.sleep(RETRY_PERIOD)
                    if await self._try_acquire_or_renew():
                        deadline.reschedule(asyncio.get_running_loop().time() + RENEW_DEADLINE)
        except TimeoutError:
            pass

    async def _try_acquire_or_renew(self) -> bool:
        try:
            if not self._is_ours():
                await self._look()
            if self._lease is not None and not self._is_ours() and not self._has_run_out():
                return False
            await self._write()
        except ApiError as error:
            if error.code in (404, 409):
                self._lease = None  # it is gone, or someone else wrote it: look again
            return False
        except ConnectionError:
            return False
        return True

    async def _look(self) -> None:
        lease = await self._client.find("leases", self._name, NAMESPACE)
        if lease is None or lease.get("spec") != self._spec:
            self._seen_at = asyncio.get_running_loop().time()
        self._lease = lease

    async def _write(self) -> None:
        now = meta.micro_timestamp(self._host.now())
        if self._lease is None:
            lease: Object = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self._name, "namespace": NAMESPACE},
                "spec": {**self._claim(now), "leaseTransitions": 0},
            }
            self._lease = await self._client.create(lease)
            return
        spec = {**self._spec, "renewTime": now}
        if not self._is_ours():
            transitions = spec.get("leaseTransitions", 0) + 1
            spec |= {**self._claim(now), "leaseTransitions": transitions}
        self._lease = await self._client.update({**self._lease, "spec": spec})

    def _claim(self, now: str) -> Object:
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(LEASE_DURATION),
            "acquireTime": now,
            "renewTime": now,
        }

    def _is_ours(self) -> bool:
        return self._spec.get("holderIdentity") == self.identity

    def _has_run_out(self) -> bool:
        now = asyncio.get_running_loop().time()
        duration = self._spec.get("leaseDurationSeconds", LEASE_DURATION)
        return not self._spec.get("holderIdentity") or now >= self._seen_at + duration

    @property
    def _spec(self) -> Object:
        return (self._lease or {}).get("spec") or {}

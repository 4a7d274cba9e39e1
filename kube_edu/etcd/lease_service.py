"""The Lease service. Granting and revoking go through the log; how much time a lease has left only
the leader knows, so it is asked (etcd: server/etcdserver/v3_server.go, LeaseRenew and after)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

from kube_edu.etcd import messages as rpc
from kube_edu.etcd.cluster import AskLeader, Methods
from kube_edu.etcd.deadline import deadline
from kube_edu.etcd.driver import RaftDriver
from kube_edu.etcd.state import State

KEEP_ALIVE_PATH = "/etcdserverpb.Lease/LeaseKeepAlive"
TIME_TO_LIVE_PATH = "/etcdserverpb.Lease/LeaseTimeToLive"

R = TypeVar("R")

ASK_AGAIN = 1.0
"""Seconds after which the leader is asked again about a lease."""


class LeaseService:
    """What one member answers. `submit` puts a request through the log; `ask_leader` has one of
    the `deciders` answer, at the leader."""

    def __init__(
        self,
        driver: RaftDriver,
        state: State,
        submit: Callable[..., Awaitable[Any]],
        random: Random,
        ask_leader: AskLeader,
    ) -> None:
        self._driver = driver
        self._state = state
        self._submit = submit
        self._random = random
        self._ask_leader = ask_leader
        self.deciders: Methods = {
            KEEP_ALIVE_PATH: (rpc.LeaseKeepAliveRequest, self._answer),
            TIME_TO_LIVE_PATH: (rpc.LeaseTimeToLiveRequest, self._answer),
        }

    async def grant(self, request: rpc.LeaseGrantRequest) -> Any:
        request = replace(request, ID=request.ID or self._random.getrandbits(62) + 1)
        return await self._submit(lease_grant=request)

    async def keep_alive(self, request: rpc.LeaseKeepAliveRequest) -> AsyncIterator[Any]:
        return _once(await self._asked(KEEP_ALIVE_PATH, request, rpc.LeaseKeepAliveResponse))

    async def time_to_live(
        self, request: rpc.LeaseTimeToLiveRequest
    ) -> rpc.LeaseTimeToLiveResponse:
        return await self._asked(TIME_TO_LIVE_PATH, request, rpc.LeaseTimeToLiveResponse)

    async def _asked(self, path: str, request: Any, answer: type[R]) -> R:
        """The leader's answer, whoever that is; it may be asked again."""
        async with deadline():
            while True:
                with contextlib.suppress(ConnectionError, TimeoutError):
                    async with asyncio.timeout(ASK_AGAIN):
                        return await self._ask_leader(path, request, answer)

    # -- the leader counts --------------------------------------------------------------------

    async def _answer(self, request: Any) -> Any:
        """None if this member does not know it: it does not count, or no longer."""
        term = self._driver.node.term
        if not self._counting:
            return None
        async with deadline():
            await self._driver.read_barrier()
        if not self._counting or self._driver.node.term != term:
            return None  # it was deposed meanwhile, and the barrier is the new leader's
        now = asyncio.get_running_loop().time()
        leases, header = self._state.leases, self._state.header()
        if isinstance(request, rpc.LeaseKeepAliveRequest):
            return rpc.LeaseKeepAliveResponse(header, request.ID, leases.renew(request.ID, now))
        lease = leases.leases.get(request.ID)
        if lease is None:
            return rpc.LeaseTimeToLiveResponse(header, request.ID, -1)
        keys = tuple(sorted(lease.keys)) if request.keys else ()
        left = max(int(lease.expiry - now), 0)
        return rpc.LeaseTimeToLiveResponse(header, request.ID, left, lease.ttl, keys)

    def tick(self) -> list[rpc.LeaseRevokeRequest]:
        """Count the leases' time while this member leads; what to propose where it is over."""
        leases, now = self._state.leases, asyncio.get_running_loop().time()
        if not self._driver.leads:
            leases.demote()
            return []
        if not self._counting:
            leases.promote(now, self._driver.node.term)
        return [rpc.LeaseRevokeRequest(id) for id in leases.tick(now)]

    @property
    def _counting(self) -> bool:
        """Whether this member leads, and has begun to count the leases' time in this term."""
        return self._driver.leads and self._state.leases.term == self._driver.node.term


async def _once(message: Any) -> AsyncIterator[Any]:
    yield message

"""The Lease service. Granting and revoking go through the log; how much time a lease has left only
the leader knows, so it is asked (etcd: server/etcdserver/v3_server.go, LeaseRenew and after)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import Any

from kube_edu.etcd.deadline import deadline
from kube_edu.etcd.driver import TICK, RaftDriver
from kube_edu.etcd.messages import (
    LeaseGrantRequest,
    LeaseKeepAliveRequest,
    LeaseKeepAliveResponse,
    LeaseRevokeRequest,
    LeaseTimeToLiveRequest,
    LeaseTimeToLiveResponse,
)
from kube_edu.etcd.state import State
from kube_edu.host import Request, Response

KEEP_ALIVE_PATH = "/etcdserverpb.Lease/LeaseKeepAlive"
TIME_TO_LIVE_PATH = "/etcdserverpb.Lease/LeaseTimeToLive"

ASK_AGAIN = 1.0
"""Seconds after which the leader is asked again about a lease."""


class LeaseService:
    """What one member answers. `submit` puts a request through the log."""

    def __init__(
        self,
        driver: RaftDriver,
        state: State,
        submit: Callable[..., Awaitable[Any]],
        random: Random,
    ) -> None:
        self._driver = driver
        self._state = state
        self._submit = submit
        self._random = random

    async def grant(self, request: LeaseGrantRequest) -> Response:
        request = replace(request, ID=request.ID or self._random.getrandbits(62) + 1)
        return Response(body=await self._submit(lease_grant=request))

    async def keep_alive(self, request: LeaseKeepAliveRequest) -> Response:
        answer = await self.ask_leader(KEEP_ALIVE_PATH, request)
        return Response(stream=_once(answer))

    async def time_to_live(self, request: LeaseTimeToLiveRequest) -> Response:
        return Response(body=await self.ask_leader(TIME_TO_LIVE_PATH, request))

    async def ask_leader(self, path: str, request: Any) -> Any:
        """The leader's answer, from wherever it is; waits until there is one."""
        async with deadline():
            while True:
                leader, term = self._driver.leader, self._driver.node.term
                if self._counting:
                    await self._driver.read_barrier()
                    if self._counting and self._driver.node.term == term:
                        return self._answer(request)  # it still leads, and knows all leases
                    continue  # it was deposed meanwhile, and the barrier is the new leader's
                if leader and not self._driver.leads:
                    with contextlib.suppress(ConnectionError, TimeoutError):
                        async with asyncio.timeout(ASK_AGAIN):
                            question = Request("POST", path, body=request)
                            response = await self._driver.ask(leader, question)
                        if response.status == 200:
                            return response.body
                await asyncio.sleep(TICK)

    def tick(self) -> list[LeaseRevokeRequest]:
        """Count the leases' time while this member leads; what to propose where it is over."""
        leases, now = self._state.leases, asyncio.get_running_loop().time()
        if not self._driver.leads:
            leases.demote()
            return []
        if not self._counting:
            leases.promote(now, self._driver.node.term)
        return [LeaseRevokeRequest(id) for id in leases.tick(now)]

    @property
    def _counting(self) -> bool:
        """Whether this member leads, and has begun to count the leases' time in this term."""
        return self._driver.leads and self._state.leases.term == self._driver.node.term

    def _answer(self, request: Any) -> Any:
        now = asyncio.get_running_loop().time()
        leases, header = self._state.leases, self._state.header()
        if isinstance(request, LeaseKeepAliveRequest):
            return LeaseKeepAliveResponse(header, request.ID, leases.renew(request.ID, now))
        lease = leases.leases.get(request.ID)
        if lease is None:
            return LeaseTimeToLiveResponse(header, request.ID, -1)
        keys = tuple(sorted(lease.keys)) if request.keys else ()
        left = max(int(lease.expiry - now), 0)
        return LeaseTimeToLiveResponse(header, request.ID, left, lease.ttl, keys)


async def _once(message: Any) -> AsyncIterator[Any]:
    yield message

"""Priority and fairness: one client that asks too much slows itself, not the others.

Each request belongs to a priority level, which has so many seats, and in it to a flow: that of its
user. When all seats are taken, the flows wait in queues of their own, and take turns; who finds
the queue full is told to come back (429). KEP-1040 in a simple form: upstream's levels and shares
as they are by default (apiserver, pkg/apis/flowcontrol/bootstrap/default.go), one queue a flow,
and no borrowing between levels.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from math import ceil

from kube_edu.api.status import too_many_requests
from kube_edu.apiserver.authorization import MASTERS
from kube_edu.apiserver.call import Call
from kube_edu.apiserver.filters import Next
from kube_edu.host import Response

SEATS = 600
"""--max-requests-inflight and --max-mutating-requests-inflight together."""

QUEUE = 50
"""Requests that may wait in one flow (queueLengthLimit)."""

PATIENCE = 15.0
"""Seconds that a request waits for a seat: a quarter of its time limit."""

SHARES = {
    "node-high": 40,
    "system": 30,
    "leader-election": 10,
    "workload-high": 40,
    "workload-low": 100,
    "global-default": 20,
    "catch-all": 5,
}

PROBES = ("/healthz", "/livez", "/readyz")
"""Whoever asks after these shall not take a busy server for a dead one."""

_LONG_RUNNING = ("attach", "exec", "log", "portforward", "proxy")

_FLOW_SCHEMAS: tuple[tuple[str, Callable[[Call], bool]], ...] = (
    ("leader-election", lambda call: _is_component(call) and _is_about(call, "leases")),
    ("node-high", lambda call: "system:nodes" in call.user.groups and _is_heartbeat(call)),
    ("system", lambda call: "system:nodes" in call.user.groups),
    ("workload-high", lambda call: _is_component(call) or _is_controller(call)),
    ("workload-low", lambda call: "system:serviceaccounts" in call.user.groups),
    ("global-default", lambda call: "system:authenticated" in call.user.groups),
)
"""Which level a request belongs to: the first whose condition holds, else catch-all."""


class Fairness:
    """The levels of one API server."""

    def __init__(self, seats: int = SEATS, queue: int = QUEUE) -> None:
        total = sum(SHARES.values())
        self._levels = {
            name: Level(ceil(seats * share / total), queue) for name, share in SHARES.items()
        }

    async def filter(self, call: Call, following: Next) -> Response:
        if MASTERS in call.user.groups or call.request.path in PROBES or is_long_running(call):
            return await following(call)  # exempt
        level = self._levels[level_of(call)]
        await level.enter(call.user.name)
        try:
            return await following(call)
        finally:
            level.leave()


class Level:
    """Seats, and who waits for one."""

    def __init__(self, seats: int, queue: int) -> None:
        self._free = seats
        self._queue = queue
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # by flow, whose turn is next

    async def enter(self, flow: str) -> None:
        """Take a seat, at once or when it is the flow's turn; raises ApiError 429."""
        if self._free > 0:
            self._free -= 1
            return
        queue = self._waiting.setdefault(flow, deque())
        if len(queue) >= self._queue:
            raise too_many_requests("too many requests, please try again later.", 1)
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(PATIENCE):
                await turn
        except BaseException as reason:
            if turn.done() and not turn.cancelled():
                self.leave()  # the seat came and nobody takes it
            else:
                self._give_up(flow, turn)
            if isinstance(reason, TimeoutError):
                raise too_many_requests(
                    "timed out waiting for a seat, try again later.", 1
                ) from None
            raise

    def leave(self) -> None:
        """The seat goes to the flow that waits longest for its turn."""
        while self._waiting:
            flow = next(iter(self._waiting))
            queue = self._waiting.pop(flow)
            turn = queue.popleft()
            if queue:
                self._waiting[flow] = queue  # behind the others
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _give_up(self, flow: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(flow, deque())
        with suppress(ValueError):
            queue.remove(turn)
        if not queue:
            self._waiting.pop(flow, None)


def level_of(call: Call) -> str:
    return next((level for level, holds in _FLOW_SCHEMAS if holds(call)), "catch-all")


def is_long_running(call: Call) -> bool:
    """Watches and streams hold no seat, or those who watch would leave none."""
    return call.verb == "watch" or call.subresource in _LONG_RUNNING


def _is_component(call: Call) -> bool:
    return call.user.name in ("system:kube-controller-manager", "system:kube-scheduler")


def _is_controller(call: Call) -> bool:
    return "system:serviceaccounts:kube-system" in call.user.groups


def _is_about(call: Call, plural: str) -> bool:
    return call.resource is not None and call.resource.plural == plural


def _is_heartbeat(call: Call) -> bool:
    return _is_about(call, "leases") or _is_about(call, "nodes")

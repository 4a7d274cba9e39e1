"""How long a request may take."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from kube_edu.etcd import errors
from kube_edu.etcd.driver import ELECTION_TICKS, TICK

REQUEST_TIMEOUT = 5 + 2 * ELECTION_TICKS * TICK
"""Seconds for one request: etcd's five, and time to elect a leader."""


@contextlib.asynccontextmanager
async def deadline() -> AsyncIterator[None]:
    """Raises EtcdError when the time for a request is up."""
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT):
            yield
    except TimeoutError:
        raise errors.timed_out() from None

"""A queue of keys to work on: client-go's `util/workqueue`.

Three promises. A key that waits is in the queue once, however often it is added. A key is worked
on by one worker at a time. A key that is added while it is being worked on comes again after.
"""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

Key = TypeVar("Key")

BASE_DELAY, MAX_DELAY = 0.005, 1000.0
"""Seconds before the second attempt, and between attempts at the most
(`DefaultTypedControllerRateLimiter`)."""


class WorkQueue(Generic[Key]):
    """`get` a key, work on it, tell `done`; and `forget` it when it went well.

    `add_rate_limited` waits 5 ms after the first failure and twice as long after each further
    one, up to 1000 s (`ItemExponentialFailureRateLimiter`; client-go's second limiter, ten keys
    a second for the whole queue, is left out).
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Key] = asyncio.Queue()
        self._dirty: set[Key] = set()  # to be worked on: waiting, or changed while in work
        self._processing: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    def add(self, key: Key) -> None:
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._queue.put_nowait(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Add the key then; of several such wishes for one key the earliest holds."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        waiting = self._timers.get(key)
        if waiting is not None:
            if waiting.when() <= loop.time() + seconds:
                return
            waiting.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    def add_rate_limited(self, key: Key) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # 2 ** 60 is beyond any cap, and keeps the float within its range.
        self.add_after(key, min(BASE_DELAY * 2 ** min(failures, 60), MAX_DELAY))

    def forget(self, key: Key) -> None:
        """The key went well: its next failure is a first failure again."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """The next key, which is then in work until `done`."""
        key = await self._queue.get()
        self._processing.add(key)
        self._dirty.discard(key)
        return key

    def done(self, key: Key) -> None:
        self._processing.discard(key)
        if key in self._dirty:
            self._queue.put_nowait(key)

    def __len__(self) -> int:
        return self._queue.qsize()

    def _due(self, key: Key) -> None:
        del self._timers[key]
        self.add(key)

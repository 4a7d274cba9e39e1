"""Waits that grow while things go wrong: between restarts, and between pulls of an image.

Source: client-go, util/flowcontrol/backoff.go, as the kubelet uses it.
"""

from __future__ import annotations

INITIAL = 10.0
MAXIMUM = 300.0
RESET_AFTER = 2 * MAXIMUM


class Backoff:
    """By key, how long to wait after a failure: 10 s, twice as long each time, up to five
    minutes; from the start again when it has gone well for ten."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[float, float]] = {}  # the wait, and the last try

    def wait(self, key: str) -> float:
        """The present wait; 0 before the first failure."""
        return self._entries.get(key, (0.0, 0.0))[0]

    def remaining(self, key: str, now: float, failed_at: float | None = None) -> float:
        """Seconds until the next try, counted from a failure (by default the last try)."""
        wait, last_try = self._entries.get(key, (0.0, now))
        since = last_try if failed_at is None else failed_at
        return 0.0 if since - last_try > RESET_AFTER else max(since + wait - now, 0.0)

    def next(self, key: str, now: float) -> None:
        """A try is made now: if it fails too, the wait before the next is longer."""
        wait, last_try = self._entries.get(key, (0.0, now))
        if now - last_try > RESET_AFTER + wait:
            wait = 0.0
        self._entries[key] = (min(max(wait * 2, INITIAL), MAXIMUM), now)

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

    def remaining(self, key: str, now: float, failed_at: float) -> float:
        """Seconds until the next try, after a failure at that time."""
        if self._is_forgiven(key, failed_at):
            return 0.0
        return max(failed_at + self.wait(key) - now, 0.0)

    def next(self, key: str, now: float, failed_at: float) -> None:
        """A try is made now, after that failure: if it fails too, the next wait is longer."""
        wait = 0.0 if self._is_forgiven(key, failed_at) else self.wait(key)
        self._entries[key] = (min(max(wait * 2, INITIAL), MAXIMUM), now)

    def _is_forgiven(self, key: str, failed_at: float) -> bool:
        return failed_at - self._entries.get(key, (0.0, failed_at))[1] > RESET_AFTER

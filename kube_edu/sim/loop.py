"""An asyncio event loop on a virtual clock.

Time stands still while anything is ready to run, and then jumps to the next timer. There is no
thread and no socket, and nothing here asks what time it is outside. `run_until_time` is called
synchronously, from a script or from a notebook cell while Jupyter's own loop is running.

What keeps one seed one run, on every Python:
- `call_soon` is first in, first out, as asyncio documents; only timers of the same instant are
  shuffled, by the seeded random source.
- Tasks hash by a counter, so that asyncio's own sets of tasks are ordered alike in every process.
- Async generators that are dropped half way are not finalised by the garbage collector, whose
  hour nobody knows: who stops early uses `contextlib.aclosing`.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import logging
import signal
import sys
import threading  # noqa: TID251  (only to ask whether this is the main thread)
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from random import Random
from types import FrameType
from typing import Any, Protocol

log = logging.getLogger(__name__)


class Owner(Protocol):
    """Whoever a callback belongs to: a simulated process. It can be frozen, or be gone."""

    running: bool
    """Whether its callbacks simply run; if not, `hold` decides on each one that falls due."""

    def hold(self, handle: asyncio.Handle) -> bool:
        """Take the callback to run it later, or drop it; True to run it all the same."""

    def adopt(self, task: asyncio.Task[Any]) -> None: ...


OWNER: contextvars.ContextVar[Owner | None] = contextvars.ContextVar("owner", default=None)
"""The process that the running code belongs to; tasks and callbacks inherit it."""


class SimTask(asyncio.Task[Any]):
    """A task whose hash is its number in its loop, not its address."""

    def __init__(self, number: int, coro: Coroutine[Any, Any, Any], **kwargs: Any) -> None:
        self._number = number
        super().__init__(coro, **kwargs)
        self._log_destroy_pending = False

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.AbstractEventLoop):
    """See the module's docstring. `random` shuffles timers of one instant."""

    def __init__(self, random: Random) -> None:
        self._now = 0.0
        self._random = random
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, float, int, asyncio.TimerHandle]] = []
        self._sequence = itertools.count()
        self._task_numbers = itertools.count()
        self._interrupted = False
        self.failures: list[BaseException] = []
        """Exceptions that left a callback; the simulation raises the first one to its driver."""

    # --- driving it

    def run_until_time(self, end: float, stop: Callable[[], bool] | None = None) -> None:
        """Run everything that falls due up to and including virtual second `end`, or until
        `stop()`, looked at before each jump in time, is true. Raises what a callback raised."""
        with self._entered():
            while True:
                self._run_ready()
                if (stop is not None and stop()) or not self._jump(end):
                    break
            if stop is None or not stop():
                self._now = max(self._now, end)

    def next_time(self) -> float | None:
        """When the next timer falls due; None when there is none."""
        if self._ready:
            return self._now
        while self._timers and self._timers[0][3].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def _run_ready(self) -> None:
        ready = self._ready
        while ready:
            handle = ready.popleft()
            if handle._cancelled:
                continue
            owner = handle._context.get(OWNER)  # type: ignore[attr-defined]
            if owner is not None and not owner.running and not owner.hold(handle):
                continue
            handle._run()
            if self.failures:
                raise self.failures.pop(0)
            if self._interrupted:
                self._interrupted = False
                raise KeyboardInterrupt

    def _jump(self, end: float) -> bool:
        """Move the clock to the next timer, if it is due by `end`, and make all timers of that
        instant ready."""
        when = self.next_time()
        if when is None or when > end:
            return False
        self._now = max(self._now, when)
        while self._timers and self._timers[0][0] <= self._now:
            handle = heapq.heappop(self._timers)[3]
            if not handle._cancelled:
                self._ready.append(handle)
        return True

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """Be the running loop for a while, within another that is running already (Jupyter's).

        The outer loop's current task is left and entered again (Python 3.14 refuses otherwise),
        async generators born here belong here, and an interrupt waits for the end of the callback
        in hand, so that no task is cut in two; a second interrupt comes through at once.
        """
        outer = asyncio._get_running_loop()
        task = asyncio.current_task(outer) if outer is not None else None
        hooks = sys.get_asyncgen_hooks()
        on_main = threading.current_thread() is threading.main_thread()
        before = signal.getsignal(signal.SIGINT) if on_main else None

        def interrupt(number: int, frame: FrameType | None) -> None:
            if not self._interrupted:
                self._interrupted = True
            elif callable(before):
                before(number, frame)

        if outer is not None and task is not None:
            asyncio.tasks._leave_task(outer, task)
        asyncio._set_running_loop(self)
        sys.set_asyncgen_hooks(firstiter=_ignore, finalizer=_ignore)
        if callable(before):
            signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            if callable(before):
                signal.signal(signal.SIGINT, before)
            self._interrupted = False
            sys.set_asyncgen_hooks(*hooks)
            asyncio._set_running_loop(outer)
            if outer is not None and task is not None:
                asyncio.tasks._enter_task(outer, task)

    # --- what asyncio asks of a loop

    def time(self) -> float:
        return self._now

    def call_soon(  # type: ignore[override]
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        entry = (when, self._random.random(), next(self._sequence), handle)
        heapq.heappush(self._timers, entry)
        return handle

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + max(delay, 0.0), callback, *args, context=context)

    def requeue(self, handle: asyncio.Handle) -> None:
        """Put a handle that was held back into the ready queue."""
        self._ready.append(handle)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
        **kwargs: Any,
    ) -> SimTask:
        # A name of our own: asyncio's default counts the tasks of the whole Python process.
        number = next(self._task_numbers)
        task = SimTask(number, coro, loop=self, name=name or "task", context=context)
        owner = context.get(OWNER) if context is not None else OWNER.get()
        if owner is not None:
            owner.adopt(task)
        return task

    def is_running(self) -> bool:
        return asyncio._get_running_loop() is self

    def is_closed(self) -> bool:
        return False

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """An exception that left a callback fails the run. One that nobody fetched from a task is
        only logged: asyncio tells of it when the garbage collector finds it, at no fixed time."""
        exception = context.get("exception")
        if exception is not None and "never retrieved" not in context["message"]:
            self.failures.append(exception)
        else:
            log.error("%s", context.get("message"), exc_info=exception)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are thrown away when they come up."""


def _ignore(_: object) -> None:
    pass

"""Running a student's function safely, and naming what goes wrong in it.

The function gets copies, so that nothing it does can spoil the cluster; it has a budget of steps,
so that a loop without an end becomes a sentence; and what it raises becomes a `Slip`.
"""

from __future__ import annotations

import copy
import dis
import inspect
import linecache
import sys
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from kube_edu.api.status import ApiError

T = TypeVar("T")

STEPS = 300_000
"""Steps of the interpreter that one call may take in the student's module."""

NOTHING = (
    "RESUME NOP CACHE COPY_FREE_VARS MAKE_CELL LOAD_CONST LOAD_COMMON_CONSTANT POP_TOP"
    " RETURN_VALUE RETURN_CONST RETURN_GENERATOR CALL_INTRINSIC_1 RERAISE NOT_TAKEN"
)
"""What the bytecode of a function with an empty body is made of, on Python 3.11 to 3.14."""


class Slip(Exception):
    """What the student's function did that no answer may do, as a sentence."""


class TooLong(BaseException):
    """Out of steps. Not an Exception, so that `except Exception` in a loop does not catch it."""


def untouched(function: Callable[..., Any]) -> bool:
    """Is the body still nothing but a docstring and `...`? Of a class: that of any method."""
    if isinstance(function, type):
        return any(untouched(part) for part in vars(function).values() if inspect.isfunction(part))
    steps = list(dis.get_instructions(function))
    loaded = [step.argval for step in steps if "CONST" in step.opname]
    return all(step.opname in NOTHING.split() for step in steps) and all(c is None for c in loaded)


class Guard:
    """A student's function, made safe to call; `slips` are the ones it made so far."""

    def __init__(self, function: Callable[..., Any], steps: int = STEPS) -> None:
        self.function = function
        self.slips: list[Slip] = []
        self._module = function.__module__
        self._steps = steps
        self._left = steps

    def call(self, *arguments: Any) -> Any:
        """Call it with copies of the arguments; raises Slip."""
        given = tuple(map(copy.deepcopy, arguments))
        self._left = self._steps
        try:
            result = self._traced(lambda: self.function(*given))
        except (Exception, TooLong) as error:
            raise self._named(error) from error
        self._look_for_changes(arguments, given)
        if inspect.iscoroutine(result):
            result.close()
            raise self.slip("it is an `async def`, but has nothing to wait for: a `def` will do")
        return result

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a method of the student's class as it is. A refusal (ApiError) is no slip."""
        self._left = self._steps
        try:
            return self._traced(lambda: function(*arguments))
        except ApiError:
            raise
        except (Exception, TooLong) as error:
            raise self._named(error) from error

    def ask(self, wanted: type[T], said: str, *arguments: Any) -> T:
        """Call it, and see that it returns what it should: something `wanted`, `said` in words."""
        answer = self.call(*arguments)
        if not isinstance(answer, wanted) or (isinstance(answer, bool) and wanted is not bool):
            kind = type(answer).__name__
            raise self.slip(f"it should return {said}, and returned {kind} ({answer!r:.40})")
        return answer

    async def call_async(self, *arguments: Any) -> Any:
        """The same for an `async def`. What the cluster answered it (ApiError, a broken
        connection) is no slip: its caller tries again."""
        given = tuple(copy.deepcopy(a) if isinstance(a, dict | list) else a for a in arguments)
        self._left = self._steps
        try:
            started = self._traced(lambda: self.function(*given))
            if not inspect.iscoroutine(started):
                raise TypeError("not an `async def`: without it, nothing can be awaited")
            result = await self._stepwise(started)
        except (ApiError, ConnectionError, TimeoutError):
            raise
        except (Exception, TooLong) as error:
            raise self._named(error) from error
        self._look_for_changes(arguments, given)
        return result

    @types.coroutine
    def _stepwise(self, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Await a coroutine with the step budget in force whenever it runs."""
        resume: Callable[[], Any] = lambda: coroutine.send(None)  # noqa: E731
        while True:
            try:
                waits_for = self._traced(resume)
            except StopIteration as stop:
                return stop.value
            try:
                yield waits_for
            except BaseException as error:
                resume = lambda error=error: coroutine.throw(error)  # type: ignore[misc]  # noqa: E731
            else:
                resume = lambda: coroutine.send(None)  # noqa: E731

    def _traced(self, run: Callable[[], Any]) -> Any:
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            return run()
        finally:
            sys.settrace(before)

    def _enter(self, frame: Any, event: str, arg: Any) -> Any:
        if frame.f_globals.get("__name__") != self._module:
            return None
        frame.f_trace_opcodes = True  # `while True: pass` on one line has no further lines
        return self._step

    def _step(self, frame: Any, event: str, arg: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise TooLong
        return self._step

    def _named(self, error: BaseException) -> Slip:
        if isinstance(error, Slip):
            return error
        if isinstance(error, TooLong):
            return self.slip(f"it did not come to an end within {self._steps:,} steps: is there "
                              "a loop that never stops?")  # fmt: skip
        forgot = " (is an `await` missing?)" if "'coroutine' object" in str(error) else ""
        return self.slip(f"it raised {type(error).__name__}: {error}{forgot}{self._where(error)}")

    def slip(self, sentence: str) -> Slip:
        """Note a slip, to be raised."""
        slip = Slip(sentence)
        self.slips.append(slip)
        return slip

    def _where(self, error: BaseException) -> str:
        """The student's own line, of all the lines that the error passed through."""
        code = getattr(self.function, "__code__", None) or self.function.__init__.__code__
        file, where = code.co_filename, ""
        trace = error.__traceback__
        while trace:
            if trace.tb_frame.f_code.co_filename == file:
                where = linecache.getline(file, trace.tb_lineno).strip()
            trace = trace.tb_next
        return f", at `{where}`" if where else ""

    def _look_for_changes(self, before: tuple[Any, ...], after: tuple[Any, ...]) -> None:
        names = list(inspect.signature(self.function).parameters)
        for name, was, now in zip(names, before, after, strict=False):
            for place, old, new in _objects(name, was, now):
                if old != new:
                    change = first_difference(old, new)
                    raise self.slip(f"it changed an object that it was given: {place}{change}. "
                                     "All components share one copy; work on your own")  # fmt: skip


def _objects(name: str, was: Any, now: Any) -> list[tuple[str, Any, Any]]:
    """(name, before, after) of the objects in an argument. A list is the function's own, to sort
    or to cut; the objects in it are everyone's."""
    if isinstance(was, list):
        gone = [obj for obj in was if obj not in now]
        new = [obj for obj in now if obj not in was]
        return [(f"one of {name}: ", *pair) for pair in zip(gone, new, strict=False)]
    return [(name, was, now)] if isinstance(was, dict) else []


def first_difference(old: Any, new: Any) -> str:
    """The path to the first thing that differs, with what it was and what it is."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            if old.get(key) != new.get(key):
                return f".{key}{first_difference(old.get(key), new.get(key))}"
    return f" was {_brief(old)}, is {_brief(new)}"


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"

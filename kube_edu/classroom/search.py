"""Finding a case in which an answer fails, and the smallest one like it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

Case = TypeVar("Case")
Failure = TypeVar("Failure")


def first_failing(
    cases: Iterable[Case], judge: Callable[[Case], Failure | None]
) -> tuple[Case, Failure] | None:
    """The first case that the judge finds a failure in."""
    for case in cases:
        failure = judge(case)
        if failure is not None:
            return case, failure
    return None


def shrink(
    found: tuple[Case, Failure],
    smaller: Callable[[Case], Iterable[Case]],
    judge: Callable[[Case], Failure | None],
    tries: int = 200,
) -> tuple[Case, Failure]:
    """Make a failing case smaller for as long as a smaller one still fails (in whatever way:
    the smallest failing case tells most)."""
    left = tries
    while left > 0:
        for candidate in smaller(found[0]):
            left -= 1
            failure = judge(candidate)
            if failure is not None:
                found = candidate, failure
                break
            if left <= 0:
                return found
        else:
            return found
    return found


def without_one(items: tuple[Case, ...]) -> Iterator[tuple[Case, ...]]:
    """The sequence with one item left out, each in turn, the last first."""
    for index in reversed(range(len(items))):
        yield items[:index] + items[index + 1 :]


def smaller_documents(document: Any) -> Iterator[Any]:
    """A JSON document with one value left out, somewhere, each in turn; no map becomes
    empty."""
    for key, value in document.items() if isinstance(document, dict) else ():
        if isinstance(value, dict):
            for less in smaller_documents(value):
                yield {**document, key: less}
        elif len(document) > 1:
            yield {other: kept for other, kept in document.items() if other != key}

"""How every exercise is judged: cases are tried until the answer fails in one; that one is made as
small as it gets; then it is told and drawn, with the first step at which it parts from a run of the
reference.

An exercise brings its cases, and a Trial: what happens in a case, and what is wrong with that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from kube_edu.classroom.exercise import Report, Verdict, failed
from kube_edu.classroom.parting import Telling, parting
from kube_edu.classroom.search import first_failing, shrink
from kube_edu.trace import Trace


class Case(Protocol):
    """Everything that decides a run; as a text, it says what befalls."""

    def simpler(self) -> Iterator[Any]:
        """The case with one thing less, each in turn."""


C = TypeVar("C", bound=Case)


@dataclass(frozen=True)
class Failure:
    """What is wrong with a run, in a sentence."""

    reason: str


class Trial(ABC):
    """One run of a case."""

    trace: Trace | None = None
    """To be compared with that of the reference."""
    failing: Any = None
    """What `run` found."""

    @abstractmethod
    def run(self) -> Any:
        """Let it happen, and look for what is wrong: something with a `reason`, or None."""

    def alike(self, other: Any) -> bool:
        """Does it fail in the way of another?"""
        return True

    def details(self) -> Sequence[str]:
        """What there is to say below the reason."""
        return ()

    @abstractmethod
    def drawn(self) -> Any:
        """A figure, or several in a tuple."""


@dataclass(frozen=True)
class Search(Generic[C]):
    """`trial` runs a case with the student's answer, `reference` with ours; `telling` says which
    events of the two are compared."""

    trial: Callable[[C], Trial]
    reference: Callable[[C], Trial]
    telling: Telling = lambda event: None
    tries: int = 120

    def find(self, cases: Iterable[C], report: Report) -> tuple[C, Trial] | None:
        """The first case in which the answer fails, made as small as it gets."""
        tried = 0

        def attempt(case: C) -> Trial | None:
            nonlocal tried
            tried += 1
            report(f"run {tried}: {case}")
            trial = self.trial(case)
            trial.failing = trial.run()
            return trial if trial.failing else None

        def again(case: C) -> Trial | None:
            trial = attempt(case)
            return trial if trial and trial.alike(first) else None

        found = first_failing(cases, attempt)
        if found is None:
            return None
        first = found[1]
        return shrink(found, lambda case: case.simpler(), again, self.tries)

    def told(self, found: tuple[C, Trial], reason: str = "", *figures: Any) -> Verdict:
        """What was found, in words and pictures. The `figures` come before its own; `reason`
        names a misconception that is behind it."""
        case, trial = found
        details = [*trial.details(), self._parting(case, trial)]
        drawn = trial.drawn()
        figures += drawn if isinstance(drawn, tuple) else (drawn,)
        return failed(reason or trial.failing.reason, *filter(None, details), figure=figures)

    def _parting(self, case: C, trial: Trial) -> str:
        if trial.trace is None:
            return ""
        other = self.reference(case)
        other.run()
        assert other.trace is not None
        return parting(trial.trace, other.trace, self.telling)

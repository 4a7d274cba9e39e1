"""How every exercise is judged: cases are tried until the answer fails in one; that one is made as
small as it gets; then it is told and drawn, with the first step at which it parts from a run of the
reference.

An exercise brings its cases; a Trial, which is what happens in a case, and what is wrong with that;
and, in prose/, the reasons.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from kube_edu.classroom.exercise import Report, Verdict, failed, passed, prose
from kube_edu.classroom.guard import Guard
from kube_edu.classroom.parting import Telling, parting
from kube_edu.classroom.search import first_failing, shrink
from kube_edu.trace import Trace

Answer = Callable[..., Any]


class Case(Protocol):
    """Everything that decides a run; as a text, it says what befalls."""

    def simpler(self) -> Iterator[Any]:
        """The case with one thing less, each in turn."""


C = TypeVar("C", bound=Case)


@dataclass(frozen=True)
class Failure:
    """What is wrong with a run: `kind` tells failures apart, whatever names and numbers are in
    the `reason`; `at` is where a figure shows it."""

    kind: str
    reason: str
    at: Any = 0


class Reasons:
    """Why answers to an exercise fail, in the words of prose/."""

    def __init__(self, lab: str, exercise: str) -> None:
        self.words: dict[str, str] = prose(lab)["reasons"][exercise]

    def __call__(self, kind: str, at: Any = 0, within: str = "", /, **about: Any) -> Failure:
        """The reason of this kind, with what it is about put in; as the {why} of another, if it is
        `within` that."""
        reason = self.words[kind].format(at=at, **about)
        if within:
            reason = self.words[within].format(at=at, why=reason, **about)
        return Failure(kind, reason, at)


class Trial(ABC):
    """One run of a case with an answer."""

    case: Any
    trace: Trace | None = None
    """To be compared with that of the reference."""
    failing: Any = None
    """What `run` found."""
    keeps_kind = False
    """Does a smaller case have to fail in the same way? Else the smallest one that fails in any way
    is shown, for that tells most."""

    def __init__(self, case: Any, answer: Answer) -> None:
        self.case, self.guard = case, Guard(answer)

    @abstractmethod
    def run(self) -> Any:
        """Let it happen, and look for what is wrong: something with a `reason`, or None."""

    def alike(self, other: Any) -> bool:
        """May it be shown in the place of another?"""
        return not self.keeps_kind or bool(self.failing.kind == other.failing.kind)

    def details(self) -> Sequence[str]:
        """What there is to say below the reason."""
        return ()

    @abstractmethod
    def drawn(self) -> Any:
        """A figure, or several in a tuple."""


@dataclass(frozen=True)
class Judge(Generic[C]):
    """The judge of an exercise."""

    trial: Callable[[C, Answer], Trial]
    reference: Answer
    cases: Callable[[], Iterable[C]]
    praise: str = ""
    """With {runs} for how many there were."""
    telling: Telling = lambda event: None
    """Which events of two runs are compared."""
    tries: int = 120
    """Runs that may be spent on making a case smaller."""
    pace: int = 1
    """Of how many runs one is reported."""
    exam: Callable[[Answer], tuple[str, Any]] = lambda answer: ("", None)
    """Questions on paper, asked first: the misconception that they show, and a figure of that."""
    then: Callable[[Answer], Verdict | None] | None = None
    """What else is tried of an answer that fails in no case, most often in a running cluster."""

    def __call__(self, answer: Answer, report: Report) -> Verdict:
        misconception, figure = self.exam(answer)
        cases = list(self.cases())
        found = self.find(answer, cases, report)
        if found is not None:
            return self.told(found, misconception, figure)
        if misconception:
            return failed(misconception, figure=figure)
        if self.then is not None:
            report("trying it in a running cluster …")
            if verdict := self.then(answer):
                return verdict
        return passed(self.praise.format(runs=len(cases)))

    def find(self, answer: Answer, cases: Iterable[C], report: Report) -> tuple[C, Trial] | None:
        """The first case in which the answer fails, made as small as it gets."""
        tried = 0

        def attempt(case: C) -> Trial | None:
            nonlocal tried
            tried += 1
            if tried % self.pace == 0:
                report(f"run {tried}: {case}")
            trial = self.trial(case, answer)
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
        other = self.trial(case, self.reference)
        other.run()
        assert other.trace is not None
        return parting(trial.trace, other.trace, self.telling)

"""An exercise: a function the student writes, a judge, hints, and a kind verdict.

In a lab one calls `check(function)`. A function that is still a stub is told so and nothing is
run. Otherwise the judge plugs it into the cluster and looks for a case in which it fails; what is
shown is the verdict, the reason, the smallest such case as a figure, and the first step at which
the run parts from that of the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from html import escape
from pathlib import Path
from textwrap import fill
from typing import Any

import yaml

from kube_edu.classroom.guard import Slip, untouched

WIDTH = 88
"""Columns of printed text, which a notebook would break in the middle of a word."""

HEADS = {
    "passed": ("Passed", "#007a59"),
    "failed": ("Not yet", "#b84e00"),
    "untouched": ("Not attempted yet", "#0072b2"),
}
"""What a verdict begins with, and its colour."""

Report = Callable[[str], None]
"""Says what is being done, for as long as it is being done."""

Judge = Callable[[Callable[..., Any], Report], "Verdict"]


@dataclass(frozen=True, repr=False)
class Verdict:
    """What the check found. Of an answer that fails, `reason` says why in a sentence."""

    state: str
    """"passed", "failed" or "untouched"."""
    reason: str
    details: Sequence[str] = ()
    figure: Any = field(default=None, compare=False)
    """One, or several in a tuple."""

    def __repr__(self) -> str:
        return "\n".join([f"{HEADS[self.state][0]}: {self.reason}", *self.details])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        head, colour = HEADS[self.state]
        style = (
            f"border-left:5px solid {colour};background:#fdfdfb;color:#1f2933;"
            "padding:8px 14px;border-radius:4px;max-width:860px"
        )
        pre = "color:#1f2933;background:none;white-space:pre-wrap;margin-top:6px"
        details = [f'<pre style="{pre}">{escape(text)}</pre>' for text in self.details]
        said = f'<b style="color:{colour}">{head}.</b> {escape(self.reason)}'
        html = f'<div style="{style}">{said}{"".join(details)}</div>'
        return {"text/html": html, "text/plain": repr(self)}


def passed(reason: str) -> Verdict:
    return Verdict("passed", reason)


def failed(reason: str, *details: str, figure: Any = None) -> Verdict:
    return Verdict("failed", reason, details, figure)


@dataclass(frozen=True)
class Exercise:
    """`name` is that of the function the student writes."""

    name: str
    judge: Judge
    hints: Sequence[str] = ()

    def verdict(self, answer: Callable[..., Any], report: Report = lambda text: None) -> Verdict:
        """Judge an answer; never raises for what the answer does."""
        if untouched(answer):
            how = f"write the body of {self.name}, run its cell, then run this one again"
            return Verdict("untouched", f"{how}. hint({self.name}, 1) gives a first hint.")
        try:
            return self.judge(answer, report)
        except Slip as slip:
            return failed(f"{self.name}: {slip}")


@dataclass(frozen=True)
class Question:
    """A question with named choices; each has its own answer, and one of them is right."""

    right: str
    replies: dict[str, str]

    def reply(self, choice: Any) -> str:
        if choice is ...:
            return "Not answered yet: put your choice in place of the dots, and run the cell again."
        if choice not in self.replies:
            return f"Choose one of {', '.join(self.replies)}."
        mark = "Right." if choice == self.right else "Not quite."
        return f"{mark} {self.replies[choice]}"


@cache
def prose(name: str) -> dict[str, Any]:
    """What is said in words: by the name of a notebook its lab's hints, questions and reasons."""
    file = Path(__file__).with_name("prose") / f"{name}.yaml"
    words: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return words


class Lab:
    """The exercises and questions of one notebook, by name."""

    def __init__(self, exercises: Sequence[Exercise], questions: dict[str, Question]) -> None:
        self.exercises = {exercise.name: exercise for exercise in exercises}
        self.questions = questions

    @classmethod
    def written(cls, name: str, *exercises: Exercise) -> Lab:
        """The lab of a notebook, whose hints and questions are in `prose/`."""
        words = prose(name)
        hinted = [replace(each, hints=words["hints"][each.name]) for each in exercises]
        replies = {name: dict(choices) for name, choices in words["questions"].items()}
        return cls(hinted, {name: Question(its.pop("right"), its) for name, its in replies.items()})

    def check(self, answer: Callable[..., Any]) -> None:
        """Check the student's function and show the verdict, with the figure that explains it."""
        exercise = self.exercises[answer.__name__]
        if untouched(answer):
            _show(exercise.verdict(answer))
            return
        with _Progress() as report:
            verdict = exercise.verdict(answer, report)
        _show(verdict)
        figures = verdict.figure if isinstance(verdict.figure, tuple) else (verdict.figure,)
        for figure in figures:
            if figure is not None:
                _show(figure)

    def hint(self, exercise: Callable[..., Any] | str, step: int = 1) -> None:
        """Print a hint; each step says more than the one before."""
        name = exercise if isinstance(exercise, str) else exercise.__name__
        hints = self.exercises[name].hints
        step = min(max(step, 1), len(hints))
        print(fill(f"Hint {step} of {len(hints)}: {hints[step - 1]}", WIDTH))
        if step < len(hints):
            print(f"(hint({name}, {step + 1}) says more)")

    def predict(self, question: str, choice: Any) -> None:
        """Print what there is to say to a choice."""
        print(fill(self.questions[question].reply(choice), WIDTH))


class _Progress:
    """A line that says what is being done, and is empty before and after: nbval compares only
    what stands in the notebook, and does not follow updates."""

    def __enter__(self) -> Report:
        from IPython import get_ipython
        from IPython.display import HTML, display

        self._html: Callable[[str], Any] = HTML
        in_notebook = get_ipython() is not None
        self._handle: Any = None
        if in_notebook:
            self._handle = display(HTML(""), display_id=True)  # type: ignore[no-untyped-call]
        return self._say

    def __exit__(self, *failure: object) -> None:
        self._say("")

    def _say(self, text: str) -> None:
        if self._handle is not None:
            self._handle.update(self._html(f"<i>{escape(text)}</i>" if text else ""))


def _show(thing: Any) -> None:
    from IPython.display import display

    display(thing)  # type: ignore[no-untyped-call]

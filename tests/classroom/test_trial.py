"""The search by which every exercise is judged, on one of its own: the sum of a few numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kube_edu.classroom.exercise import Verdict, failed
from kube_edu.classroom.search import without_one
from kube_edu.classroom.trial import Failure, Judge, Reasons, Trial
from kube_edu.trace import Event, Trace


@dataclass(frozen=True)
class Numbers:
    each: tuple[int, ...]

    def simpler(self) -> Iterator[Numbers]:
        for fewer in without_one(self.each):
            yield replace(self, each=fewer)


class Added(Trial):
    def run(self) -> Failure | None:
        self.trace = Trace(lambda: 0.0)
        said = self.guard.ask(int, "a number", list(self.case.each))
        self.trace.record("sum", "lab.step", {"what": f"says {said}"})
        right = sum(self.case.each)
        if said == right:
            return None
        return Failure("too small" if said < right else "too large", f"{said} is not {right}")

    def details(self) -> Sequence[str]:
        return [str(self.case.each)]

    def drawn(self) -> str:
        return "picture"


class Exactly(Added):
    keeps_kind = True


def cases() -> Iterator[Numbers]:
    yield from (Numbers(()), Numbers((1, 2)), Numbers((9, 5, -3)))


def told(event: Event) -> Any:
    return event.fields["what"]


def verdict(answer: Callable[..., Any], trial: type[Trial] = Added, **more: Any) -> Verdict:
    judge = Judge[Numbers](trial, sum, cases, "{runs} sums.", told, **more)
    return judge(answer, lambda text: None)


def of_positive(numbers: list[int]) -> int:
    return sum(number for number in numbers if number > 0)


def test_who_is_right_passes() -> None:
    assert repr(verdict(lambda numbers: sum(numbers))) == "Passed: 3 sums."


def test_the_smallest_failing_case_is_told_with_the_step_at_which_it_parts_from_ours() -> None:
    found = verdict(of_positive)
    assert found.reason == "0 is not -3" and found.figure[-1] == "picture"
    case, apart = found.details
    assert case == "(-3,)"
    assert "yours      0.00 s  sum  says 0" in apart and "reference  0.00 s  sum  says -3" in apart


def test_where_kinds_are_kept_a_smaller_case_fails_in_the_same_way() -> None:
    def crooked(numbers: list[int]) -> int:
        return sum(numbers) + (1 if len(numbers) > 2 else -1 if numbers else 0)

    assert verdict(crooked).details[0] == "(1,)"

    def crooked_in_three(numbers: list[int]) -> int:
        return sum(numbers) + {3: 1, 2: -1}.get(len(numbers), 0) * (9 in numbers)

    assert verdict(crooked_in_three).details[0] == "(9, 5)"
    assert verdict(crooked_in_three, Exactly).details[0] == "(9, 5, -3)"


def test_what_shows_on_paper_is_told_with_the_run_and_even_without() -> None:
    def exam(answer: Any) -> tuple[str, Any]:
        return "it passes over whatever is below zero", "paper"

    found = verdict(of_positive, exam=exam)
    assert found.reason == "it passes over whatever is below zero"
    assert [*found.figure] == ["paper", "picture"]
    assert verdict(lambda numbers: sum(numbers), exam=exam).figure == "paper"


def test_who_fails_in_no_case_is_tried_once_more() -> None:
    found = verdict(lambda numbers: sum(numbers), then=lambda answer: failed("not in a cluster"))
    assert found.reason == "not in a cluster"


def test_a_reason_is_a_sentence_of_the_lab_with_names_put_in() -> None:
    because = Reasons("03-etcd-keys-and-watches", "increment")
    failure = because("held", 7, "miscounted", before=1, value=3)
    assert failure.kind == "held" and failure.at == 7
    assert failure.reason.startswith(
        "the counter was 1, and is 3 at revision 7: the comparison held"
    )

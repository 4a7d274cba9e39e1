"""Verdicts, questions, search, and the making of labs from solutions."""

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest

from kube_edu.classroom import build, workbook
from kube_edu.classroom.exercise import Exercise, Lab, Question, failed, passed
from kube_edu.classroom.guard import Slip
from kube_edu.classroom.search import first_failing, shrink, smaller_documents, without_one


def double(x: int) -> Any:
    return 2 * x


def stub(x: int) -> Any: ...


def judge(answer: Any, report: Any) -> Any:
    return passed("all is well") if answer(2) == 4 else failed("it is not the double")


def test_a_verdict_of_each_kind() -> None:
    exercise = Exercise("double", judge, ["multiply"])
    assert exercise.verdict(double).state == "passed"
    assert exercise.verdict(lambda x: x + 1).reason == "it is not the double"
    assert exercise.verdict(stub).state == "untouched"
    assert "Not attempted yet" in repr(exercise.verdict(stub))

    def slips(answer: Any, report: Any) -> Any:
        raise Slip("it raised KeyError")

    assert Exercise("x", slips, []).verdict(double).reason == "x: it raised KeyError"


def test_hints_come_in_steps(capsys: pytest.CaptureFixture[str]) -> None:
    lab = Lab([Exercise("double", judge, ["think", "multiply"])], {})
    lab.hint(double)
    lab.hint("double", 7)
    assert capsys.readouterr().out == (
        "Hint 1 of 2: think\n(hint(double, 2) says more)\nHint 2 of 2: multiply\n"
    )


def test_a_question_answers_each_choice_and_none() -> None:
    question = Question("b", {"a": "because", "b": "indeed"})
    assert question.reply("b") == "Right. indeed"
    assert question.reply("a") == "Not quite. because"
    assert question.reply("z") == "Choose one of a, b."
    assert question.reply(...).startswith("Not answered yet")


def test_search_finds_and_shrinks() -> None:
    def fails(case: tuple[int, ...]) -> str | None:
        return "descends" if any(a > b for a, b in pairwise(case)) else None

    found = first_failing([(1, 2), (1, 5, 3, 4, 9)], fails)
    assert found == ((1, 5, 3, 4, 9), "descends")
    assert shrink(found, without_one, fails) == ((5, 3), "descends")
    assert list(smaller_documents({"a": 1, "b": {"c": 2, "d": 3}})) == [
        {"b": {"c": 2, "d": 3}}, {"a": 1, "b": {"d": 3}}, {"a": 1, "b": {"c": 2}},
    ]  # fmt: skip


SOURCE = '''def f(x):
    """Double it."""
    ### BEGIN SOLUTION
    y = 2
    return x * y
    ### END SOLUTION

### BEGIN SOLUTION
guess = "b"
### END SOLUTION
predict("q", guess)'''


def test_answers_give_way_to_stubs() -> None:
    assert build.stub(SOURCE) == (
        'def f(x):\n    """Double it."""\n    ...  # your code here\n\n'
        'guess = ...  # your answer here\npredict("q", guess)'
    )
    for broken in ("### BEGIN SOLUTION\nx", "x\n### END SOLUTION"):
        with pytest.raises(ValueError, match="without"):
            build.stub(broken)


def notebook(*sources: str) -> Any:
    cells = [nbformat.v4.new_code_cell(source, id=f"c{n}") for n, source in enumerate(sources)]
    made = nbformat.v4.new_notebook(cells=cells, metadata=build.METADATA)
    made.nbformat_minor = 5
    return made


def test_check_finds_a_lab_that_is_not_what_its_solution_makes(tmp_path: Path) -> None:
    solution, lab = tmp_path / "01-x.ipynb", tmp_path / "lab.ipynb"
    nbformat.write(notebook(SOURCE, "1 + 1"), solution)
    assert "missing" in build.check(solution, lab)
    nbformat.write(build.without_answers(notebook(SOURCE, "1 + 1")), lab)
    assert build.check(solution, lab) == ""
    nbformat.write(notebook(SOURCE, "1 + 2"), solution)
    assert "is not what" in build.check(solution, lab)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    (tmp_path / "labs").mkdir()
    for name in ("00-welcome.ipynb", "02-declarative.ipynb"):
        nbformat.write(notebook("1 + 1"), tmp_path / "labs" / name)
    return tmp_path


def test_missing_labs_are_copied_and_answers_are_safe(root: Path) -> None:
    assert workbook.copy_missing(root) == ["00-welcome.ipynb", "02-declarative.ipynb"]
    mine = root / "work" / "02-declarative.ipynb"
    mine.write_text("my answer")
    assert workbook.copy_missing(root) == []
    assert mine.read_text() == "my answer"
    assert workbook.list_labs(root).splitlines() == [
        "00  welcome                  untouched",
        "02  declarative              yours",
    ]


def test_reset_sets_the_old_copy_aside(root: Path) -> None:
    workbook.copy_missing(root)
    for answer in ("first", "second"):
        (root / "work" / "02-declarative.ipynb").write_text(answer)
        workbook.reset("2", root)
    assert (root / "work" / "02-declarative.1.ipynb").read_text() == "first"
    assert (root / "work" / "02-declarative.2.ipynb").read_text() == "second"
    fresh = (root / "labs" / "02-declarative.ipynb").read_bytes()
    assert (root / "work" / "02-declarative.ipynb").read_bytes() == fresh
    with pytest.raises(workbook.WorkbookError, match="no lab has the number '9'"):
        workbook.reset("9", root)


def test_what_was_copied_is_trusted(root: Path) -> None:
    from nbformat.sign import NotebookNotary

    workbook.copy_missing(root)
    copied = nbformat.read(root / "work" / "00-welcome.ipynb", as_version=4)
    assert NotebookNotary().check_signature(copied)


def test_a_port_is_a_port(root: Path) -> None:
    with pytest.raises(workbook.WorkbookError, match="not a port number"):
        workbook.open_workbook(port="http", root=root)


def test_what_the_terminal_asks_for_is_answered_in_one_line(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workbook, "list_labs", lambda: "00  welcome")
    parser = argparse.ArgumentParser()
    workbook.add_arguments(parser)
    assert workbook.run(parser.parse_args(["list"])) == 0
    assert capsys.readouterr().out == "00  welcome\n"
    assert workbook.run(parser.parse_args(["reset", "no"])) == 1
    assert capsys.readouterr().err.startswith("kube-edu lab: no lab has the number 'no'")

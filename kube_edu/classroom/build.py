"""Make the students' notebooks: `labs/` from `solutions/`, with the answers taken out.

    python -m kube_edu.classroom.build [--check] [NN ...]

A solution is the source of both: it is executed and written back with fresh outputs, then its
answers (between the `### BEGIN SOLUTION` and `### END SOLUTION` lines that nbgrader and
otter-grader know) give way to a stub, and the lab is executed in its turn. Metadata is cut down to
what a reader needs, so that the same source gives the same bytes. `--check` executes nothing (nbval
compares the outputs): it fails when a lab is not what its solution makes.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kube_edu.classroom.workbook import ROOT, number_of

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
FOR_REAL = "for-real"
"""The tag of a cell that needs a live cluster: it is not executed here."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m kube_edu.classroom.build")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    parser.add_argument("labs", nargs="*", metavar="NN", help="numbers of labs (default: all)")
    options = parser.parse_args(arguments)
    build = check if options.check else make
    found = [
        path
        for path in sorted((ROOT / "solutions").glob("*.ipynb"))
        if not options.labs or number_of(path) in options.labs
    ]
    problems = [problem for path in found if (problem := build(path, ROOT / "labs" / path.name))]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def make(solution: Path, lab: Path) -> str:
    """Execute the solution, make the lab from it, and execute that."""
    try:
        print(f"{solution.stem}: solution", flush=True)
        source = _execute(_tidy(_read(solution)), solution.parent)
        _write(source, solution)
        print(f"{solution.stem}: lab", flush=True)
        lab.parent.mkdir(exist_ok=True)
        _write(_execute(without_answers(source), lab.parent), lab)
    except Exception as error:  # one notebook's error is reported with its name
        return f"{solution.name}: {error}"
    return ""


def check(solution: Path, lab: Path) -> str:
    """What is wrong with a lab, or nothing."""
    again = f"run `make labs` ({solution.name})"
    if not lab.exists():
        return f"labs/{lab.name} is missing: {again}"
    source = _read(solution)
    if _without_outputs(without_answers(source)) != _without_outputs(_read(lab)):
        return f"labs/{lab.name} is not what solutions/{solution.name} makes: {again}"
    if source.metadata != METADATA:
        return f"solutions/{solution.name} has metadata that the generator would remove: {again}"
    return ""


def without_answers(notebook: Any) -> Any:
    """The student's version of a notebook: stubs for answers, no outputs."""
    lab = _without_outputs(notebook)
    for cell in lab.cells:
        if cell.cell_type == "code":
            cell.source = stub(cell.source)
    return lab


def stub(source: str) -> str:
    """A cell's source with each answer replaced by dots. Where the answer is one assignment its
    name stays, since the cells after it ask for it."""
    lines: list[str] = []
    answer: list[str] | None = None
    for line in source.split("\n"):
        if line.strip() == BEGIN:
            answer = []
        elif line.strip() == END:
            if answer is None:
                raise ValueError(f"{END} without {BEGIN}")
            indent = line[: len(line) - len(line.lstrip())]
            name = re.match(r"\s*(\w+ = )", answer[0]) if len(answer) == 1 else None
            lines.append(f"{indent}{name[1]}...  # your answer here" if name else
                         f"{indent}...  # your code here")  # fmt: skip
            answer = None
        elif answer is None:
            lines.append(line)
        else:
            answer.append(line)
    if answer is not None:
        raise ValueError(f"{BEGIN} without {END}")
    return "\n".join(lines)


def _execute(notebook: Any, folder: Path) -> Any:
    """Run all cells in a fresh kernel; raises on the first error."""
    from nbclient import NotebookClient

    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,  # how text is cut into pieces depends on the clock
        skip_cells_with_tag=FOR_REAL,
        resources={"metadata": {"path": str(folder)}},
    )
    return _tidy(client.execute())


def _tidy(notebook: Any) -> Any:
    """Only the metadata that a reader needs. Of a widget only its text is kept: its model lives
    in the kernel, under another id each time."""
    notebook.metadata = METADATA
    for cell in notebook.cells:
        cell.metadata = {"tags": cell.metadata.tags} if cell.metadata.get("tags") else {}
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    return notebook


def _without_outputs(notebook: Any) -> Any:
    import nbformat

    bare = nbformat.from_dict(notebook)  # type: ignore[no-untyped-call]
    for cell in bare.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return bare


def _read(path: Path) -> Any:
    import nbformat

    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def _write(notebook: Any, path: Path) -> None:
    import nbformat

    nbformat.validate(notebook)
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    sys.exit(main())

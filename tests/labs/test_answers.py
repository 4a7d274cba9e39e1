"""Every exercise's check: it passes right answers, also such as are unlike ours; it fails wrong
ones, each with a reason of its own; and it is kind to a stub."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kube_edu.classroom import api_server, declarative, elections, gate, keys, replication, welcome
from kube_edu.classroom.exercise import Exercise


def answers(name: str) -> ModuleType:
    path = Path(__file__).with_name(f"answers_{name}.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LABS = {
    "00_ready_nodes": welcome.lab.exercises["ready_nodes"],
    "02_expose": declarative.lab.exercises["expose"],
    "02_plan": declarative.lab.exercises["plan"],
    "02_manage_replicas": declarative.lab.exercises["manage_replicas"],
    "03_increment": keys.lab.exercises["increment"],
    "03_follow": keys.lab.exercises["follow"],
    "03_under_lock": keys.lab.exercises["under_lock"],
    "03_campaign": keys.lab.exercises["campaign"],
    **{f"04_{name}": exercise for name, exercise in elections.lab.exercises.items()},
    "05_append_entries": replication.lab.exercises["append_entries"],
    "05_commit_index": replication.lab.exercises["commit_index"],
    "05_next_index": replication.lab.exercises["next_index"],
    **{f"06_{name}": exercise for name, exercise in api_server.lab.exercises.items()},
    **{f"07_{name}": exercise for name, exercise in gate.lab.exercises.items()},
}
ANSWERS = {name: answers(name) for name in LABS}


@pytest.mark.parametrize(
    ("exercise", "answer", "reason"),
    [
        pytest.param(LABS[name], answer, reason, id=f"{name}-{answer.__name__}")
        for name, module in ANSWERS.items()
        for answer, reason in module.WRONG
    ],
)
def test_a_wrong_answer_is_told_why(exercise: Exercise, answer: Any, reason: str) -> None:
    verdict = exercise.verdict(answer())
    assert verdict.state == "failed"
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        pytest.param(LABS[name], answer, id=f"{name}-{answer.__name__}")
        for name, module in ANSWERS.items()
        for answer in module.RIGHT
    ],
)
def test_a_right_answer_passes_however_it_is_written(exercise: Exercise, answer: Any) -> None:
    verdict = exercise.verdict(answer())
    assert verdict.state == "passed", verdict


@pytest.mark.parametrize("name", LABS)
def test_a_stub_has_not_failed(name: str) -> None:
    def stub(*arguments: Any) -> None: ...

    assert LABS[name].verdict(stub).state == "untouched"

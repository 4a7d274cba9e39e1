"""Tests over many seeds.

A test that is marked `seeds(n)` and asks for a `seed` runs once for each of n seeds. `--seeds N`
runs another number of them, and `--seed S` just the one that failed, and no other tests: what
`make replay SEED=S` does.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="run tests over seeds with this one only")
    parser.addoption("--seeds", type=int, help="run tests over seeds with so many")
    parser.addoption("--rewrite", action="store_true", help="write Raft's conversations anew")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    mark = metafunc.definition.get_closest_marker("seeds")
    if mark is None or "seed" not in metafunc.fixturenames:
        return
    only = metafunc.config.getoption("--seed")
    number = metafunc.config.getoption("--seeds") or mark.args[0]
    metafunc.parametrize("seed", range(number) if only is None else [only])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--seed") is not None:
        items[:] = [item for item in items if item.get_closest_marker("seeds")]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Say under a failure which line repeats it."""
    seed = dict(report.user_properties).get("seed")
    if report.failed and seed is not None:
        report.sections.append(("to repeat this run", f"make replay SEED={seed}"))


@pytest.fixture(autouse=True)
def _remember_seed(request: pytest.FixtureRequest) -> None:
    call = getattr(request.node, "callspec", None)
    if call is not None and "seed" in call.params:
        request.node.user_properties.append(("seed", call.params["seed"]))

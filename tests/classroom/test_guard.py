"""What a student's function may do wrong is said in a sentence, and harms nobody."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from kube_edu.classroom.guard import Guard, Slip, untouched


def stub(nodes: Any) -> Any:
    """Says what to do."""
    ...  # noqa: PIE790


async def async_stub(pods: Any, replicaset: Any) -> None:
    """Says what to do."""
    ...  # noqa: PIE790


def returns_text(x: Any) -> Any:
    return "keep"


def returns_number(x: Any) -> Any:
    """Doc."""
    return 5


def returns_argument(x: Any) -> Any:
    return x


def loops(x: Any) -> Any:
    while True:
        pass


def loops_on_one_line(x: Any) -> Any:
    while True: pass  # fmt: skip # noqa: E701


def loops_and_catches(x: Any) -> Any:
    while True:
        try:
            x = [x]
        except Exception:
            x = 1


def changes(x: Any) -> Any:
    x["spec"]["replicas"] = 7


def sorts(x: Any) -> Any:
    x.sort(key=len)
    return x.pop()


def raises(x: Any) -> Any:
    return x["no"]["such"]


def is_async(x: Any) -> Any:
    async def later() -> None: ...

    return later()


def test_a_stub_is_known_from_an_attempt() -> None:
    assert untouched(stub) and untouched(async_stub)
    attempts: list[Callable[..., Any]] = [returns_text, returns_number, returns_argument, loops]
    assert not any(map(untouched, attempts))


@pytest.mark.parametrize(
    ("function", "argument", "sentence"),
    [
        (loops, 1, "did not come to an end"),
        (loops_on_one_line, 1, "did not come to an end"),
        (loops_and_catches, 1, "did not come to an end"),
        (changes, {"spec": {"replicas": 3}}, "x.spec.replicas was 3, is 7"),
        (raises, {"no": {}}, 'raised KeyError: \'such\', at `return x["no"]["such"]`'),
        (is_async, 1, "`async def`"),
    ],
)
def test_a_slip_is_named(function: Any, argument: Any, sentence: str) -> None:
    guard = Guard(function)
    with pytest.raises(Slip, match=re.escape(sentence)) as slip:
        guard.call(argument)
    assert guard.slips == [slip.value]


def test_what_it_changes_is_its_own_copy() -> None:
    given = {"spec": {"replicas": 3}}
    with pytest.raises(Slip):
        Guard(changes).call(given)
    assert given == {"spec": {"replicas": 3}}


def test_a_list_is_the_functions_own_to_sort() -> None:
    given = [{"a": 1, "b": 2}, {"c": 3}]
    assert Guard(sorts).call(given) == {"a": 1, "b": 2}
    assert len(given) == 2


def test_an_async_function_has_a_budget_across_its_waits() -> None:
    async def patient(x: Any) -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(0)

    with pytest.raises(Slip, match="did not come to an end"):
        asyncio.run(Guard(patient, steps=5_000).call_async(1))


def test_an_async_function_can_wait_gather_and_be_cancelled() -> None:
    async def parallel(x: Any) -> list[int]:
        async def one(number: int) -> int:
            await asyncio.sleep(0)
            return number

        return await asyncio.gather(*(one(number) for number in range(3)))

    assert asyncio.run(Guard(parallel).call_async(1)) == [0, 1, 2]

    async def cancelled() -> bool:
        async def waits(x: Any) -> None:
            await asyncio.Event().wait()

        task = asyncio.create_task(Guard(waits).call_async(1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return True

    assert asyncio.run(cancelled())


def test_what_the_cluster_answers_is_no_slip() -> None:
    async def refused(x: Any) -> None:
        raise ConnectionError("gone")

    guard = Guard(refused)
    with pytest.raises(ConnectionError):
        asyncio.run(guard.call_async(1))
    assert guard.slips == []


def test_a_plain_function_in_the_place_of_an_async_one_is_named() -> None:
    with pytest.raises(Slip, match="not an `async def`"):
        asyncio.run(Guard(returns_number).call_async(1))

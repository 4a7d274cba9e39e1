"""Histories that are linearizable, and histories that are not."""

from __future__ import annotations

from itertools import permutations
from random import Random
from typing import Any

import pytest

from kube_edu.classroom.checkers.history import Action, Delete, Get, Operation, Put, Txn, act
from kube_edu.classroom.checkers.linearizability import check, independent, unexplained


def op(client: str, action: Action, called: int, returned: float, answer: Any = True) -> Operation:
    return Operation(client, action, called, answer, returned)


def lost(client: str, action: Action, called: int) -> Operation:
    return Operation(client, action, called)


PUT_1, PUT_2, PUT_3 = (Put("k", value) for value in "123")
GET = Get("k")
SWAP = Txn((("k", "1"),), (Put("k", "2"),), (GET,))
MOVE = Txn((("k", "1"),), (Delete("k"), Put("j", "2")), (Get("j"),))
CREATE = Txn((("k", None),), (PUT_1,))

GOOD = {
    "a read sees the last write": [op("a", PUT_1, 1, 2), op("b", GET, 3, 4, "1")],
    "a read beside a write sees it": [op("a", PUT_1, 1, 4), op("b", GET, 2, 3, "1")],
    "or not": [op("a", PUT_1, 1, 4), op("b", GET, 2, 3, None)],
    "a write without an answer may happen": [lost("a", PUT_1, 1), op("b", GET, 2, 3, "1")],
    "much later, too": [
        lost("a", PUT_1, 1),
        op("b", PUT_2, 2, 3),
        op("b", GET, 4, 5, "2"),
        op("b", GET, 6, 7, "1"),
    ],
    "or never": [lost("a", PUT_1, 1), op("b", GET, 2, 3, None), op("b", GET, 4, 5, None)],
    "one of two creates wins": [
        op("a", CREATE, 1, 4, (True, (True,))),
        op("b", CREATE, 2, 3, (False, ())),
    ],
    "a swap reads what it lost to": [
        op("a", PUT_1, 1, 2),
        op("a", SWAP, 3, 6, (False, ("3",))),
        op("b", PUT_3, 4, 5),
    ],
    "what is deleted is gone": [
        op("a", PUT_1, 1, 2),
        op("a", Delete("k"), 3, 4, True),
        op("b", GET, 5, 6, None),
        op("b", Delete("k"), 7, 8, False),
    ],
}

BAD = {
    "a stale read": (
        [op("a", PUT_1, 1, 2), op("a", PUT_2, 3, 4), op("b", GET, 5, 6, "1")],
        "b: get k -> '1'",
    ),
    "a lost write": ([op("a", PUT_1, 1, 2), op("b", GET, 3, 4, None)], "b: get k -> None"),
    "a value from nowhere": ([op("b", GET, 3, 4, "9")], "b: get k -> '9'"),
    "a write that was seen and is gone": (
        [lost("a", PUT_1, 1), op("b", GET, 2, 3, "1"), op("b", GET, 4, 5, None)],
        "b: get k -> None",
    ),
    "two swaps from one value": (
        [
            op("a", PUT_1, 1, 2),
            op("a", SWAP, 3, 5, (True, (True,))),
            op("b", SWAP, 4, 6, (True, (True,))),
        ],
        "b: if k=1 then put k=2 else get k -> (True, (True,))",
    ),
    "two creates": (
        [op("a", CREATE, 1, 4, (True, (True,))), op("b", CREATE, 2, 3, (True, (True,)))],
        "a: if k is absent then put k=1 -> (True, (True,))",
    ),
    "deleted twice": (
        [
            op("a", PUT_1, 1, 2),
            op("a", Delete("k"), 3, 4, True),
            op("b", Delete("k"), 5, 6, True),
        ],
        "b: delete k -> True",
    ),
    "readers who see two writes in two orders": (
        [
            op("a", PUT_1, 1, 12),
            op("b", PUT_2, 2, 13),
            op("c", GET, 3, 4, "1"),
            op("c", GET, 5, 6, "2"),
            op("d", GET, 7, 8, "1"),
        ],
        "d: get k -> '1'",
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_linearizable_history_is_accepted(name: str) -> None:
    assert check(GOOD[name]) is None


@pytest.mark.parametrize("name", BAD)
def test_a_violation_is_named_with_the_operation_that_shows_it(name: str) -> None:
    history, culprit = BAD[name]
    found = check(history)
    assert found is not None
    assert str(found.operation) == culprit
    assert f'explains the answer of "{culprit}"' in str(found)


def test_the_history_that_is_shown_is_the_shortest() -> None:
    history, position = [], 0
    for number in range(40):
        for action, answer in ((Put("k", f"{number}"), True), (GET, f"{number}")):
            history.append(op("a", action, position + 1, position + 2, answer))
            position += 2
        history.append(lost("c", Put("k", f"lost {number}"), position))
        history.append(op("x", Put(f"other {number}", "1"), position + 1, position + 2))
        position += 2
    history.append(op("b", GET, position + 1, position + 2, "30"))
    found = check(history)
    assert found is not None
    written, overwritten, read = map(str, found.history)
    assert written == "a: put k=30 -> True"
    assert overwritten.startswith("a: put k=")
    assert read == "b: get k -> '30'"


def test_a_write_without_an_answer_may_have_to_come_before_one_that_overwrites_half_of_it() -> None:
    history = [
        op("a", PUT_1, 1, 2),
        lost("b", MOVE, 3),
        op("c", Put("j", "3"), 4, 5),
        op("c", GET, 6, 7, None),
        op("c", Get("j"), 8, 9, "3"),
    ]
    assert check(history) is None


def test_keys_are_checked_apart_unless_a_transaction_links_them() -> None:
    history = [
        op("a", Put("x", "1"), 1, 2),
        op("a", Put("y", "1"), 3, 4),
        op("a", Txn((("x", "1"),), (Put("z", "1"),)), 5, 6, (True, (True,))),
        op("a", Put("z", "2"), 7, 8),
    ]
    assert sorted(len(part) for part in independent(history)) == [1, 3]


@pytest.mark.parametrize("seed", range(200))
def test_it_says_what_trying_every_order_says(seed: int) -> None:
    history = small_history(Random(seed))
    assert (unexplained(history) is None) == any_order_explains(history), "\n".join(
        f"{each.called} to {each.returned} {each}" for each in history
    )


def small_history(random: Random) -> list[Operation]:
    """A put and up to six operations more, answered rightly by a store that sometimes forgets."""
    state: Any = (("k", "1"),)
    moments = sorted(range(12), key=lambda _: random.random())
    history = [op("a", PUT_1, -2, -1)]
    for number in range(random.randint(2, 6)):
        called, returned = sorted(moments[2 * number : 2 * number + 2])
        action = random.choice(
            [GET, PUT_1, Put("j", "1"), Get("j"), SWAP, CREATE, MOVE, Delete("k")]
        )
        answer, after = act(state, action)
        state = after if random.random() < 0.8 else state
        if random.random() < 0.3:
            history.append(lost("a", action, called))
        else:
            history.append(op("a", action, called, returned, answer))
    return history


def any_order_explains(history: list[Operation]) -> bool:
    answered = [each for each in history if each.answered]
    unanswered = [each for each in history if not each.answered]
    for chosen in range(1 << len(unanswered)):
        happened = answered + [e for n, e in enumerate(unanswered) if chosen >> n & 1]
        for order in permutations(happened):
            if any(
                later.returned < earlier.called
                for position, earlier in enumerate(order)
                for later in order[position + 1 :]
            ):
                continue
            state: Any = ()
            for each in order:
                answer, state = act(state, each.action)
                if each.answered and answer != each.answer:
                    break
            else:
                return True
    return False

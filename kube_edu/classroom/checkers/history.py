"""What concurrent clients of a store asked and were answered, and what a store of keys may answer.

Actions and answers are plain values, whatever store they were put to:

    Get(key)            -> the value, or None
    Put(key, value)     -> True
    Delete(key)         -> whether there was something to delete
    Txn(compare, ...)   -> (succeeded, the answers of the operations that were done)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Get:
    key: str


@dataclass(frozen=True, slots=True)
class Put:
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Delete:
    key: str


@dataclass(frozen=True, slots=True)
class Txn:
    """If every key has the value that `compare` says (None: is absent), `success`, else
    `failure`."""

    compare: tuple[tuple[str, str | None], ...]
    success: tuple[Get | Put | Delete, ...] = ()
    failure: tuple[Get | Put | Delete, ...] = ()


Action = Get | Put | Delete | Txn


@dataclass(frozen=True, slots=True)
class Operation:
    """One action of a client. `called` and `returned` are positions in the history, which say
    what came before what; an action that was never answered (`returned` is infinite) may happen
    at any time after its call, or never."""

    client: str
    action: Action
    called: int
    answer: Any = None
    returned: float = math.inf
    time: float = 0.0
    """When it was answered, or, if it was not, called."""
    revision: int = 0
    """Of the store that answered, if it said so."""

    @property
    def answered(self) -> bool:
        return self.returned != math.inf

    def __str__(self) -> str:
        answer = f" -> {self.answer!r}" if self.answered else " -> no answer"
        return f"{self.client}: {said(self.action)}{answer}"


class History:
    """A recorder. `clock` tells the time of the run."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.operations: list[Operation] = []
        self._clock = clock
        self._length = 0

    def call(self, client: str, action: Action) -> int:
        """A client asks; returns the number by which `answer` knows it."""
        self.operations.append(Operation(client, action, self._next(), time=self._clock()))
        return len(self.operations) - 1

    def answer(self, number: int, answer: Any, revision: int = 0) -> None:
        self.operations[number] = replace(
            self.operations[number],
            answer=answer,
            returned=self._next(),
            time=self._clock(),
            revision=revision,
        )

    def _next(self) -> int:
        self._length += 1
        return self._length


# -- what a store may answer ------------------------------------------------------------------

State = tuple[tuple[str, str], ...]
"""The keys that exist, with their values, sorted. Immutable, so that it can be remembered."""


def act(state: State, action: Action) -> tuple[Any, State]:
    """The answer of a store in this state, and its state afterwards."""
    if isinstance(action, Txn):
        return _txn(state, action)
    held = dict(state)
    before = held.get(action.key)
    if isinstance(action, Get):
        return before, state
    if isinstance(action, Put):
        held[action.key] = action.value
        return True, tuple(sorted(held.items()))
    held.pop(action.key, None)
    return before is not None, tuple(sorted(held.items()))


def _txn(state: State, txn: Txn) -> tuple[Any, State]:
    held = dict(state)
    succeeded = all(held.get(key) == value for key, value in txn.compare)
    answers = []
    for action in txn.success if succeeded else txn.failure:
        answer, state = act(state, action)
        answers.append(answer)
    return (succeeded, tuple(answers)), state


def keys(action: Action) -> list[str]:
    """The keys that an action is about."""
    if not isinstance(action, Txn):
        return [action.key]
    compared = [key for key, _ in action.compare]
    return compared + [each.key for each in action.success + action.failure]


@cache
def changed(action: Action) -> frozenset[str]:
    """The keys that an action may change."""
    if isinstance(action, Txn):
        return frozenset().union(*map(changed, action.success + action.failure))
    return frozenset() if isinstance(action, Get) else frozenset([action.key])


@cache
def read(action: Action) -> frozenset[str]:
    """The keys that its answer, or what it does, depends on."""
    return frozenset() if isinstance(action, Put) else frozenset(keys(action))


def written(action: Action) -> list[tuple[str, str | None]]:
    """The values (None: absence) that an action may bring about."""
    if isinstance(action, Txn):
        return [pair for each in action.success + action.failure for pair in written(each)]
    if isinstance(action, Put):
        return [(action.key, action.value)]
    return [(action.key, None)] if isinstance(action, Delete) else []


def seen(action: Action, answer: Any) -> list[tuple[str, str | None]]:
    """The values (None: absence) that an answer tells of."""
    if isinstance(action, Get):
        return [(action.key, answer)]
    if isinstance(action, Delete):
        return [] if answer else [(action.key, None)]
    if isinstance(action, Put):
        return []
    succeeded, answers = answer
    done = action.success if succeeded else action.failure
    told = [pair for each, its in zip(done, answers, strict=True) for pair in seen(each, its)]
    return told + (list(action.compare) if succeeded else [])


def compared(action: Action) -> Sequence[tuple[str, str | None]]:
    """The values (None: absence) on which it depends what an action does."""
    return action.compare if isinstance(action, Txn) else ()


def anonymous(action: Action, told: Container[tuple[str, str | None]]) -> Action:
    """The action, writing one and the same value instead of any that nobody has told of."""
    if isinstance(action, Txn):
        success, failure = (
            tuple(anonymous(each, told) for each in branch)
            for branch in (action.success, action.failure)
        )
        return Txn(action.compare, success, failure)  # type: ignore[arg-type]  # none is nested
    if isinstance(action, Put) and (action.key, action.value) not in told:
        return Put(action.key, "(never seen)")
    return action


def said(action: Action) -> str:
    """An action in words."""
    if isinstance(action, Get):
        return f"get {action.key}"
    if isinstance(action, Put):
        return f"put {action.key}={action.value}"
    if isinstance(action, Delete):
        return f"delete {action.key}"
    compare = " and ".join(
        f"{key} is absent" if value is None else f"{key}={value}" for key, value in action.compare
    )
    words = f"if {compare} then {'; '.join(map(said, action.success)) or 'nothing'}"
    return words + (f" else {'; '.join(map(said, action.failure))}" if action.failure else "")

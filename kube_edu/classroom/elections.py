"""Lab 04: its exercises and questions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_edu.classroom.exercise import Lab
from kube_edu.classroom.guard import untouched
from kube_edu.classroom.raft.disk import SURVIVES
from kube_edu.classroom.raft.majority import ENOUGH
from kube_edu.classroom.raft.timeout import TIMEOUT
from kube_edu.classroom.raft.vote import VOTE
from kube_edu.raft import Rules

lab = Lab.written("04-raft-elections", ENOUGH, TIMEOUT, VOTE, SURVIVES)
__all__ = ["check", "hint", "lab", "predict", "rules"]

check, hint, predict = lab.check, lab.hint, lab.predict


def rules(*answers: Callable[..., Any]) -> Rules:
    """The rules of Raft, with these answers in the place of ours (but for stubs)."""
    return Rules(**{answer.__name__: answer for answer in answers if not untouched(answer)})

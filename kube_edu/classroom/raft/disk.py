"""Lab 04, fourth exercise: what has to survive a power cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kube_edu.classroom.checkers.raft_safety import leader_completeness
from kube_edu.classroom.exercise import prose
from kube_edu.classroom.guard import Guard
from kube_edu.classroom.raft.lab import World
from kube_edu.classroom.raft.member import Disk
from kube_edu.classroom.raft.plans import blackout, rivals, weather
from kube_edu.classroom.raft.search import Played, exercise, holds, live, safe
from kube_edu.raft import HardState, RaftNode
from kube_edu.viz.tables import Table

NEEDED = ("term", "vote", "log")

Object = dict[str, Any]
Survives = Callable[[Object], Object]
Keep = Callable[[RaftNode, Disk], Disk]

REASONS = prose("04-raft-elections")["reasons"]["survives"]
FORGETS, KEEPS, PARTS = REASONS["forgets"], REASONS["keeps"], REASONS["parts"]
"""Of what is missing, and of what is too much, what comes of it; and of each part of the state,
whether it has to be on disk, and why."""

EXAMPLE = {
    "term": 3,
    "vote": "etcd-2",
    "log": [[1, "x=1"], [3, "x=2"]],
    "commit": 1,
    "role": "follower",
    "leader": "etcd-2",
    "votes": {},
    "election_elapsed": 4,
}
"""What the student's function is given."""


class PowerCuts(Played):
    """In the middle of elections and after commits: a member comes back with what it kept."""

    checks = (holds(leader_completeness), safe, live)  # what is lost is told first

    @staticmethod
    def reference(state: Object) -> Object:
        return {name: state[name] for name in (*NEEDED, "commit")}

    def played_by(self, answer: Survives) -> World:
        return World(self.plan, keep=_keeper(Guard(answer)))

    @staticmethod
    def exam(answer: Survives) -> tuple[str, Table]:
        kept = _kept(Guard(answer), EXAMPLE)
        missing = [name for name in NEEDED if name not in kept]
        excess = [KEEPS[name] for name in kept if name in KEEPS]
        forgets = f"it forgets {' and '.join(missing)}: each stands for a promise that it gave."
        reason = FORGETS.get(" ".join(missing), forgets) if missing else "".join(excess[:1])
        return reason, _compared(kept)


def _compared(kept: list[str]) -> Table:
    rows = [
        (name, "on disk" if name in kept else "", needed, why)
        for name, (needed, why) in PARTS.items()
    ]
    return Table(["part of the state", "yours", "needed", "because"], rows)


def _keeper(guard: Guard) -> Keep:
    """Asks the student's function at the moment of the crash what is on the disk."""

    def keep(node: RaftNode, disk: Disk) -> Disk:
        state = {
            "term": node.term,
            "vote": node.vote,
            "log": [[entry.term, entry.data.decode()] for entry in disk.entries],
            "commit": disk.hard.commit,
            "role": node.role.value,
            "leader": node.leader,
            "votes": dict(node.votes),
            "election_elapsed": node.election_elapsed,
        }
        kept = _kept(guard, state)
        entries = disk.entries if "log" in kept else []
        hard = HardState(
            node.term if "term" in kept else 0,
            node.vote if "vote" in kept else "",
            min(disk.hard.commit, len(entries)) if "commit" in kept else 0,
        )
        return replace(disk, hard=hard, entries=entries)

    return keep


def _kept(guard: Guard, state: Object) -> list[str]:
    """The names of what is kept."""
    result = guard.ask(dict, "a dict with a part of state", state)
    for name, value in result.items():
        if name not in state:
            raise guard.slip(f"it keeps {name!r}, and there is no such thing in state")
        if value != state[name]:
            raise guard.slip(f"it keeps another {name} than there is: {value!r:.40}")
    return list(result)


SURVIVES = exercise(
    PowerCuts,
    "survives",
    "with power cuts: nobody votes twice, and nothing is lost.",
    (rivals, 3), (blackout, 3), (rivals, 5), (weather, 3),
)  # fmt: skip

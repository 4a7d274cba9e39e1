"""Lab 05: the log, from one write to membership. Its exercises are in append_rule, repair_rule and
commit_rule."""

from __future__ import annotations

from kube_edu.classroom.exercise import Lab
from kube_edu.classroom.raft.append_rule import APPEND
from kube_edu.classroom.raft.commit_rule import COMMIT
from kube_edu.classroom.raft.lab import World
from kube_edu.classroom.raft.repair_rule import REPAIR


def refusals(world: World) -> int:
    """How often followers have refused entries."""
    answers = world.trace.select("raft.send", type="MsgAppResp")
    return sum(bool(event.fields.get("reject")) for event in answers)


lab = Lab.written("05-raft-replication", APPEND, REPAIR, COMMIT)
check, hint, predict = lab.check, lab.hint, lab.predict

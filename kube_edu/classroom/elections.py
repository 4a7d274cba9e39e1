"""Lab 04: its exercises and questions."""

from __future__ import annotations

from kube_edu.classroom.exercise import Lab
from kube_edu.classroom.raft_disk import SURVIVES
from kube_edu.classroom.raft_majority import ENOUGH
from kube_edu.classroom.raft_timeout import TIMEOUT
from kube_edu.classroom.raft_vote import VOTE

lab = Lab([ENOUGH, TIMEOUT, VOTE, SURVIVES], {})

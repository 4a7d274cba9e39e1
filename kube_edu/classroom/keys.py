"""Lab 03: its exercises and questions."""

from __future__ import annotations

from kube_edu.classroom.etcd.campaign import CAMPAIGN
from kube_edu.classroom.etcd.client import compare, delete, get, put
from kube_edu.classroom.etcd.counter import INCREMENT
from kube_edu.classroom.etcd.follow import FOLLOW
from kube_edu.classroom.etcd.locked import UNDER_LOCK, frozen_at_work
from kube_edu.classroom.exercise import Lab

lab = Lab.written("03-etcd-keys-and-watches", INCREMENT, FOLLOW, UNDER_LOCK, CAMPAIGN)
check, hint, predict = lab.check, lab.hint, lab.predict
__all__ = ["check", "compare", "delete", "frozen_at_work", "get", "hint", "lab", "predict", "put"]

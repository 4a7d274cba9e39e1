"""Lab 03: its exercises and questions."""

from __future__ import annotations

from kube_edu.classroom.counter import INCREMENT
from kube_edu.classroom.etcd_client import compare, delete, get, put
from kube_edu.classroom.exercise import Lab
from kube_edu.classroom.follow import FOLLOW
from kube_edu.classroom.locked import UNDER_LOCK

lab = Lab([INCREMENT, FOLLOW, UNDER_LOCK], {})
check, hint, predict = lab.check, lab.hint, lab.predict
__all__ = ["check", "compare", "delete", "get", "hint", "predict", "put"]

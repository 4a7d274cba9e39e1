"""Lab 02: its exercises and questions."""

from __future__ import annotations

from kube_edu.classroom.exercise import Lab
from kube_edu.classroom.workloads.expose import EXPOSE
from kube_edu.classroom.workloads.plan import PLAN
from kube_edu.classroom.workloads.replicas import REPLICAS, replicas_by

lab = Lab.written("02-declarative", EXPOSE, PLAN, REPLICAS)
__all__ = ["check", "hint", "lab", "predict", "replicas_by"]

check, hint, predict = lab.check, lab.hint, lab.predict

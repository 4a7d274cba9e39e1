"""Lab 07: its exercises and questions."""

from __future__ import annotations

from kube_edu.classroom.apiserver.always_pull import ALWAYS_PULL
from kube_edu.classroom.apiserver.rbac_rule import ALLOWS, evaluated_by
from kube_edu.classroom.apiserver.trusted_images import TRUSTED_IMAGES
from kube_edu.classroom.exercise import Lab

lab = Lab.written("07-the-gate", ALLOWS, ALWAYS_PULL, TRUSTED_IMAGES)
__all__ = ["check", "evaluated_by", "hint", "lab", "predict"]

check, hint, predict = lab.check, lab.hint, lab.predict

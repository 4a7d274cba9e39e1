"""Lab 06: its exercises and questions."""

from __future__ import annotations

from kube_edu.classroom.api_requests import MERGE_PATCH, PATH, Api, configmap
from kube_edu.classroom.cached import cached_by
from kube_edu.classroom.exercise import Lab
from kube_edu.classroom.merge_patch import PATCHING
from kube_edu.classroom.onlookers import Onlookers
from kube_edu.classroom.reflecting import LIST_AND_WATCH
from kube_edu.classroom.small_cache import WATCH_CACHE

lab = Lab.written("06-api-server", PATCHING, LIST_AND_WATCH, WATCH_CACHE)
check, hint, predict = lab.check, lab.hint, lab.predict
__all__ = [
    "MERGE_PATCH",
    "PATH",
    "Api",
    "Onlookers",
    "cached_by",
    "check",
    "configmap",
    "hint",
    "lab",
    "predict",
]

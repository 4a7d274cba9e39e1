"""Lab 06: its exercises and questions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_edu.classroom.apiserver.cached import cached_by
from kube_edu.classroom.apiserver.merge_patch import PATCHING
from kube_edu.classroom.apiserver.onlookers import Onlookers
from kube_edu.classroom.apiserver.reflecting import LIST_AND_WATCH
from kube_edu.classroom.apiserver.requests import MERGE_PATCH, PATH, Api, configmap, write_to_etcd
from kube_edu.classroom.apiserver.small_cache import WATCH_CACHE
from kube_edu.classroom.exercise import Lab
from kube_edu.classroom.guard import untouched

lab = Lab.written("06-api-server", PATCHING, LIST_AND_WATCH, WATCH_CACHE)


def patched_by(answer: Callable[..., Any]) -> dict[str, Any]:
    """Roles for a Cluster whose API server patches with this function; a stub replaces nothing."""
    return {} if untouched(answer) else {"apiserver.merge_patch": answer}


def seen_through(answer: Callable[..., Any]) -> dict[str, Any]:
    """Roles for a Cluster whose scheduler sees everything through this function; a stub replaces
    nothing."""
    return {} if untouched(answer) else {"scheduler.list_and_watch": answer}


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
    "patched_by",
    "predict",
    "seen_through",
    "write_to_etcd",
]

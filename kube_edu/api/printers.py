"""Tables: what `kubectl get` shows of each kind, made by the server.

Source: kubernetes, pkg/printers/internalversion/printers.go; the columns are in columns.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kube_edu.api.columns import COLUMNS, CREATED_AT, NAME, Column
from kube_edu.api.meta import Object
from kube_edu.api.resources import Resource


def table(
    resource: Resource,
    objects: Iterable[Object],
    now: float,
    *,
    include: str = "Metadata",
    metadata: Object | None = None,
) -> Object:
    """A Table of objects, with the list's metadata. Each row carries its object as `include`
    says: "Metadata" (a PartialObjectMetadata), "Object" (whole) or "None"."""
    columns = COLUMNS.get(resource.kind, (NAME, CREATED_AT))
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata or {},
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [_row(columns, obj, now, include) for obj in objects],
    }


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _row(columns: tuple[Column, ...], obj: Object, now: float, include: str) -> Object:
    row: dict[str, Any] = {"cells": [column.cell(obj, now) for column in columns]}
    phase = obj.get("status", {}).get("phase")
    if obj.get("kind") == "Pod" and phase in _COMPLETED:
        row["conditions"] = [{"type": "Completed", "status": "True", "reason": phase,
                              "message": _COMPLETED[phase]}]  # fmt: skip
    if include == "Object":
        row["object"] = obj
    elif include == "Metadata":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": obj.get("metadata", {}),
        }
    return row


_COMPLETED = {
    "Succeeded": "The pod has completed successfully.",
    "Failed": "The pod failed.",
}

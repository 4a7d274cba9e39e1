"""Tables: what `kubectl get` shows of each kind, made by the server.

Source: kubernetes, pkg/printers/internalversion/printers.go; the columns are in columns.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kube_edu.api import conversion
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
    version: str = "v1",
) -> Object:
    """A Table of objects, with the list's metadata. Each row carries its object as `include`
    says: "Metadata" (a PartialObjectMetadata), "Object" (whole) or "None"."""
    columns = COLUMNS.get(resource.kind, (NAME, CREATED_AT))
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata or {},
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [
            _row(columns, obj, now) | _carried(resource, obj, include, version) for obj in objects
        ],
    }


def partial_metadata(obj: Object, version: str = "v1") -> Object:
    """An object's metadata alone."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj.get("metadata", {}),
    }


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": "",
        "priority": column.priority,
    }


def _row(columns: tuple[Column, ...], obj: Object, now: float) -> Object:
    row: dict[str, Any] = {"cells": [column.cell(obj, now) for column in columns]}
    phase = obj.get("status", {}).get("phase")
    if obj.get("kind") == "Pod" and phase in _COMPLETED:
        row["conditions"] = [{"type": "Completed", "status": "True", "reason": phase,
                              "message": _COMPLETED[phase]}]  # fmt: skip
    return row


def _carried(resource: Resource, obj: Object, include: str, version: str) -> Object:
    if include == "Object":
        return {"object": conversion.to_version(obj, resource.api_version)}
    return {"object": partial_metadata(obj, version)} if include == "Metadata" else {}


_COMPLETED = {
    "Succeeded": "The pod has completed successfully.",
    "Failed": "The pod failed.",
}

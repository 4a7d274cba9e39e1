"""Tables: what `kubectl get` shows of each kind, made by the server.

The columns are rows of data/columns.txt, what goes into their cells is in cells.py
(kubernetes, pkg/printers/internalversion/printers.go).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kube_edu.api import cells, conversion, tables
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
    columns = columns_of(resource.kind)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata or {},
        "columnDefinitions": [column.definition() for column in columns],
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


def _row(columns: Iterable[Column], obj: Object, now: float) -> Object:
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


# Columns


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `cell` makes its text or number from an object and the time now."""

    name: str
    cell: Callable[[Object, float], Any]
    marks: tuple[str, ...]
    """Its type, and "wide" where `-o wide` alone shows it."""

    def definition(self) -> Object:
        types = [mark for mark in self.marks if mark in ("boolean", "date", "integer")]
        return {
            "name": self.name,
            "type": types[0] if types else "string",
            "format": "name" if "name" in self.marks else "",
            "description": "",
            "priority": int("wide" in self.marks),
        }


@functools.cache
def columns_of(kind: str) -> tuple[Column, ...]:
    rows = tables.read("columns").get(kind, ["Name", "Created At"])
    return tuple(_column(_ALIKE.get(row, row)) for row in rows)


_ALIKE = {
    "Age": "Age  since .metadata.creationTimestamp",
    "Created At": "Created At  .metadata.creationTimestamp  date",
    "Name": "Name  .metadata.name  name",
}


def _column(row: str) -> Column:
    name, cell, *marks = re.split(" {2,}", row)
    return Column(name, _cell(*cell.split()), tuple(" ".join(marks).split(",")))


def _cell(what: str, *words: str) -> Callable[[Object, float], Any]:
    arguments = ["" if word == '""' else word for word in words]
    if what.startswith("."):
        absent = [tables.value(word) for word in arguments]
        return lambda obj, now: cells.at(obj, what, *absent)
    function = getattr(cells, what)
    if what in cells.TIMED:
        return lambda obj, now: function(obj, now, *arguments)
    return lambda obj, now: function(obj, *arguments)

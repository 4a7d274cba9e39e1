"""Tables as kubectl prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kube_edu.api import meta
from kube_edu.api.meta import Object


def table_lines(
    table: Object,
    *,
    wide: bool = False,
    namespaces: bool = False,
    labels: bool = False,
    headers: bool = True,
    prefix: str = "",
) -> list[str]:
    """The lines of a Table that the API server made, none if it has no rows. `wide` shows all of
    its columns, `namespaces` and `labels` add columns; `prefix` goes before each name."""
    definitions = table["columnDefinitions"]
    columns = [n for n, column in enumerate(definitions) if wide or not column.get("priority")]
    head = [definitions[n]["name"].upper() for n in columns]
    rows = []
    for row in table["rows"]:
        obj, cells = row.get("object") or {}, [_cell(row["cells"][n]) for n in columns]
        cells[0] = prefix + cells[0]
        if namespaces:
            cells.insert(0, meta.namespace(obj))
        if labels:
            cells.append(",".join(f"{k}={v}" for k, v in meta.labels(obj).items()) or "<none>")
        rows.append(cells)
    head = ["NAMESPACE"] * namespaces + head + ["LABELS"] * labels
    return aligned([head, *rows] if headers else rows) if rows else []


def aligned(rows: Sequence[Sequence[str]], *, gap: int = 3) -> list[str]:
    """Columns that stand under one another, as kubectl's tab writer sets them."""
    widths = [max(len(cell) for cell in column) + gap for column in zip(*rows, strict=True)]
    return [
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _cell(value: Any) -> str:
    return "<none>" if value is None or value == "" else str(value)

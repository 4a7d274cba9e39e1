"""Tables: HTML for the page, aligned text for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any


@dataclass(frozen=True, repr=False)
class Table:
    """Rows under headings."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def __repr__(self) -> str:
        cells = [[str(cell) for cell in row] for row in [self.headings, *self.rows]]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                 for row in cells]  # fmt: skip
        return "\n".join(line.rstrip() for line in lines)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._html(), "text/plain": repr(self)}

    def _html(self) -> str:
        def row(cells: Sequence[Any], tag: str) -> str:
            inner = "".join(
                f'<{tag} style="text-align:left">{escape(str(cell))}</{tag}>' for cell in cells
            )
            return f"<tr>{inner}</tr>"

        body = "\n".join(row(cells, "td") for cells in self.rows)
        return f"<table>\n{row(self.headings, 'th')}\n{body}\n</table>"

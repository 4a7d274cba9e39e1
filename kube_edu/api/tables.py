"""The tables of api/data: what there is to know of kinds and types, a row each, as plain text.

A line that is not indented names what the rows below it are about, one thing or several. Several
blocks may be about one thing. A "#" at the beginning of a line makes it a comment.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any


@functools.cache
def read(table: str) -> dict[str, list[str]]:
    """The rows of a table, by what they are about."""
    rows: dict[str, list[str]] = {}
    about: list[str] = []
    for line in (Path(__file__).parent / "data" / f"{table}.txt").read_text().splitlines():
        if line.startswith(" "):
            for name in about:
                rows.setdefault(name, []).append(line.strip())
        elif not line.startswith("#"):
            about = line.split()
    return rows


def value(word: str) -> Any:
    """A word of a row as JSON, or as the text that it is."""
    try:
        return json.loads(word)
    except ValueError:
        return word

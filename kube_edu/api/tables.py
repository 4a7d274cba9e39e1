"""The tables of api/data: what there is to know of kinds and types, a row each, as plain text.

A line that is not indented names what the rows below it are about, one thing or several. Several
blocks may be about one thing. A "#" at the beginning of a line makes it a comment.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

from kube_edu.api.meta import Object


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


class Row(NamedTuple):
    """What a row says of one field of a struct, and of which other field that depends:
    "externalTrafficPolicy Cluster if type=NodePort,LoadBalancer"."""

    field: str
    words: list[str]
    on: str
    values: list[str]

    @classmethod
    def parse(cls, text: str) -> Row:
        said, _, condition = text.partition(" if ")
        field, *words = said.split()
        on, _, values = condition.strip().partition("=")
        return cls(field, words, on, values.split(","))

    def holds(self, struct: Object) -> bool:
        return not self.on or struct.get(self.on) in self.values


def value(word: str) -> Any:
    """A word of a row as JSON, or as the text that it is."""
    try:
        return json.loads(word)
    except ValueError:
        return word

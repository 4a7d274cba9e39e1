"""What a checker found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken: which, in what way, and where in the history or trace."""

    promise: str
    """Its name: "linearizability", "ordered", "election safety"."""
    reason: str
    """A sentence in plain words."""
    event: int
    """The position in what was checked: of an event in a trace, of a response among a watch's."""
    time: float
    host: str

    def __str__(self) -> str:
        where = f"event {self.event}, {self.time:.4f} s, {self.host}"
        return f"{self.promise}: {self.reason} ({where})"

"""Where two runs of one seed part: the first step that a student's code made otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_edu.trace import Event, Trace

Telling = Callable[[Event], Any]
"""What of an event is to be compared; None for an event that does not matter here."""


def parting(yours: Trace, reference: Trace, telling: Telling) -> str:
    """The first step at which the runs differ, in words; "" where they never do for as long as
    both go on."""
    end = min((trace[-1].time for trace in (yours, reference) if len(trace)), default=0.0)
    mine, theirs = (
        [
            (key, event)
            for event in trace
            if event.time <= end and (key := telling(event)) is not None
        ]
        for trace in (yours, reference)
    )
    for index in range(max(len(mine), len(theirs))):
        a, b = (steps[index] if index < len(steps) else (None, None) for steps in (mine, theirs))
        if a[0] != b[0]:
            return (
                "the first step at which your run parts from the reference run of the same seed:\n"
                f"  yours      {_words(a[1])}\n  reference  {_words(b[1])}"
            )
    return ""


def _words(event: Event | None) -> str:
    if event is None:
        return "nothing more"
    if event.kind == "lab.step":
        return f"{event.time:.2f} s  {event.host}  {event.fields['what']}"
    hidden = ("rv", "user", "packet", "mode", "message")
    fields = " ".join(
        f"{name}={value}" for name, value in event.fields.items() if name not in hidden
    )
    return f"{event.time:.2f} s  {event.host}  {event.kind}  {fields}"

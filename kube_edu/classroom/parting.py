"""Where two runs of one seed part: the first step that a student's code made otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kube_edu.trace import Event, Trace

TELLING = ("api.write", "scheduler.bind", "proxy.rules", "dns.query", "packet.hop")
"""The kinds that say what a cluster does; the rest is how."""


def parting(
    yours: Trace, reference: Trace, since: float = 0.0, kinds: Sequence[str] = TELLING
) -> str:
    """The first step at which the runs differ, in words; "" where they never do.

    Names that chance gave and revision numbers are passed over: until the runs part they are
    alike, and after it they tell nothing.
    """
    mine, theirs = (trace.select(*kinds, since=since) for trace in (yours, reference))
    for index in range(max(len(mine), len(theirs))):
        a = mine[index] if index < len(mine) else None
        b = theirs[index] if index < len(theirs) else None
        if a is None or b is None or _what(a) != _what(b):
            return (
                "the first step at which your run parts from the reference run of the same seed:\n"
                f"  yours      {_words(a)}\n  reference  {_words(b)}"
            )
    return ""


def _what(event: Event) -> tuple[Any, ...]:
    fields = [(name, value) for name, value in event.fields.items() if name not in ("rv", "packet")]
    return event.host, event.kind, fields


def _words(event: Event | None) -> str:
    if event is None:
        return "nothing more"
    fields = " ".join(f"{name}={value}" for name, value in event.fields.items() if name != "rv")
    return f"{event.time:.2f} s  {event.host}  {event.kind}  {fields}"

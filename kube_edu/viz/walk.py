"""The whole way of one request through the API server, read off the trace."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from kube_edu.trace import Event, Trace
from kube_edu.viz.figure import Figure
from kube_edu.viz.svg import nothing
from kube_edu.viz.verdict import (
    COLOURS,
    PASSED,
    READS,
    REFUSED,
    TOLD,
    Station,
    at_the_gate,
    column,
    last_request,
)

TXN = {
    "create": "one Txn: if there is no such key yet, put the object there, as JSON",
    "delete": "one Txn: if the key is still as it was read, delete it",
}
SUCCESSOR = "one Txn: if the key is still as it was read, put the new state there, as JSON"


def request_walk(trace: Trace, verb: str, what: str) -> Figure:
    """The last request with this verb on `what` ("configmaps/default/"; the beginning of
    resource/namespace/name): what each stage said to it, what was written, and who has been told
    of it since."""
    place = last_request(trace, verb, what)
    if place is None:
        return nothing(f"{verb} {what}", "not on the trace")
    stations = [*_stations(trace, place)]
    asked = trace[place - 1].fields  # its `api.request`
    used = [verdict for verdict in COLOURS if any(verdict == each.verdict for each in stations)]
    return column(f"{asked['method']} {asked['path']}", stations, used)


def _stations(trace: Trace, place: int) -> Iterator[Station]:
    event = trace[place]
    verb, status = event.fields["verb"], event.fields["status"]
    resource, namespace, name = event.fields["object"].split("/")[-3:]
    about = {"resource": resource, "namespace": namespace, "name": name}
    said = ", ".join(f"{part} {value}" for part, value in about.items() if value)
    yield Station("What is asked?", "routing", PASSED, [f"{verb}: {said}"])
    gate = at_the_gate(event)
    yield from gate[:2] if verb in READS or status == 409 else gate
    write = _write(trace, place) if verb not in READS and status < 300 else None
    if write is not None:
        yield _committed(trace, write, verb)
    if status == 409:
        yield Station("Is it still current?", "registry", REFUSED,
                      ["no: it has been written since, by somebody else"])  # fmt: skip
    phrase = f"{status} {HTTPStatus(status).phrase}"
    yield Station("The answer", f"at {event.time:.4f} s", PASSED if status < 300 else REFUSED,
                  [phrase])  # fmt: skip
    if write is not None:
        yield from _told(trace, write)


def _write(trace: Trace, place: int) -> Event | None:
    """The write that a request made: the last one of its resource before the answer."""
    plural = trace[place].fields["object"].partition("/")[0]
    writes = (event for event in reversed(trace[:place]) if event.kind == "api.write"
              and event.fields["object"].startswith(f"{plural}/"))  # fmt: skip
    return next(writes, None)


def _committed(trace: Trace, write: Event, verb: str) -> Station:
    revision = int(write.fields["rv"])
    [commit, *_] = trace.select("etcd.apply", revision=revision)
    lines = [TXN.get(verb, SUCCESSOR), f"it is etcd's revision {revision}: the resourceVersion"]
    return Station("Is it still current?", f"etcd, {commit.time:.4f} s", PASSED, lines)


def _told(trace: Trace, write: Event) -> Iterator[Station]:
    events = trace.select("api.watch", rv=write.fields["rv"], object=write.fields["object"])
    if events:
        lines = dict.fromkeys(f"{event.time:.4f} s: {event.fields['type']} to "
                              f"{event.fields['user']}" for event in events)  # fmt: skip
        yield Station("Who wants to know?", "watch cache", TOLD, [*lines])

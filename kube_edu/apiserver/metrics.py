"""What the API server counts of itself, in the text format of Prometheus at `/metrics`.

Source: apiserver, pkg/endpoints/metrics/metrics.go; the format is Prometheus' exposition format.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping

from kube_edu.apiserver.call import Call
from kube_edu.host import Response

BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10, 20, 30, 60)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Requests by what they were about, and how long they took."""

    def __init__(self) -> None:
        self._requests: dict[_Labels, int] = {}
        self._durations: dict[_Labels, list[int]] = {}
        self._sums: dict[_Labels, float] = {}

    async def measure(self, call: Call, answer: Callable[[Call], Awaitable[Response]]) -> Response:
        """Have a call answered, and count it."""
        clock = asyncio.get_running_loop().time
        start = clock()
        response = await answer(call)
        labels = _labels(call)
        counted = (*labels, ("code", str(response.status)))
        self._requests[counted] = self._requests.get(counted, 0) + 1
        if call.verb != "watch":
            seconds = clock() - start
            counts = self._durations.setdefault(labels, [0] * (len(BUCKETS) + 1))
            counts[sum(bound < seconds for bound in BUCKETS)] += 1
            self._sums[labels] = self._sums.get(labels, 0.0) + seconds
        return response

    def text(self, objects: Mapping[str, int]) -> str:
        """All of it, with the number of objects that are stored of each resource."""
        stored: dict[_Labels, int] = {
            (("resource", name),): count for name, count in objects.items()
        }
        requests = _family("apiserver_request_total", "counter", "Answered.", self._requests)
        kept = _family("apiserver_storage_objects", "gauge", "Objects stored.", stored)
        return "".join([*requests, *kept, *self._histogram()])

    def _histogram(self) -> Iterator[str]:
        name = "apiserver_request_duration_seconds"
        yield f"# HELP {name} How long requests took.\n# TYPE {name} histogram\n"
        for labels, counts in self._durations.items():
            total = 0
            for bound, count in zip((*BUCKETS, "+Inf"), counts, strict=True):
                total += count
                yield _line(f"{name}_bucket", (*labels, ("le", str(bound))), total)
            yield _line(f"{name}_sum", labels, round(self._sums[labels], 6))
            yield _line(f"{name}_count", labels, total)


def _labels(call: Call) -> _Labels:
    resource = call.resource
    return (
        ("verb", call.verb.upper()),
        ("group", resource.group if resource else ""),
        ("version", resource.version if resource else ""),
        ("resource", resource.plural if resource else ""),
        ("subresource", call.subresource),
    )


def _family(name: str, type: str, help: str, values: Mapping[_Labels, int]) -> Iterator[str]:
    yield f"# HELP {name} {help}\n# TYPE {name} {type}\n"
    for labels, value in values.items():
        yield _line(name, labels, value)


def _line(name: str, labels: _Labels, value: float) -> str:
    shown = ",".join(f'{key}="{text}"' for key, text in labels)
    return f"{name}{{{shown}}} {value}\n"

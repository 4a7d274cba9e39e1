"""`/livez`, `/readyz` and `/healthz`: is the server alive, and does it have all it needs?

Source: apiserver, pkg/server/healthz/healthz.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kube_edu.api.status import no_such_path
from kube_edu.host import Request, Response

Check = Callable[[], bool]

ENDPOINTS = ("healthz", "livez", "readyz")


def answer(request: Request, checks: Mapping[str, Check]) -> Response:
    """All checks but those that `exclude` names; one alone at `/readyz/NAME`; each with its
    outcome when it is asked to be `verbose`, and always when one fails."""
    endpoint, _, only = request.path.strip("/").partition("/")
    if only:
        if only not in checks:
            raise no_such_path()
        checks = {only: checks[only]}
    excluded = request.params("exclude")
    outcomes = {
        name: "excluded: ok" if name in excluded else "ok" if check() else "failed"
        for name, check in checks.items()
    }
    healthy = "failed" not in outcomes.values()
    if healthy and not any(key == "verbose" for key, _ in request.query):
        return Response(body="ok")
    lines = [
        f"[{'-' if told == 'failed' else '+'}]{name} {told}" for name, told in outcomes.items()
    ]
    verdict = f"{endpoint} check {'passed' if healthy else 'failed'}"
    return Response(200 if healthy else 500, "\n".join([*lines, verdict]) + "\n")

"""The stages that every request passes before it reaches a resource, outermost first.

Audit, recovery, authentication, request info: the handler chain of apiserver, pkg/server/config.go
(DefaultBuildHandlerChain). Authorization takes its place after them; until then everyone who is
known may do everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from kube_edu.api.status import ApiError, internal_error, unauthorized
from kube_edu.apiserver.call import Call, User, read_url
from kube_edu.host import Host, Response

Next = Callable[[Call], Awaitable[Response]]
Filter = Callable[[Call, Next], Awaitable[Response]]

PUBLIC = ("/healthz", "/livez", "/readyz", "/version")
"""What anybody may read (the role system:public-info-viewer)."""


def chain(filters: Sequence[Filter], last: Next) -> Next:
    """One handler from stages, each of which decides whether to call the next."""
    for stage in reversed(filters):
        last = partial(_run, stage, last)
    return last


async def _run(stage: Filter, following: Next, call: Call) -> Response:
    return await stage(call, following)


def audit(host: Host) -> Filter:
    """Put every answer on the trace."""

    async def record(call: Call, following: Next) -> Response:
        response = await following(call)
        host.record(
            "api.request",
            method=call.request.method,
            path=call.request.path,
            user=call.user.name,
            status=response.status,
        )
        return response

    return record


async def recover(call: Call, following: Next) -> Response:
    """Whatever goes wrong further in is answered with a Status."""
    try:
        response = await following(call)
    except ApiError as failure:
        response = Response(failure.code, failure.status)
        if seconds := failure.status.get("details", {}).get("retryAfterSeconds"):
            response.headers = {"retry-after": str(seconds)}
    except Exception as bug:
        request = f"{call.request.method} {call.request.path}"
        context = {"message": f"the API server failed to answer {request}", "exception": bug}
        asyncio.get_running_loop().call_exception_handler(context)
        response = Response(500, internal_error(str(bug)).status)
    if call.warnings:
        texts = [text.replace("\\", "\\\\").replace('"', '\\"') for text in call.warnings]
        warnings = ", ".join(f'299 - "{text}"' for text in dict.fromkeys(texts))
        response.headers = {**response.headers, "warning": warnings}
    return response


async def authenticate(call: Call, following: Next) -> Response:
    """The user is the subject of the client's certificate: common name and organizations."""
    peer = call.request.peer
    if peer.common_name:
        call.user = User(peer.common_name, (*peer.organizations, "system:authenticated"))
    elif call.request.path not in PUBLIC:
        raise unauthorized()
    return await following(call)


async def request_info(call: Call, following: Next) -> Response:
    """Read from the URL what the request is about."""
    read_url(call)
    return await following(call)

"""The stages that every request passes before it reaches a resource, outermost first.

Recovery, request info, authentication, impersonation, authorization: the handler chain of
apiserver, pkg/server/config.go (DefaultBuildHandlerChain).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from kube_edu.api.selectors import FieldSelector, SelectorError
from kube_edu.api.status import ApiError, internal_error, unauthorized
from kube_edu.apiserver.authentication import Authentication
from kube_edu.apiserver.authorization import NO_FIELDS, Access, Authorizer, refusal
from kube_edu.apiserver.call import ANONYMOUS, Call, User, read_url
from kube_edu.host import Host, Response

MOST_WARNINGS, LONG_WARNING = 4096, 256
"""Characters, of all warnings and, when those are more, of each."""

Next = Callable[[Call], Awaitable[Response]]
Filter = Callable[[Call, Next], Awaitable[Response]]


def chain(filters: Sequence[Filter], last: Next) -> Next:
    """One handler from stages, each of which decides whether to call the next."""
    for stage in reversed(filters):
        last = partial(_run, stage, last)
    return last


async def _run(stage: Filter, following: Next, call: Call) -> Response:
    return await stage(call, following)


def trace(host: Host) -> Filter:
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
        if call.resource is not None:
            host.record(
                "api.gate",
                verb=call.verb,
                object=f"{access_of(call).qualified}/{call.namespace}/{call.name}",
                user=call.user.name,
                stages=call.story,
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
    if warning := _warning(call.warnings):
        response.headers = {**response.headers, "warning": warning}
    return response


def _warning(texts: Sequence[str]) -> str:
    """The header. What would break it is not told, nor is too much of it (pkg/warning/context.go;
    apimachinery, pkg/util/net/http.go)."""
    told = [text for text in dict.fromkeys(texts) if text.isprintable()]
    if sum(map(len, told)) > MOST_WARNINGS:
        told = [text[:LONG_WARNING] for text in told[: MOST_WARNINGS // LONG_WARNING]]
    escaped = (text.replace("\\", "\\\\").replace('"', '\\"') for text in told)
    return ", ".join(f'299 - "{text}"' for text in escaped)


async def request_info(call: Call, following: Next) -> Response:
    """Read from the URL what the request is about."""
    try:
        read_url(call)
    except ApiError as problem:
        call.problem = problem
    return await following(call)


def authenticate(authentication: Authentication, unknown: Next) -> Filter:
    """Whose credentials are not valid goes another way, to be written down."""

    async def find_user(call: Call, following: Next) -> Response:
        try:
            call.user = await authentication.user(call.request)
        except ApiError as failure:
            if failure.code != 401:  # the store is away
                raise
            call.user = User("")
            return await unknown(call)
        how = "certificate" if call.request.peer.common_name else "token"
        call.story.append(("who", "nobody" if call.user == ANONYMOUS else how, call.user.name))
        return await following(call)

    return find_user


async def refuse(call: Call) -> Response:
    raise unauthorized()


def authorize(authorizer: Authorizer) -> Filter:
    """Only then is it told what is wrong with the URL."""

    async def check(call: Call, following: Next) -> Response:
        access = access_of(call)
        decision = await authorizer(access)
        verdict = "allow" if decision.allowed else "forbid"
        call.annotations["authorization.k8s.io/decision"] = verdict
        call.annotations["authorization.k8s.io/reason"] = decision.reason
        if not decision.allowed:
            call.story.append(("may", "forbid", decision.reason))
            raise refusal(access, decision.reason)
        call.story.append(("may", "allow", decision.reason))
        if call.problem is not None:
            raise call.problem
        return await following(call)

    return check


def access_of(call: Call) -> Access:
    """What a request asks to be allowed."""
    resource = call.resource
    if call.problem is not None and call.request.path.lstrip("/").startswith(("api/", "apis/")):
        return _unknown(call)
    if resource is None:
        return Access(call.user, call.request.method.lower(), path=call.request.path)
    fields = _field_selector(call)
    name, namespace = call.name or fields.exact("metadata.name"), call.namespace
    if resource.plural == "namespaces":
        namespace = call.name  # a namespace is in itself: a role there may show it
    return Access(
        call.user,
        call.verb,
        resource.group,
        resource.plural,
        call.subresource,
        namespace,
        name,
        fields=fields,
    )


def _field_selector(call: Call) -> FieldSelector:
    """Only what selects may count as a name: who creates could else write any (requestinfo.go)."""
    if call.verb not in ("deletecollection", "list", "watch"):
        return NO_FIELDS
    try:
        return FieldSelector.parse(call.request.param("fieldSelector"))
    except SelectorError:
        return NO_FIELDS  # said to who is allowed to ask


_VERBS = {"DELETE": "delete", "GET": "get", "HEAD": "get", "PATCH": "patch", "POST": "create",
          "PUT": "update"}  # fmt: skip


def _unknown(call: Call) -> Access:
    """For a URL with which something is wrong: what it seems to be about."""
    root, *parts = [part for part in call.request.path.split("/") if part]
    group = "" if root == "api" else parts.pop(0)
    namespace, rest = "", [*parts[1:], "", ""]
    if rest[0] == "namespaces" and rest[2]:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    verb = _VERBS.get(call.request.method, call.request.method.lower())
    return Access(call.user, verb, group, resource, subresource, namespace, name)

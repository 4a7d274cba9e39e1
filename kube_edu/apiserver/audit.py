"""The audit log: who did what, when, and what came of it, as far as a policy asks to know.

The first rule of the policy that matches a request gives its level: None, Metadata, Request (with
what was sent) or RequestResponse (with the answer too). Source: apiserver, pkg/audit and
pkg/endpoints/filters/audit.go; the policy is an audit.k8s.io/v1 Policy.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from kube_edu.api.meta import Object, micro_timestamp, new_uid
from kube_edu.api.status import ApiError
from kube_edu.apiserver import protobuf
from kube_edu.apiserver.authorization.reviews import user_info
from kube_edu.apiserver.call import Call
from kube_edu.apiserver.codec import JSON, PROTOBUF, media_type_of
from kube_edu.apiserver.filters import Filter, Next
from kube_edu.host import Host, Request, Response, decoded

LEVELS = ("None", "Metadata", "Request", "RequestResponse")

Log = Callable[[Object], None]
"""Takes one audit.k8s.io/v1 Event."""


def audit(host: Host, policy: Object, log: Log) -> Filter:
    """Behind authentication: the user is known, and not yet impersonating anyone."""

    async def record(call: Call, following: Next) -> Response:
        rule = _rule(policy, call)
        if rule["level"] == "None":
            return await following(call)
        entry = Entry(host, call, rule, policy.get("omitStages") or [], log)
        entry.stage("RequestReceived")
        try:
            response = await following(call)
        except ApiError as refusal:
            entry.answered(Response(refusal.code, refusal.status))
            raise
        except Exception:
            entry.stage("Panic")
            raise
        entry.answered(response)
        return response

    return record


class Entry:
    """What is written down of one request."""

    def __init__(
        self, host: Host, call: Call, rule: Object, omitted: Sequence[str], log: Log
    ) -> None:
        self._host = host
        self._call = call
        self._user = call.user
        self._level = LEVELS.index(rule["level"])
        self._omitted = [*omitted, *(rule.get("omitStages") or ())]
        self._log = log
        self._event: Object = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": rule["level"],
            "auditID": new_uid(host.random),
            "requestURI": _uri(call.request),
            "verb": call.verb,
            "user": user_info(call.user),
            "sourceIPs": [call.request.peer.address],
            "userAgent": call.request.headers.get("user-agent", ""),
            "requestReceivedTimestamp": micro_timestamp(host.now()),
        }
        if call.resource is not None:
            self._event["objectRef"] = _reference(call)

    def stage(self, stage: str) -> None:
        if stage not in self._omitted:
            at = micro_timestamp(self._host.now())
            self._log({**self._event, "stage": stage, "stageTimestamp": at})

    def answered(self, response: Response) -> None:
        event, call = self._event, self._call
        if call.user is not self._user:
            event["impersonatedUser"] = user_info(call.user)
        if call.annotations:
            event["annotations"] = dict(call.annotations)
        if self._level >= LEVELS.index("Request") and call.request.body:
            event["requestObject"] = _as_object(call.request.body, media_type_of(call.request))
        body = decoded(response.body)
        event["responseStatus"] = {"metadata": {}, "code": response.status}
        if isinstance(body, dict) and body.get("kind") == "Status":
            event["responseStatus"] = body
        if self._level == LEVELS.index("RequestResponse") and body is not None:
            event["responseObject"] = _as_object(body)
        if response.stream is None:
            self.stage("ResponseComplete")
        else:
            self.stage("ResponseStarted")
            response.stream = Followed(response.stream, lambda: self.stage("ResponseComplete"))


class Followed:
    """A stream whose end is told, once."""

    def __init__(self, stream: AsyncIterator[Any], ended: Callable[[], None]) -> None:
        self._stream = stream
        self._ended: Callable[[], None] | None = ended
        if hasattr(stream, "ready"):
            self.ready = stream.ready

    def __aiter__(self) -> Followed:
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._stream)
        except BaseException:
            self._end()
            raise

    async def aclose(self) -> None:
        self._end()
        await Response(stream=self._stream).close()

    def _end(self) -> None:
        if self._ended is not None:
            self._ended()
            self._ended = None


def _rule(policy: Object, call: Call) -> Object:
    """The first that matches (pkg/audit/policy/checker.go)."""
    matching = (rule for rule in policy.get("rules") or () if _matches(rule, call))
    return next(matching, {"level": "None"})


def _matches(rule: Object, call: Call) -> bool:
    def named(field: str, *values: str) -> bool:
        listed = rule.get(field)
        return not listed or any(value in listed for value in values)

    if not named("users", call.user.name) or not named("userGroups", *call.user.groups):
        return False
    if not named("verbs", call.verb):
        return False
    about_resources = bool(rule.get("resources") or rule.get("namespaces"))
    if call.resource is None:
        paths = rule.get("nonResourceURLs") or ()
        return any(_is_path(path, call.request.path) for path in paths) or (
            not paths and not about_resources
        )
    if rule.get("nonResourceURLs") or not named("namespaces", call.namespace):
        return False
    listed = rule.get("resources")
    return not listed or any(_is_resource(entry, call) for entry in listed)


def _is_path(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _is_resource(entry: Object, call: Call) -> bool:
    resource, subresource = call.target, call.subresource
    if entry.get("group", "") != resource.group:
        return False
    if entry.get("resourceNames") and call.name not in entry["resourceNames"]:
        return False
    names = entry.get("resources")
    qualified = f"{resource.plural}/{subresource}" if subresource else resource.plural
    alike = (qualified, "*", f"*/{subresource}", f"{resource.plural}/*")
    return not names or any(name in alike for name in names)


def _uri(request: Request) -> str:
    return f"{request.path}?{urlencode(request.query)}" if request.query else request.path


def _reference(call: Call) -> Object:
    resource = call.target
    said = {
        "resource": resource.plural,
        "namespace": call.namespace,
        "name": call.name,
        "apiGroup": resource.group,
        "apiVersion": resource.version,
        "subresource": call.subresource,
    }
    return {field: value for field, value in said.items() if value}


def _as_object(body: Any, media_type: str = JSON) -> Any:
    """A body as the log shows it: objects as they are, what is none not at all."""
    if not isinstance(body, (bytes, str)):
        return body
    try:
        if media_type == PROTOBUF:
            return protobuf.decode(body)  # type: ignore[arg-type]  # off a socket it is bytes
        return json.loads(body)
    except (ValueError, RecursionError):
        return None

"""What a request asks for: its URL, read once and handed down the whole pipeline.

Source: apiserver, pkg/endpoints/request/requestinfo.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kube_edu.api.resources import RESOURCES, SUBRESOURCES, Resource
from kube_edu.api.status import ApiError, bad_request, method_not_allowed, no_such_path
from kube_edu.host import Request

_BY_URL = {(r.api_version, r.plural): r for r in RESOURCES}

_OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}


@dataclass(frozen=True, slots=True)
class User:
    """Who asks, as authentication found out."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


@dataclass(slots=True)
class Call:
    """One request on its way through the pipeline."""

    request: Request
    verb: str = ""
    """"get", "list", "watch", "create", ... for resources; else the HTTP method in lower case."""
    resource: Resource | None = None
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    user: User = ANONYMOUS
    dry_run: bool = False
    """Everything but the write."""
    twice: list[str] = field(default_factory=list)
    """Paths of fields that stand more than once in the body."""
    warnings: list[str] = field(default_factory=list)
    """Texts for Warning headers, which kubectl prints."""
    story: list[tuple[str, str, str]] = field(default_factory=list)
    """What the gate did with it, for the trace: (stage, by whom or what, verdict)."""
    annotations: dict[str, str] = field(default_factory=dict)
    """What the audit log is told of the decisions that were made."""
    problem: ApiError | None = None
    """Why the URL says nothing that can be served: told only to who may ask at all."""

    @property
    def target(self) -> Resource:
        """The resource, where the pipeline has made sure that there is one."""
        assert self.resource is not None
        return self.resource

    def number(self, name: str) -> int:
        """A query parameter that is a whole number, 0 where it is absent."""
        text = self.request.param(name) or "0"
        if not is_number(text):
            raise bad_request(f'invalid {name} "{text}": not a whole number')
        return int(text)

    def flag(self, name: str) -> bool:
        return self.request.param(name) in ("true", "1")


def is_number(text: str) -> bool:
    """Whether it is a whole number that fits into 63 bits."""
    return text.isascii() and text.isdigit() and len(text) < 19


def read_url(call: Call) -> None:
    """Fill in what a call is about. A path that is not a resource's leaves `resource` None;
    raises ApiError 404 for a resource that is not in the table, 405 for a method it lacks."""
    call.verb = call.request.method.lower()
    parts = [part for part in call.request.path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        api_version, rest = parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        api_version, rest = f"{parts[1]}/{parts[2]}", parts[3:]
    else:
        return
    if len(rest) >= 3 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize"):
        call.namespace, rest = rest[1], rest[2:]
    call.resource = _BY_URL.get((api_version, rest[0]))
    if call.resource is None or len(rest) > 3:
        raise no_such_path()
    call.name, call.subresource = (*rest[1:], "", "")[:2]
    _check(call)
    call.dry_run = "All" in call.request.params("dryRun")
    call.verb = _verb(call)


def _check(call: Call) -> None:
    resource = call.target
    if call.namespace and not resource.namespaced:
        raise no_such_path()
    if call.subresource and call.subresource not in resource.subresources:
        raise no_such_path()
    if resource.namespaced and not call.namespace:
        if call.name:
            raise no_such_path()
        if call.request.method != "GET":
            raise method_not_allowed()


def _verb(call: Call) -> str:
    method = call.request.method
    verbs = _OBJECT_VERBS if call.name else _COLLECTION_VERBS
    verb = "create" if call.subresource and method == "POST" else verbs.get(method, "")
    if verb == "list" and call.flag("watch"):
        verb = "watch"
    allowed = SUBRESOURCES[call.subresource].verbs if call.subresource else call.target.verbs
    if verb not in allowed:
        raise method_not_allowed()
    return verb

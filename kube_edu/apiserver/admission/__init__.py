"""Admission: the last word on a change, after who may make it.

A plug-in gets the attributes of a request, and what it may know of the cluster. One that mutates
changes the draft in `attributes.object`; one that validates looks at it when it is complete and
valid; both refuse by raising ApiError (apiserver, pkg/admission).
"""

from __future__ import annotations

from asyncio import Lock
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from kube_edu.api.meta import Object, clone
from kube_edu.api.resources import Resource
from kube_edu.api.status import ApiError, forbidden
from kube_edu.apiserver.authorization import Access
from kube_edu.apiserver.call import User
from kube_edu.client import ApiClient


@dataclass(slots=True)
class Attributes:
    """One change that asks to be admitted."""

    verb: str
    """"create", "update" or "delete"."""
    resource: Resource
    namespace: str
    name: str
    object: Object
    """The draft, for mutating plug-ins to change; for a delete, the object as it stands."""
    old: Object | None
    """What an update starts from."""
    user: User
    subresource: str = ""
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)
    """Texts to be shown to the user."""
    story: list[tuple[str, str, str]] = field(default_factory=list)
    """What admission did, for the trace: (stage, plug-in, verdict)."""
    annotations: dict[str, str] = field(default_factory=dict)
    """What the audit log is to be told."""

    def is_about(self, plural: str, *verbs: str) -> bool:
        """Whether it is one of these verbs on this resource itself, no subresource."""
        return self.resource.plural == plural and not self.subresource and self.verb in verbs

    def refused(self, why: str) -> ApiError:
        """403 for the object that this is about."""
        return forbidden(self.resource, self.name, why)


class Cluster(Protocol):
    """What a plug-in may know and ask."""

    random: Random
    client: ApiClient
    """As the API server itself, past the gate."""
    booking: Mapping[str, Lock]
    """By namespace: who holds it books on its quotas."""

    async def find(self, plural: str, namespace: str, name: str) -> Object | None:
        """An object as it is now."""

    def list(self, plural: str, namespace: str = "") -> list[Object]:
        """All objects of a kind (one of WATCHED), as far as this server has heard."""

    async def may(self, access: Access) -> bool:
        """Whether the authorizers allow an access."""

    async def check_escalation(self, user: User, new: Object, old: Object | None) -> None:
        """Raises ApiError 403 when a role or binding gives away what the user has not got."""


WATCHED = ("limitranges", "priorityclasses", "resourcequotas", "storageclasses")
"""What is small and asked for all the time."""

Plugin = Callable[[Attributes, Cluster], Awaitable[None]]


class Admission:
    """The chain: all mutating plug-ins, and later, on the valid object, all validating ones."""

    def __init__(
        self,
        cluster: Cluster,
        mutating: Sequence[Plugin],
        validating: Sequence[Plugin],
        *,
        explain: bool = False,
    ) -> None:
        self._cluster = cluster
        self._explain = explain
        self._mutating = mutating
        self._validating = validating

    async def mutate(self, attributes: Attributes) -> None:
        for plugin in self._mutating:
            before = clone(attributes.object) if self._explain else attributes.object
            await self._ask("changed", plugin, attributes)
            if before != attributes.object:
                changes = ", ".join(_changed("", before, attributes.object))
                attributes.story.append(("changed", _name(plugin), changes))

    async def validate(self, attributes: Attributes) -> None:
        for plugin in self._validating:
            await self._ask("allowed", plugin, attributes)
        attributes.story.append(("allowed", "admission", ""))

    async def _ask(self, stage: str, plugin: Plugin, attributes: Attributes) -> None:
        try:
            await plugin(attributes, self._cluster)
        except ApiError as refusal:
            attributes.story.append((stage, _name(plugin), f"refused: {refusal.message}"))
            raise


def _name(plugin: Plugin) -> str:
    return str(getattr(plugin, "__name__", "a plug-in"))


def _changed(path: str, before: Any, after: Any) -> Iterator[str]:
    """The fields that differ, as "spec.tolerations"."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        yield path.removeprefix(".")
        return
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) != after.get(key):
            yield from _changed(f"{path}.{key}", before.get(key), after.get(key))

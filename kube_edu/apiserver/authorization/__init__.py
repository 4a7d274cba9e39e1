"""Authorization: may you? Everything is forbidden that no authorizer allows.

The order is kubeadm's (--authorization-mode=Node,RBAC), behind the group system:masters, which may
do everything whatever the roles say (apiserver, pkg/authorization).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from kube_edu.api.selectors import FieldSelector
from kube_edu.api.status import ApiError, error
from kube_edu.apiserver.call import User

MASTERS = "system:masters"
NO_FIELDS = FieldSelector()


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody asks to do: a verb, on a resource or on a `path` that is none
    (apiserver, pkg/authorization/authorizer/interfaces.go, Attributes)."""

    user: User
    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    fields: FieldSelector = NO_FIELDS
    """That of a list or a watch."""

    @property
    def qualified(self) -> str:
        """ "pods", "pods/log": how rules name it."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an access is allowed, and why."""

    allowed: bool
    reason: str = ""


Authorizer = Callable[[Access], Awaitable[Decision]]


def union(authorizers: Sequence[Authorizer]) -> Authorizer:
    """The first that allows decides; the reasons of those that do not are told together."""

    async def decide(access: Access) -> Decision:
        if MASTERS in access.user.groups:
            return Decision(True)
        reasons = []
        for authorizer in authorizers:
            decision = await authorizer(access)
            if decision.allowed:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return Decision(False, "\n".join(reasons))

    return decide


def refusal(access: Access, reason: str = "") -> ApiError:
    """403, in the words of apiserver, pkg/endpoints/handlers/responsewriters/errors.go."""
    user, verb = f'User "{access.user.name}"', access.verb
    why = f": {reason}" if reason else ""
    if access.path:
        return error(403, "Forbidden", f'forbidden: {user} cannot {verb} path "{access.path}"{why}')
    where = f'in the namespace "{access.namespace}"' if access.namespace else "at the cluster scope"
    what = f"{access.resource}.{access.group}" if access.group else access.resource
    if access.name:
        what += f' "{access.name}"'
    message = (
        f"{what} is forbidden: {user} "
        f'cannot {verb} resource "{access.qualified}" in API group "{access.group}" {where}{why}'
    )
    return error(
        403, "Forbidden", message, name=access.name, group=access.group, kind=access.resource
    )

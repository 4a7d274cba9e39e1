"""Impersonation: act as somebody else, if you may (`kubectl --as`).

Source: apiserver, pkg/endpoints/filters/impersonation.go. Whoever is meant to be impersonated,
user, each group and each extra, is a resource that the verb "impersonate" has to be allowed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from kube_edu.api.status import internal_error
from kube_edu.apiserver.authentication import AUTHENTICATED
from kube_edu.apiserver.authentication.serviceaccounts import user_of
from kube_edu.apiserver.authorization import Access, Authorizer, refusal
from kube_edu.apiserver.authorization.rbac import ACCOUNT
from kube_edu.apiserver.call import ANONYMOUS, Call, User
from kube_edu.apiserver.filters import Filter, Next
from kube_edu.host import Response

_EXTRA = "impersonate-extra-"
_ACCOUNT = re.compile(f"{ACCOUNT}([^:]+):([^:]+)")


def impersonate(authorizer: Authorizer) -> Filter:
    async def change_user(call: Call, following: Next) -> Response:
        wanted = _wanted(call.request.headers)
        if wanted is not None:
            for access in _accesses(call.user, wanted):
                decision = await authorizer(access)
                if not decision.allowed:
                    raise refusal(access, decision.reason)
            call.user = _whole(wanted)
        return await following(call)

    return change_user


def _wanted(headers: Mapping[str, str]) -> User | None:
    """Whom the headers ask to be, as they say it."""
    name, uid = headers.get("impersonate-user", ""), headers.get("impersonate-uid", "")
    groups = tuple(_values(headers, "impersonate-group"))
    extra = {
        unquote(header.removeprefix(_EXTRA)): tuple(_values(headers, header))
        for header in headers
        if header.startswith(_EXTRA)
    }
    if not name and (uid or groups or extra):
        raise internal_error("requested impersonation without impersonating a user")
    return User(name, groups, uid, extra) if name else None


def _values(headers: Mapping[str, str], header: str) -> list[str]:
    """A header that is repeated arrives as one, with commas (RFC 9110, section 5.3)."""
    return [value.strip() for value in headers.get(header, "").split(",") if value.strip()]


def _accesses(user: User, wanted: User) -> Iterator[Access]:
    """All that has to be allowed."""
    if account := _ACCOUNT.fullmatch(wanted.name):
        yield Access(user, "impersonate", "", "serviceaccounts", "", account[1], account[2])
    else:
        yield Access(user, "impersonate", "", "users", name=wanted.name)
    for group in wanted.groups:
        yield Access(user, "impersonate", "", "groups", name=group)
    of_identity = "authentication.k8s.io"
    for key, values in wanted.extra.items():
        for value in values:
            yield Access(user, "impersonate", of_identity, "userextras", key, name=value)
    if wanted.uid:
        yield Access(user, "impersonate", of_identity, "uids", name=wanted.uid)


def _whole(wanted: User) -> User:
    """With the groups that nobody has to ask for."""
    groups, (nobody,) = wanted.groups, ANONYMOUS.groups
    account = _ACCOUNT.fullmatch(wanted.name)
    if not groups and account:
        groups = user_of(account[1], account[2]).groups
    if wanted.name == ANONYMOUS.name and nobody not in groups:
        groups = (*groups, nobody)
    if AUTHENTICATED not in groups and nobody not in groups:
        groups = (*groups, AUTHENTICATED)
    return User(wanted.name, groups, wanted.uid, wanted.extra)

"""Authentication: who are you?

A client certificate of the cluster's authority comes first, then a bearer token, which every
authenticator that knows its kind may recognise. Who shows neither is system:anonymous; who shows
a token that nobody recognises is sent away (apiserver, pkg/authentication/request/union;
kubernetes, pkg/kubeapiserver/authenticator/config.go).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hmac import compare_digest

from kube_edu.api.status import unauthorized
from kube_edu.apiserver.call import ANONYMOUS, User
from kube_edu.host import Request

AUTHENTICATED = "system:authenticated"


@dataclass(frozen=True, slots=True)
class Proof:
    """Whom a token stands for, and for which audiences of those asked it is meant."""

    user: User
    audiences: tuple[str, ...] = ()


TokenAuthenticator = Callable[[str, Sequence[str]], Awaitable[Proof | None]]
"""`await authenticator(token, audiences)`: None when the token is none of its, or not valid."""


class Authentication:
    """Finds out who sends a request. `audiences` are the names that this server goes by."""

    def __init__(self, tokens: Sequence[TokenAuthenticator], audiences: Sequence[str]) -> None:
        self._tokens = tokens
        self.audiences = audiences

    async def user(self, request: Request) -> User:
        """Raises ApiError 401 for credentials that are not valid."""
        peer = request.peer
        if peer.common_name:
            return _authenticated(User(peer.common_name, peer.organizations))
        token = _bearer(request)
        if not token:
            return ANONYMOUS
        proof = await self.check(token, self.audiences)
        if proof is None:
            raise unauthorized()
        return proof.user

    async def check(self, token: str, audiences: Sequence[str]) -> Proof | None:
        """Whom a token stands for, for these audiences."""
        for authenticator in self._tokens:
            proof = await authenticator(token, audiences)
            if proof is not None:
                return replace(proof, user=_authenticated(proof.user))
        return None


def token_file(users: Mapping[str, User], audiences: Sequence[str]) -> TokenAuthenticator:
    """Tokens that a file lists (--token-auth-file); they are for this server alone."""

    async def authenticate(token: str, asked: Sequence[str]) -> Proof | None:
        common = tuple(audience for audience in asked if audience in audiences)
        shown = token.encode(errors="surrogateescape")
        for known, user in users.items():  # in a time that tells nothing of how near one is
            if compare_digest(known.encode(), shown) and common:
                return Proof(user, common)
        return None

    return authenticate


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _authenticated(user: User) -> User:
    """Everyone who is known is in this group."""
    if AUTHENTICATED in user.groups or user.name == ANONYMOUS.name:
        return user
    return replace(user, groups=(*user.groups, AUTHENTICATED))

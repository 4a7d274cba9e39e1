"""Tokens of an OpenID Connect provider: ID tokens, checked against its set of keys.

Source: apiserver, plugin/pkg/authenticator/token/oidc/oidc.go. The keys are given, where the real
API server fetches them from the issuer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kube_edu.apiserver.authentication import Proof, TokenAuthenticator
from kube_edu.apiserver.call import User
from kube_edu.host import Host
from kube_edu.wire import jwt
from kube_edu.wire.jwt import Claims, PublicKey


@dataclass(frozen=True, slots=True)
class Oidc:
    """What the --oidc-* flags say."""

    issuer_url: str
    client_id: str
    keys: Sequence[PublicKey]
    username_claim: str = "sub"
    username_prefix: str = ""
    """Before names; "-" is none, "" is ISSUER# (and nothing before e-mail addresses)."""
    groups_claim: str = ""
    groups_prefix: str = ""


def oidc(host: Host, settings: Oidc, audiences: Sequence[str]) -> TokenAuthenticator:
    """The provider's tokens are for this server alone."""

    async def authenticate(token: str, asked: Sequence[str]) -> Proof | None:
        common = tuple(audience for audience in asked if audience in audiences)
        try:
            if jwt.unverified(token).get("iss") != settings.issuer_url or not common:
                return None
            claims = jwt.verify(token, settings.keys)
        except ValueError:
            return None
        if not _holds(claims, settings.client_id, host.now()):
            return None
        user = _user(claims, settings)
        return None if user is None else Proof(user, common)

    return authenticate


def _holds(claims: Claims, client_id: str, now: float) -> bool:
    """OpenID Connect Core 1.0, section 3.1.3.7."""
    meant, expires = claims.get("aud"), claims.get("exp")
    audiences = meant if isinstance(meant, list) else [meant]
    begins = claims.get("nbf", 0)
    if not isinstance(expires, (int, float)) or not isinstance(begins, (int, float)):
        return False
    return client_id in audiences and begins <= now < expires


def _user(claims: Claims, settings: Oidc) -> User | None:
    by_email = settings.username_claim == "email"
    name = claims.get(settings.username_claim)
    if not isinstance(name, str) or not name:
        return None
    if by_email and claims.get("email_verified", True) is not True:
        return None
    prefix = settings.username_prefix or ("-" if by_email else f"{settings.issuer_url}#")
    groups = claims.get(settings.groups_claim) if settings.groups_claim else []
    groups = [groups] if isinstance(groups, str) else groups or []
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        return None
    named = tuple(settings.groups_prefix + group for group in groups)
    return User(name if prefix == "-" else prefix + name, named)

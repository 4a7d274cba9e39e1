"""Bootstrap tokens: how a machine that is nobody yet asks to become a node.

A token "id.secret" stands in the Secret bootstrap-token-ID of kube-system, which kubeadm makes
(kubernetes, plugin/pkg/auth/authenticator/token/bootstrap/bootstrap.go).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from hmac import compare_digest

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.apiserver.authentication import Proof, TokenAuthenticator
from kube_edu.apiserver.authentication.serviceaccounts import Lookup
from kube_edu.apiserver.call import User
from kube_edu.host import Host

_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


def bootstrap_tokens(host: Host, lookup: Lookup, audiences: Sequence[str]) -> TokenAuthenticator:
    """They are for this server alone."""

    async def authenticate(token: str, asked: Sequence[str]) -> Proof | None:
        parsed = _TOKEN.fullmatch(token)
        common = tuple(audience for audience in asked if audience in audiences)
        if parsed is None or not common:
            return None
        secret = await lookup("secrets", "kube-system", f"bootstrap-token-{parsed[1]}")
        if secret is None or not _is_valid(secret, parsed[1], parsed[2], host.now()):
            return None
        extra = _value(secret, "auth-extra-groups")
        groups = extra.split(",") if extra else []
        if not all(_GROUP.fullmatch(group) for group in groups):
            return None
        user = User(f"system:bootstrap:{parsed[1]}", ("system:bootstrappers", *groups))
        return Proof(user, common)

    return authenticate


def _is_valid(secret: Object, id: str, text: str, now: float) -> bool:
    expiration = _value(secret, "expiration")
    try:
        expired = bool(expiration) and meta.seconds(expiration) <= now
    except ValueError:
        expired = True
    return (
        secret.get("type") == "bootstrap.kubernetes.io/token"
        and not meta.is_deleting(secret)
        and _value(secret, "token-id") == id
        and compare_digest(_value(secret, "token-secret").encode(), text.encode())
        and _value(secret, "usage-bootstrap-authentication") == "true"
        and not expired
    )


def _value(secret: Object, key: str) -> str:
    encoded = (secret.get("data") or {}).get(key, "")
    return base64.b64decode(encoded).decode(errors="replace")

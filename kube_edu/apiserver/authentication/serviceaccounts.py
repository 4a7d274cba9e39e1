"""Tokens of service accounts: asked for with a TokenRequest, signed here, checked on every use.

A token says for whom, for which audiences and until when it holds, and to which object it is
bound: when the account, the pod or the secret is gone, so is the token, however long it would
have lived (KEP-1205; kubernetes, pkg/serviceaccount/claims.go and
pkg/registry/core/serviceaccount/storage/token.go).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.resources import by_plural
from kube_edu.api.status import bad_request, conflict, invalid, invalid_value, not_found
from kube_edu.apiserver.authentication import Proof
from kube_edu.apiserver.call import User
from kube_edu.host import Host
from kube_edu.wire import jwt
from kube_edu.wire.jwt import Claims, Signer

Lookup = Callable[[str, str, str], Awaitable[Object | None]]
"""`await lookup("pods", "default", "web")`: an object of the cluster, or None."""

DEFAULT_SECONDS = 3600
MIN_SECONDS = 600
MAX_SECONDS = 1 << 32

KUBELET_SECONDS = 3607
"""What the ServiceAccount admission plug-in asks for. Such a token is made to last a year, for
clients that read theirs only once, and says from when on that is wrong ("warnafter"; KEP-1205)."""
EXTENDED_SECONDS = 365 * 24 * 3600

DELETED_SECONDS = 60
"""A token outlives the deletion of its pod by this much (leeway in claims.go)."""

_BOUND = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}


class ServiceAccountTokens:
    """Issues tokens, and tells whom one stands for."""

    def __init__(self, host: Host, signer: Signer, issuer: str, lookup: Lookup) -> None:
        self._host = host
        self._signer = signer
        self._issuer = issuer
        self._lookup = lookup
        self._verified: dict[str, Claims] = {}  # by token: what was signed never changes

    def discovery(self, path: str, address: str) -> Object | None:
        """How others may check these tokens: OpenID Connect Discovery 1.0, and the keys
        (KEP-1393; kubernetes, pkg/serviceaccount/openidmetadata.go)."""
        if path == "/openid/v1/jwks":
            return {"keys": [self._signer.public.jwk()]}
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self._issuer,
                "jwks_uri": f"https://{address}/openid/v1/jwks",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        return None

    # --- TokenRequest

    async def issue(self, namespace: str, name: str, request: Object) -> Object:
        """Answer a TokenRequest for an account."""
        accounts = by_plural("serviceaccounts")
        account = await self._lookup("serviceaccounts", namespace, name)
        if account is None:
            raise not_found(accounts, name)
        spec = request.get("spec") or {}
        seconds = spec.get("expirationSeconds", DEFAULT_SECONDS)
        _check_seconds(request, seconds)
        audiences = spec.get("audiences") or [self._issuer]
        bound = await self._bound(account, spec.get("boundObjectRef") or {})
        now = int(self._host.now())
        claims = {
            "aud": audiences,
            "exp": now + seconds,
            "iat": now,
            "iss": self._issuer,
            "jti": meta.new_uid(self._host.random),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": _named(account), **bound},
            "nbf": now,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        if seconds == KUBELET_SECONDS and "pod" in bound and audiences == [self._issuer]:
            claims["exp"] = now + EXTENDED_SECONDS
            claims["kubernetes.io"]["warnafter"] = now + seconds
        return {
            **request,
            "metadata": {**request["metadata"], "name": name, "namespace": namespace}
            | {"creationTimestamp": meta.timestamp(now)},
            "spec": {**spec, "audiences": audiences, "expirationSeconds": seconds},
            "status": {
                "token": jwt.issue(claims, self._signer),
                "expirationTimestamp": meta.timestamp(now + seconds),
            },
        }

    async def _bound(self, account: Object, reference: Object) -> Object:
        """The claims about the object that the token shall be bound to."""
        if not reference:
            return {}
        kind, name = reference.get("kind", ""), reference.get("name", "")
        if kind not in _BOUND or reference.get("apiVersion", "v1") != "v1":
            version = reference.get("apiVersion", "")
            raise bad_request(f"cannot bind token to object of type {version}, Kind={kind}")
        resource = by_plural(_BOUND[kind])
        namespace = meta.namespace(account) if resource.namespaced else ""
        found = await self._lookup(resource.plural, namespace, name)
        if found is None:
            raise not_found(resource, name)
        if reference.get("uid") not in (None, "", meta.uid(found)):
            why = (
                f"the UID in the bound object reference ({reference['uid']}) does not match the "
                "UID in record. The object might have been deleted and then recreated"
            )
            raise conflict(resource, name, why)
        bound = {kind.lower(): _named(found)}
        if kind == "Pod":
            if found["spec"].get("serviceAccountName") != meta.name(account):
                raise bad_request(
                    f'cannot bind token for serviceaccount "{meta.name(account)}" to pod running '
                    "with different serviceaccount name."
                )
            node = found["spec"].get("nodeName")
            on = await self._lookup("nodes", "", node) if node else None
            bound |= {"node": _named(on)} if on is not None else {}
        return bound

    # --- authentication

    async def authenticate(self, token: str, audiences: Sequence[str]) -> Proof | None:
        try:
            claims = self._verify(token)
        except ValueError:
            return None
        meant = claims["aud"]
        common = tuple(audience for audience in audiences if audience in meant)
        if not common or not claims["nbf"] <= self._host.now() < claims["exp"]:
            return None
        private = claims["kubernetes.io"]
        if not await self._still_there(private):
            return None
        return Proof(_user(claims), common)

    def _verify(self, token: str) -> Claims:
        if token not in self._verified:
            if jwt.unverified(token).get("iss") != self._issuer:
                raise ValueError("another issuer's")
            claims = jwt.verify(token, [self._signer.public])
            if len(self._verified) >= 4096:
                self._verified.clear()
            self._verified[token] = claims
        return self._verified[token]

    async def _still_there(self, private: Object) -> bool:
        """Whether the account and what the token is bound to are there, and the very same."""
        namespace = private["namespace"]
        for claim, plural in (
            ("serviceaccount", "serviceaccounts"),
            ("pod", "pods"),
            ("secret", "secrets"),
        ):
            if claim not in private:
                continue
            found = await self._lookup(plural, namespace, private[claim]["name"])
            if found is None or meta.uid(found) != private[claim]["uid"]:
                return False
            deleted = found["metadata"].get("deletionTimestamp")
            if deleted and meta.seconds(deleted) + DELETED_SECONDS < self._host.now():
                return False
        if "node" in private and "pod" not in private:
            node = await self._lookup("nodes", "", private["node"]["name"])
            return node is not None and meta.uid(node) == private["node"]["uid"]
        return True


def user_of(namespace: str, name: str, uid: str = "") -> User:
    """The user that a service account is."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid)


def _user(claims: Claims) -> User:
    private = claims["kubernetes.io"]
    account = private["serviceaccount"]
    user = user_of(private["namespace"], account["name"], account["uid"])
    prefix = "authentication.kubernetes.io/"
    extra = {f"{prefix}credential-id": (f"JTI={claims['jti']}",)}
    for claim in ("node", "pod"):
        if claim in private:
            extra[f"{prefix}{claim}-name"] = (private[claim]["name"],)
            extra[f"{prefix}{claim}-uid"] = (private[claim]["uid"],)
    return User(user.name, user.groups, user.uid, extra)


def _named(obj: Object) -> Object:
    return {"name": meta.name(obj), "uid": meta.uid(obj)}


def _check_seconds(request: Object, seconds: int) -> None:
    """pkg/apis/authentication/validation/validation.go."""
    why = ""
    if seconds < MIN_SECONDS:
        why = "may not specify a duration less than 10 minutes"
    if seconds > MAX_SECONDS:
        why = "may not specify a duration larger than 2^32 seconds"
    if why:
        raise invalid(request, [invalid_value("spec.expirationSeconds", seconds, why)])

"""Authentication: nobody is who he says he is until it is proved."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from kube_edu.api.meta import Object
from kube_edu.apiserver.authentication.oidc import Oidc
from kube_edu.apiserver.call import User
from kube_edu.apiserver.options import ISSUER
from kube_edu.host import Peer, Response
from kube_edu.sim.keys import SERVICE_ACCOUNTS, PrivateKey
from kube_edu.wire import jwt
from tests.apiserver.fakes import World, pod

NOBODY = Peer(address="10.0.0.9")
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
ME = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
WHO_AM_I = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}

# Another authority's key: the same numbers, but for the modulus.
STRANGER = PrivateKey(
    replace(SERVICE_ACCOUNTS.public, n=SERVICE_ACCOUNTS.public.n - 2), SERVICE_ACCOUNTS.exponent
)


def run(scenario: Callable[[World], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with World(**options) as world:
            await scenario(world)

    asyncio.run(main())


async def who(world: World, token: str) -> Response:
    """What a bearer of a token is told of himself."""
    return await world.raw("POST", ME, WHO_AM_I, NOBODY, authorization=f"Bearer {token}")


async def token_for(world: World, name: str = "robot", **spec: Any) -> Object:
    """Of an account that is made if need be."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    await world.raw("POST", ACCOUNTS, account)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return await world.ask("POST", f"{ACCOUNTS}/{name}/token", request)


def claims_of(token: str) -> Object:
    return jwt.unverified(token)


def test_the_subject_of_a_certificate_is_the_user() -> None:
    async def scenario(world: World) -> None:
        alice = Peer(common_name="alice", organizations=("devs",))
        answer = await world.raw("POST", ME, WHO_AM_I, alice)
        assert answer.status == 201
        info = answer.body["status"]["userInfo"]
        assert info == {"username": "alice", "groups": ["devs", "system:authenticated"]}

    run(scenario)


def test_who_shows_nothing_is_anonymous_and_may_ask_only_after_health() -> None:
    async def scenario(world: World) -> None:
        for path in ("/healthz", "/livez", "/readyz", "/version"):
            assert (await world.raw("GET", path, peer=NOBODY)).status == 200
        refused = await world.raw("GET", "/api", peer=NOBODY)
        assert refused.status == 403
        assert refused.body["message"] == (
            'forbidden: User "system:anonymous" cannot get path "/api"'
        )

    run(scenario)


def test_a_token_is_its_service_account() -> None:
    async def scenario(world: World) -> None:
        answer = await token_for(world)
        assert answer["status"]["expirationTimestamp"] == "2026-01-01T01:00:00Z"
        told = await who(world, answer["status"]["token"])
        info = told.body["status"]["userInfo"]
        assert info["username"] == "system:serviceaccount:default:robot"
        assert info["groups"] == [
            "system:serviceaccounts",
            "system:serviceaccounts:default",
            "system:authenticated",
        ]

    run(scenario)


def test_a_token_expires() -> None:
    async def scenario(world: World) -> None:
        token = (await token_for(world, expirationSeconds=600))["status"]["token"]
        assert (await who(world, token)).status == 201
        world.host.time += 600
        assert (await who(world, token)).status == 401

    run(scenario)


@pytest.mark.parametrize(
    ("seconds", "why"),
    [(599, "less than 10 minutes"), ((1 << 32) + 1, "larger than 2^32 seconds")],
)
def test_a_token_lives_neither_too_short_nor_too_long(seconds: int, why: str) -> None:
    async def scenario(world: World) -> None:
        refused = await token_for(world, expirationSeconds=seconds)
        assert refused["code"] == 422 and why in refused["message"]

    run(scenario)


def test_a_token_for_another_audience_is_not_for_this_server() -> None:
    async def scenario(world: World) -> None:
        token = (await token_for(world, audiences=["vault"]))["status"]["token"]
        assert (await who(world, token)).status == 401
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": ["vault", "other"]},
        }
        url = "/apis/authentication.k8s.io/v1/tokenreviews"
        status = (await world.ask("POST", url, review))["status"]
        assert status["authenticated"] and status["audiences"] == ["vault"]
        review["spec"] = {"token": token}
        assert (await world.ask("POST", url, review))["status"]["authenticated"] is False

    run(scenario)


def test_a_token_goes_with_the_object_that_it_is_bound_to() -> None:
    async def scenario(world: World) -> None:
        await token_for(world)
        made = await world.ask(
            "POST", "/api/v1/namespaces/default/pods", pod(serviceAccountName="robot")
        )
        bound = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": made["metadata"]["uid"]}
        token = (await token_for(world, boundObjectRef=bound))["status"]["token"]
        assert (await who(world, token)).status == 201
        wrong = await token_for(world, boundObjectRef={**bound, "uid": "another"})
        assert wrong["code"] == 409
        await world.ask("DELETE", "/api/v1/namespaces/default/pods/web?gracePeriodSeconds=0")
        assert (await who(world, token)).status == 401

    run(scenario)


def test_a_token_goes_with_its_account_and_a_namesake_does_not_inherit_it() -> None:
    async def scenario(world: World) -> None:
        token = (await token_for(world))["status"]["token"]
        await world.ask("DELETE", f"{ACCOUNTS}/robot")
        assert (await who(world, token)).status == 401
        await token_for(world)
        assert (await who(world, token)).status == 401

    run(scenario)


def forgeries(token: str) -> dict[str, str]:
    """Tokens that somebody without the key can make from a good one."""
    header, body, signature = token.split(".")
    claims = claims_of(token)
    root = {**claims, "sub": "system:serviceaccount:kube-system:admin"}

    def encoded(value: Object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return {
        "other claims": f"{header}.{encoded(root)}.{signature}",
        "no signature": f"{header}.{body}.",
        "algorithm none": f"{encoded({'alg': 'none'})}.{encoded(root)}.",
        "algorithm HS256": f"{encoded({'alg': 'HS256'})}.{encoded(root)}.{signature}",
        "another key": jwt.issue(root, STRANGER),
        "cut off": token[:-4],
        "not a token": "x.y.z",
        "not base64": "a.b.\N{SNOWMAN}",
        "critical": _signed({"alg": "RS256", "crit": ["x"], "x": 1}, root),
        "other letters": f"{header}.{body}.{signature[:-1]}!{signature[-1]}",
        "deep": f"{base64.b64encode(b'[' * 50_000).decode()}.{body}.{signature}",
    }


def _signed(header: Object, claims: Object) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in (header, claims)]
    text = b".".join(part.rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(SERVICE_ACCOUNTS.sign(text)).rstrip(b"=")
    return (text + b"." + signature).decode()


@pytest.mark.parametrize("how", list(forgeries(jwt.issue({}, SERVICE_ACCOUNTS))))
def test_a_forged_token_is_turned_away(how: str) -> None:
    async def scenario(world: World) -> None:
        token = (await token_for(world))["status"]["token"]
        assert (await who(world, forgeries(token)[how])).status == 401

    run(scenario)


def test_tokens_of_a_file() -> None:
    async def scenario(world: World) -> None:
        info = (await who(world, "s3cret")).body["status"]["userInfo"]
        assert info["username"] == "bob" and "ops" in info["groups"]
        for wrong in ("s3cre", "s3cret2", "S3cret", "caf\udce9", "\N{SNOWMAN}"):
            assert (await who(world, wrong)).status == 401, wrong

    run(scenario, tokens={"s3cret": User("bob", ("ops",), "7")})


def test_a_bootstrap_token_is_a_machine_that_may_ask_for_a_certificate() -> None:
    async def scenario(world: World) -> None:
        def secret(**data: str) -> Object:
            encoded = {
                "token-id": "abcdef",
                "token-secret": "0123456789abcdef",
                "usage-bootstrap-authentication": "true",
                "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
                **data,
            }
            return {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "bootstrap-token-abcdef"},
                "type": "bootstrap.kubernetes.io/token",
                "stringData": {key.replace("_", "-"): value for key, value in encoded.items()},
            }

        secrets = "/api/v1/namespaces/kube-system/secrets"
        made = await world.raw("POST", secrets, secret())
        assert made.status == 201, made.body
        token = "abcdef.0123456789abcdef"
        info = (await who(world, token)).body["status"]["userInfo"]
        assert info["username"] == "system:bootstrap:abcdef"
        assert info["groups"] == [
            "system:bootstrappers",
            "system:bootstrappers:kubeadm:default-node-token",
            "system:authenticated",
        ]
        assert (await who(world, "abcdef.0123456789abcdeX")).status == 401
        for wrong in (
            {"expiration": "2025-12-31T00:00:00Z"},
            {"expiration": "soon"},
            {"usage-bootstrap-authentication": "false"},
            {"token-id": "fedcba"},
            {"auth-extra-groups": "system:masters"},
            {"auth-extra-groups": "system:bootstrappers:a,system:nodes"},
        ):
            await world.ask("PUT", f"{secrets}/bootstrap-token-abcdef", secret(**wrong))
            assert (await who(world, token)).status == 401, wrong

    run(scenario)


def test_a_token_of_an_identity_provider() -> None:
    claims = {
        "iss": "https://login.example.com",
        "aud": "kubernetes",
        "sub": "carol",
        "groups": ["devs"],
        "exp": 1767225600 + 60,
    }
    settings = Oidc(
        "https://login.example.com", "kubernetes", [SERVICE_ACCOUNTS.public], groups_claim="groups"
    )

    async def scenario(world: World) -> None:
        def token(**changed: Any) -> str:
            return jwt.issue({**claims, **changed}, SERVICE_ACCOUNTS)

        info = (await who(world, token())).body["status"]["userInfo"]
        assert info["username"] == "https://login.example.com#carol"
        assert info["groups"] == ["devs", "system:authenticated"]
        for wrong in (
            {"iss": "https://evil.example.com"},
            {"aud": "another"},
            {"exp": 1767225600 - 1},
            {"exp": "soon"},
            {"sub": ""},
            {"groups": [7]},
        ):
            assert (await who(world, token(**wrong))).status == 401, wrong
        assert (await who(world, jwt.issue(claims, STRANGER))).status == 401
        unknown_key = _signed({"alg": "RS256", "kid": "another"}, claims)
        assert (await who(world, unknown_key)).status == 401
        # The key that everybody knows is no secret to agree on.
        header, body, _ = token().split(".")
        header = base64.urlsafe_b64encode(b'{"alg": "HS256"}').decode().rstrip("=")
        known = json.dumps(SERVICE_ACCOUNTS.public.jwk()).encode()
        mac = hmac.digest(known, f"{header}.{body}".encode(), "sha256")
        signature = base64.urlsafe_b64encode(mac).decode().rstrip("=")
        assert (await who(world, f"{header}.{body}.{signature}")).status == 401

    run(scenario, oidc=settings)


def test_a_service_accounts_issuer_cannot_be_played_by_the_identity_provider() -> None:
    """Its keys count for its own tokens alone."""
    settings = Oidc("https://login.example.com", "kubernetes", [STRANGER.public])

    async def scenario(world: World) -> None:
        good = claims_of((await token_for(world))["status"]["token"])
        assert good["iss"] == ISSUER
        assert (await who(world, jwt.issue(good, STRANGER))).status == 401

    run(scenario, oidc=settings)


def test_impersonation_needs_the_right_to_it() -> None:
    async def scenario(world: World) -> None:
        async def acting(peer: Peer, **headers: str) -> Response:
            return await world.raw("POST", ME, WHO_AM_I, peer, **headers)

        admin = Peer(common_name="root", organizations=("system:masters",))
        info = (await acting(admin, impersonate_user="alice", impersonate_group="a, b")).body
        assert info["status"]["userInfo"]["username"] == "alice"
        assert info["status"]["userInfo"]["groups"] == ["a", "b", "system:authenticated"]
        mallory = Peer(common_name="mallory")
        for wanted in (
            {"impersonate_user": "alice"},
            {"impersonate_user": "mallory", "impersonate_group": "system:masters"},
            {"impersonate_user": "system:serviceaccount:kube-system:deployment-controller"},
        ):
            assert (await acting(mallory, **wanted)).status == 403, wanted
        assert (await acting(mallory, impersonate_group="system:masters")).status == 500

    run(scenario)


def test_who_acts_for_another_has_only_what_the_other_has() -> None:
    """Above all, not his own groups."""

    async def scenario(world: World) -> None:
        admin = Peer(common_name="root", organizations=("system:masters",))

        async def groups(**headers: str) -> list[str]:
            answer = await world.raw("POST", ME, WHO_AM_I, admin, **headers)
            found: list[str] = answer.body["status"]["userInfo"]["groups"]
            return found

        assert await groups(impersonate_user="alice") == ["system:authenticated"]
        nobody = "system:unauthenticated"
        refused = await world.raw("POST", ME, WHO_AM_I, admin, impersonate_user="system:anonymous")
        assert refused.status == 403
        assert await groups(
            impersonate_user="system:anonymous", impersonate_group="system:authenticated"
        ) == ["system:authenticated", nobody]
        account = "system:serviceaccount:default:robot"
        assert "system:serviceaccounts:default" in await groups(impersonate_user=account)
        # What only looks like an account has none of its groups.
        for name in (f"{account}:x", "system:serviceaccount:default", "system:serviceaccount::a"):
            assert await groups(impersonate_user=name) == ["system:authenticated"]
        secrets = "/api/v1/namespaces/kube-system/secrets"
        assert (await world.raw("GET", secrets, impersonate_user="alice")).status == 403

    run(scenario)


def test_who_may_act_for_accounts_of_a_namespace_acts_for_nobody_else() -> None:
    async def scenario(world: World) -> None:
        group = "rbac.authorization.k8s.io"
        edit = {
            "metadata": {"name": "edit"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "impersonator"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "eve"}],
        }
        rules = [{"verbs": ["impersonate"], "apiGroups": [""], "resources": ["serviceaccounts"]}]
        role = {"metadata": {"name": "impersonator"}, "rules": rules}
        await world.ask("POST", f"/apis/{group}/v1/clusterroles", role)
        await world.ask("POST", f"/apis/{group}/v1/namespaces/default/rolebindings", edit)
        for _ in range(20):
            await asyncio.sleep(0)
        eve = Peer(common_name="eve")
        for name, status in (
            ("default:robot", 201),
            ("kube-system:robot", 403),
            ("default:", 403),
            ("default:a:b", 403),
            (":robot", 403),
        ):
            acting = {"impersonate_user": f"system:serviceaccount:{name}"}
            answer = await world.raw("POST", ME, WHO_AM_I, eve, **acting)
            assert answer.status == status, (name, answer.body)
        robot = {"impersonate_user": "system:serviceaccount:default:robot"}
        for more in (
            {"impersonate_group": "system:masters"},
            {"impersonate_uid": "7"},
            {"impersonate-extra-scopes": "all"},
        ):
            assert (await world.raw("POST", ME, WHO_AM_I, eve, **robot, **more)).status == 403

    run(scenario)


def test_others_can_check_a_token_with_what_the_server_publishes() -> None:
    async def scenario(world: World) -> None:
        token = (await token_for(world, audiences=["vault"]))["status"]["token"]
        config = await world.ask("GET", "/.well-known/openid-configuration")
        assert config["issuer"] == ISSUER and config["jwks_uri"].endswith("/openid/v1/jwks")
        keys = jwt.read_keys(await world.ask("GET", "/openid/v1/jwks"))
        assert jwt.verify(token, keys)["sub"] == "system:serviceaccount:default:robot"
        assert (await world.raw("GET", "/openid/v1/jwks", peer=NOBODY)).status == 403

    run(scenario)

"""Signing requests: who asks is written by the server, a word on one by who may speak it, once."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from kube_edu.api.meta import Object
from kube_edu.controllers.certificates import _CHECKS
from kube_edu.host import Peer
from kube_edu.wire.csr import subject_of
from tests.apiserver.fakes import World

URL = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
KEY = ec.generate_private_key(ec.SECP256R1())
CLIENT = ["client auth", "digital signature"]
SERVER = ["server auth", "digital signature"]
NODE = ("system:node:n", "system:nodes")


def text(name: str, *groups: str, form: _ASN1Type | None = None, **names: str) -> str:
    """A request in PEM, as spec.request has it."""
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, g, form) for g in groups]
    subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    kinds: dict[str, Any] = {
        "dns": x509.DNSName,
        "email": x509.RFC822Name,
        "uri": x509.UniformResourceIdentifier,
    }
    if names:
        others = [kinds[kind](value) for kind, value in names.items()]
        builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
    pem = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(pem).decode()


def request(signer: str = "kube-apiserver-client", **spec: Any) -> Object:
    asked = {"request": text("jo"), "usages": CLIENT, "signerName": f"kubernetes.io/{signer}"}
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    return {**kind, "metadata": {"name": "r"}, "spec": asked | spec}


def run(scenario: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        async with World() as world:
            await scenario(world)

    asyncio.run(main())


def condition(type: str, status: str = "True") -> Object:
    return {"type": type, "status": status, "reason": "Because"}


def test_who_asks_is_who_asks() -> None:
    async def scenario(world: World) -> None:
        lie = {"username": "root", "groups": ["system:masters"], "uid": "0", "extra": {"a": ["b"]}}
        spec = (await world.ask("POST", URL, request(**lie)))["spec"]
        assert spec["username"] == "kubernetes-admin" and "extra" not in spec and "uid" not in spec
        assert spec["groups"] == ["system:masters", "system:authenticated"]

    run(scenario)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"usages": []}, "spec.usages: Required value"),
        ({"usages": ["client auth", "client auth"]}, "Duplicate value"),
        ({"usages": ["everything"]}, "Unsupported value"),
        ({"request": base64.b64encode(b"x").decode()}, "must be CERTIFICATE REQUEST"),
        ({"signerName": "kubernetes.io/legacy-unknown"}, "not allowed via this API version"),
        ({"signerName": "me"}, "fully qualified"),
        ({"expirationSeconds": 1}, "must be greater than"),
    ],
)
def test_a_request_that_nobody_can_sign_is_refused(wrong: Object, why: str) -> None:
    async def scenario(world: World) -> None:
        refused = await world.raw("POST", URL, request(**wrong))
        assert refused.status == 422 and why in refused.body["message"], refused.body

    run(scenario)


def test_a_word_is_spoken_at_its_door_and_not_taken_back() -> None:
    async def scenario(world: World) -> None:
        await world.ask("POST", URL, request())

        async def says(door: str, *conditions: Object, **status: Any) -> str:
            found = await world.ask("GET", f"{URL}/r")
            said = {**found, "status": {"conditions": [*conditions], **status}}
            answer = await world.raw("PUT", f"{URL}/r{door}", said)
            return "" if answer.status == 200 else str(answer.body["message"])

        approved, denied, failed = map(condition, ("Approved", "Denied", "Failed"))
        assert "may not add a condition" in await says("/status", approved)
        assert "mutually exclusive" in await says("/approval", approved, denied)
        assert "Unsupported value" in await says("/approval", condition("Approved", "False"))
        assert await says("", approved, certificate="eA==") == ""  # and nothing came of it
        assert "conditions" not in (await world.ask("GET", f"{URL}/r"))["status"]
        assert await says("/approval", approved, certificate="eA==") == ""
        assert "may not remove a condition" in await says("/approval")
        assert "may not remove a condition" in await says("/status")
        status = (await world.ask("GET", f"{URL}/r"))["status"]
        kept = status["conditions"]
        assert kept[0]["lastUpdateTime"] and "certificate" not in status
        assert await says("/status", *kept, failed, certificate="eA==") == ""
        again = await says("/status", *kept, failed, certificate="eQ==")
        assert "may not modify existing certificate content" in again

    run(scenario)


def test_who_may_write_the_status_may_not_therefore_sign() -> None:
    async def scenario(world: World) -> None:
        group = "rbac.authorization.k8s.io"
        rules = [
            {
                "verbs": ["update", "patch"],
                "apiGroups": ["certificates.k8s.io"],
                "resources": [
                    f"certificatesigningrequests/{door}" for door in ("status", "approval")
                ],
            }
        ]
        metadata = {"metadata": {"name": "writer"}}
        reference = {"apiGroup": group, "kind": "ClusterRole", "name": "writer"}
        subjects = [{"apiGroup": group, "kind": "User", "name": "jo"}]
        at = f"/apis/{group}/v1"
        await world.ask("POST", f"{at}/clusterroles", {**metadata, "rules": rules})
        await world.ask(
            "POST",
            f"{at}/clusterrolebindings",
            {**metadata, "roleRef": reference, "subjects": subjects},
        )
        await world.ask("POST", URL, request())
        for _ in range(20):
            await asyncio.sleep(0)
        for door, status, verb in (
            ("approval", {"conditions": [condition("Approved")]}, "approve"),
            ("status", {"conditions": [condition("Failed")]}, "sign"),
            ("status", {"certificate": "eA=="}, "sign"),
        ):
            answer = await world.raw(
                "PATCH", f"{URL}/r/{door}", json.dumps({"status": status}).encode(),
                Peer(common_name="jo"), content_type="application/merge-patch+json",
            )  # fmt: skip
            assert answer.status == 403
            assert f"not permitted to {verb} requests with signerName" in answer.body["message"]

    run(scenario)


@pytest.mark.parametrize("form", [_ASN1Type.BMPString, _ASN1Type.UniversalString])
def test_a_name_in_disguise_is_no_name(form: _ASN1Type) -> None:
    """A group that one reader takes for another would pass by the check."""

    async def scenario(world: World) -> None:
        for disguise in (None, form):
            hidden = text("jo", "system:masters", form=disguise)
            answer = await world.raw("POST", URL, request(request=hidden))
            assert answer.status in (403, 422), answer.body

    run(scenario)
    with pytest.raises(ValueError, match="have to be UTF-8"):
        subject_of(text("jo", "system:masters", form=form))


@pytest.mark.parametrize(
    ("signer", "asked", "usages", "why"),
    [
        ("kube-apiserver-client", text("jo", "devs"), CLIENT, ""),
        ("kube-apiserver-client", text("jo"), SERVER, "invalid usage for client certificate"),
        ("kube-apiserver-client", text("jo"), ["digital signature"], "missing required usage"),
        ("kube-apiserver-client-kubelet", text(*NODE), CLIENT, ""),
        ("kube-apiserver-client-kubelet", text(*NODE), [*CLIENT, "key encipherment"], ""),
        ("kube-apiserver-client-kubelet", text(*NODE), SERVER, "usages did not match"),
        ("kube-apiserver-client-kubelet", text(*NODE), [], "usages did not match"),
        ("kube-apiserver-client-kubelet", text(*NODE, "devs"), CLIENT, "organization is not"),
        ("kube-apiserver-client-kubelet", text("n", "system:nodes"), CLIENT, "does not begin"),
        ("kube-apiserver-client-kubelet", text(*NODE, dns="n"), CLIENT, "DNS subjectAltNames"),
        ("kubelet-serving", text(*NODE, dns="n"), SERVER, ""),
        ("kubelet-serving", text(*NODE, dns="n"), CLIENT, "usages did not match"),
        ("kubelet-serving", text(*NODE), SERVER, "DNS or IP subjectAltName is required"),
        ("kubelet-serving", text(*NODE, dns="n", email="a@b"), SERVER, "Email subjectAltNames"),
        ("kubelet-serving", text(*NODE, dns="n", uri="a:b"), SERVER, "URI subjectAltNames"),
        ("kubelet-serving", text("x", "system:masters", dns="n"), SERVER, "organization is not"),
    ],
)
def test_a_signer_signs_what_it_is_for(
    signer: str, asked: str, usages: list[str], why: str
) -> None:
    spec = {"request": asked, "usages": usages}
    check = _CHECKS[f"kubernetes.io/{signer}"]
    if not why:
        check(spec)
        return
    with pytest.raises(ValueError, match=why):
        check(spec)

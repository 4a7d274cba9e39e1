"""What only the live gate has: secrets encrypted with AES, certificates signed for requests, files
that flags name."""

from __future__ import annotations

import argparse
import asyncio
import base64
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kube_edu.api.status import ApiError
from kube_edu.apiserver.encryption import Encryption
from kube_edu.live import gate
from kube_edu.live.encryption import encryption
from kube_edu.live.keys import ServiceAccountKey
from kube_edu.live.pki import Pki
from kube_edu.wire import jwt
from kube_edu.wire.csr import subject_of
from tests.apiserver.fakes import World, config_map

SECRETS = "/api/v1/namespaces/default/secrets"
KEY = base64.b64encode(bytes(range(32))).decode()


def config(*providers: str) -> dict[str, object]:
    return {
        "resources": [
            {
                "resources": ["secrets"],
                "providers": [
                    {"identity": {}}
                    if provider == "identity"
                    else {provider: {"keys": [{"name": "key1", "secret": KEY}]}}
                    for provider in providers
                ],
            }
        ]
    }


@pytest.mark.parametrize("provider", ["aesgcm", "aescbc"])
def test_the_store_sees_nothing_of_a_secret(provider: str) -> None:
    async def main() -> None:
        async with World(encryption=encryption(config(provider, "identity"))) as world:
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
            await world.ask("POST", SECRETS, {**secret, "stringData": {"password": "hunter2"}})
            kept = world.etcd.get("/registry/secrets/default/s")
            assert kept is not None and kept.value.startswith(
                f"k8s:enc:{provider}:v1:key1:".encode()
            )
            assert b"password" not in kept.value
            encoded = base64.b64encode(b"hunter2").decode()
            for url in (f"{SECRETS}/s", SECRETS, f"{SECRETS}?resourceVersion=0"):
                found = await world.ask("GET", url)
                assert encoded in str(found)
            await world.ask("POST", "/api/v1/namespaces/default/configmaps", config_map("c"))
            plain = world.etcd.get("/registry/configmaps/default/c")
            assert plain is not None and plain.value.startswith(b"{")

    asyncio.run(main())


def test_what_was_written_plain_still_opens_and_what_was_tampered_with_does_not() -> None:
    sealer = encryption(config("aesgcm", "identity"))
    key = "/registry/secrets/default/s"
    assert sealer.open(key, b'{"kind":"Secret"}') == b'{"kind":"Secret"}'
    sealed = sealer.seal(key, b"{}")
    assert sealer.open(key, sealed) == b"{}"
    for wrong_key, value in ((f"{key}2", sealed), (key, sealed[:-1] + b"x"), (key, b"k8s:enc:x:")):
        with pytest.raises(ApiError):
            sealer.open(wrong_key, value)


def test_secrets_move_to_a_new_key_when_they_are_written_again_as_they_are() -> None:
    """`kubectl get secrets -A -o json | kubectl replace -f -`, as the manual has it."""
    two, one = (base64.b64encode(bytes([n]) * 32).decode() for n in (2, 1))

    def keys(*named: tuple[str, str]) -> Encryption:
        found = [{"name": name, "secret": secret} for name, secret in named]
        providers = [{"aesgcm": {"keys": found}}, {"identity": {}}]
        return encryption({"resources": [{"resources": ["secrets"], "providers": providers}]})

    async def main() -> None:
        async with World(encryption=keys(("one", one))) as world:
            secret = {"metadata": {"name": "s"}, "stringData": {"password": "hunter2"}}
            await world.ask("POST", SECRETS, secret)
            world._options["encryption"] = keys(("two", two), ("one", one))
            await world.restart()
            found = await world.ask("GET", f"{SECRETS}/s")
            await world.ask("PUT", f"{SECRETS}/s", found)
            kept = world.etcd.get("/registry/secrets/default/s")
            assert kept is not None and kept.value.startswith(b"k8s:enc:aesgcm:v1:two:")
            again = await world.ask("PUT", f"{SECRETS}/s", await world.ask("GET", f"{SECRETS}/s"))
            assert int(again["metadata"]["resourceVersion"]) == kept.mod_revision
            world._options["encryption"] = keys(("two", two))
            await world.restart()
            assert (await world.ask("GET", f"{SECRETS}/s"))["data"] == found["data"]

    asyncio.run(main())


def request(common_name: str, *organizations: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def test_a_request_says_whom_it_is_about() -> None:
    subject = subject_of(base64.b64encode(request("system:node:n", "system:nodes", "é")).decode())
    assert subject.common_name == "system:node:n"
    assert subject.organizations == ("system:nodes", "é")
    for bad in (
        b"",
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
    ):
        with pytest.raises(ValueError):
            subject_of(base64.b64encode(bad).decode())


def test_a_request_is_signed_for_what_it_may_be_used_for(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    pem = pki.ca.sign_request(request("alice", "devs"), ["client auth"], 3600)
    made = x509.load_pem_x509_certificate(pem)
    authority = x509.load_pem_x509_certificate(pki.ca.certificate.read_bytes())
    made.verify_directly_issued_by(authority)
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [oid._name for oid in usage] == ["clientAuth"]
    assert made.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "alice"
    with pytest.raises(ValueError):
        pki.ca.sign_request(b"nonsense", ["client auth"], 3600)


def test_tokens_are_signed_with_the_key_that_kubeadm_would_use(tmp_path: Path) -> None:
    signer = ServiceAccountKey(Pki(tmp_path).folder)
    token = jwt.issue({"sub": "x"}, signer)
    assert jwt.verify(token, [signer.public]) == {"sub": "x"}


def test_flags_name_files_and_a_wrong_one_is_told_in_a_line(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.csv"
    tokens.write_text('s3cret,bob,7,"ops,devs"\n')
    signer = ServiceAccountKey(Pki(tmp_path).folder)
    made = gate.options(_parsed("--token-auth-file", str(tokens)))(signer)
    assert made.tokens["s3cret"].groups == ("ops", "devs")
    tokens.write_text("only-a-token\n")
    with pytest.raises(ValueError, match=r"tokens\.csv: a line has to be"):
        gate.options(_parsed("--token-auth-file", str(tokens)))
    with pytest.raises(ValueError, match="cannot read /nowhere"):
        gate.options(_parsed("--audit-policy-file", "/nowhere"))
    with pytest.raises(ValueError, match="goes with"):
        gate.options(_parsed("--oidc-issuer-url", "https://x"))


def _parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    gate.add_arguments(parser)
    return parser.parse_args(words)

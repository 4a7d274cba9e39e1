"""Certificates and kubeconfig files, laid out as kubeadm lays them out.

`pki/` holds the cluster's certificate authority and what it signed, `pki/etcd/` etcd's own, and
`*.conf` beside it the kubeconfig of each client of the API server (kubeadm, "Certificates and
keys", and cmd/kubeadm/app/phases/certs). Two things differ: keys are ECDSA P-256 (kubeadm's
`encryptionAlgorithm: ECDSA-P256`), quick to make; and clients that kubeadm gives nothing but a
kubeconfig have their pair in `pki/clients/` too, because TLS libraries read files.

What is there is kept; what is missing, expired, signed by another authority, or made for other
names is made anew.
"""

from __future__ import annotations

import base64
import ipaddress
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kube_edu.host import Identity, identity_of
from kube_edu.host.identity import NOBODY
from kube_edu.live.disk import replace
from kube_edu.live.tls import Tls
from kube_edu.wire.csr import subject_of

CA_VALIDITY = timedelta(days=3650)
CERTIFICATE_VALIDITY = timedelta(days=365)
"""kubeadm's: ten years for an authority, one for what it signs (constants.go)."""

Key = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class Pki:
    """The `pki` folder of one cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "pki"
        self._conf = folder
        self.ca = Authority(self.folder / "ca", "kubernetes")
        self.etcd_ca = Authority(self.folder / "etcd/ca", "etcd-ca")
        _service_account_keys(self.folder)

    def server(self, name: str, host: str, names: Sequence[str]) -> ssl.SSLContext:
        """The TLS side of a server ("apiserver", "kubelet") on a host, for these DNS names and
        addresses. A client may show a certificate; one that this authority did not sign is
        refused."""
        subject = Identity("kube-apiserver") if name == "apiserver" else identity_of(name, host)
        pair = self._path(name, host, server=True)
        self.ca.sign(pair, subject, names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.with_suffix(".crt"), pair.with_suffix(".key"))
        context.load_verify_locations(self.ca.certificate)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.set_alpn_protocols(["http/1.1"])
        return context

    def client(self, identity: str, host: str) -> ssl.SSLContext:
        """The TLS side of a client that calls under a name of kube_edu.host.identity."""
        context = ssl.create_default_context(cafile=str(self.ca.certificate))
        if identity == NOBODY:
            return context
        pair = self._client_pair(identity, host)
        context.load_cert_chain(pair.with_suffix(".crt"), pair.with_suffix(".key"))
        return context

    def etcd(self, names: Sequence[str]) -> Tls:
        """The TLS side of etcd, whose clients must have a certificate of etcd's authority. That of
        the API server (pki/apiserver-etcd-client) is there then too, and etcdctl may come with
        etcd/server or etcd/healthcheck-client, as Kubernetes' documentation has it."""
        pair = self.folder / "etcd/server"
        self.etcd_ca.sign(pair, Identity(names[0]), names, client=True)
        healthcheck = Identity("kube-etcd-healthcheck-client")
        self.etcd_ca.sign(self.folder / "etcd/healthcheck-client", healthcheck)
        self._client_pair("apiserver-etcd-client", "")
        return Tls(f"{pair}.crt", f"{pair}.key", str(self.etcd_ca.certificate))

    def kubeconfig(self, file: str, identity: str, host: str, server: str) -> Path:
        """Write the kubeconfig of a client, in the shape that `kubeadm init` writes."""
        pair = self._client_pair(identity, host)
        user = identity_of(identity, host).common_name
        context = f"{user}@kubernetes"
        cluster = {"certificate-authority-data": _base64(self.ca.certificate), "server": server}
        credentials = {
            "client-certificate-data": _base64(pair.with_suffix(".crt")),
            "client-key-data": _base64(pair.with_suffix(".key")),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "kubernetes", "cluster": cluster}],
            "contexts": [{"name": context, "context": {"cluster": "kubernetes", "user": user}}],
            "current-context": context,
            "preferences": {},
            "users": [{"name": user, "user": credentials}],
        }
        path = self._conf / file
        replace(path, _yaml(config), 0o600)
        return path

    def _client_pair(self, identity: str, host: str) -> Path:
        pair = self._path(identity, host)
        authority = self.etcd_ca if identity == "apiserver-etcd-client" else self.ca
        authority.sign(pair, identity_of(identity, host))
        return pair

    def _path(self, name: str, host: str, *, server: bool = False) -> Path:
        """Where a pair lies, without its suffix."""
        if name.startswith("apiserver"):
            return self.folder / name
        if name == "kubelet":
            return self.folder / "kubelet" / (f"{host}-server" if server else host)
        return self.folder / "clients" / name


class Authority:
    """A certificate authority: `<path>.crt` and `<path>.key`."""

    def __init__(self, path: Path, name: str) -> None:
        self.certificate = path.with_suffix(".crt")
        self._issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        kept = _load(path)
        if kept is not None and _valid(kept[0]):
            self._certificate, self._key = kept
            return
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = self._key.public_key()
        identifier = x509.SubjectKeyIdentifier.from_public_key(public)
        self._certificate = self._issue(
            self._issuer, public, CA_VALIDITY, [identifier], authority=True
        )
        _store(path, self._certificate, self._key)

    def sign(
        self, path: Path, subject: Identity, names: Sequence[str] = (), *, client: bool = False
    ) -> None:
        """See that there is a valid pair at a path: for a server of these names (which may be a
        `client` too), or without names for a client."""
        usages = [ExtendedKeyUsageOID.SERVER_AUTH] if names else []
        if client or not names:
            usages.append(ExtendedKeyUsageOID.CLIENT_AUTH)
        wanted: list[x509.ExtensionType] = [x509.ExtendedKeyUsage(usages)]
        if names:
            wanted.append(x509.SubjectAlternativeName([_general_name(name) for name in names]))
        kept = _load(path)
        if kept is not None and self._fits(kept[0], _name(subject), wanted):
            return
        key = ec.generate_private_key(ec.SECP256R1())
        by = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        extensions = [*wanted, by]
        certificate = self._issue(
            _name(subject), key.public_key(), CERTIFICATE_VALIDITY, extensions
        )
        _store(path, certificate, key)

    def sign_request(self, request: bytes, usages: Sequence[str], seconds: int) -> bytes:
        """The certificate that a request (PKCS #10, in PEM) asks for; ValueError when it is none
        (kubernetes, pkg/controller/certificates/authority/policies.go)."""
        asked = x509.load_pem_x509_csr(request)
        if _identity(asked.subject) != subject_of(base64.b64encode(request).decode()):
            raise ValueError("the request can be read in two ways")
        key = asked.public_key()
        if not asked.is_signature_valid or not isinstance(
            key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)
        ):
            raise ValueError("the request is not signed by the key that it is about")
        kinds = {
            "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
            "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
        }
        extensions = [
            x509.ExtendedKeyUsage([kinds[usage] for usage in usages if usage in kinds]),
            *(
                e.value
                for e in asked.extensions
                if isinstance(e.value, x509.SubjectAlternativeName)
            ),
        ]
        validity = min(timedelta(seconds=seconds), CERTIFICATE_VALIDITY)
        signed = self._issue(asked.subject, key, validity, extensions)
        return signed.public_bytes(serialization.Encoding.PEM)

    def _issue(
        self,
        subject: x509.Name,
        key: PublicKey,
        validity: timedelta,
        extensions: Sequence[x509.ExtensionType],
        *,
        authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))  # clocks differ
            .not_valid_after(now + validity)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(_usage(authority=authority), critical=True)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _fits(
        self, kept: x509.Certificate, subject: x509.Name, wanted: list[x509.ExtensionType]
    ) -> bool:
        try:
            kept.verify_directly_issued_by(self._certificate)
        except Exception:  # a wrong signature, issuer or kind of key: made by someone else
            return False
        told = (x509.ExtendedKeyUsage, x509.SubjectAlternativeName)
        found = [e.value for e in kept.extensions if isinstance(e.value, told)]
        return _valid(kept) and kept.subject == subject and found == wanted


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(subject: Identity) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in subject.organizations]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name)])


def _identity(name: x509.Name) -> Identity:
    def texts(oid: x509.ObjectIdentifier) -> list[str]:
        return [str(attribute.value) for attribute in name.get_attributes_for_oid(oid)]

    common_names = texts(NameOID.COMMON_NAME) or [""]
    return Identity(common_names[-1], tuple(texts(NameOID.ORGANIZATION_NAME)))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _valid(certificate: x509.Certificate) -> bool:
    now = datetime.now(UTC)
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def _load(path: Path) -> tuple[x509.Certificate, Key] | None:
    """The pair at a path; None where there is none, or none that can be read."""
    try:
        certificate = x509.load_pem_x509_certificate(path.with_suffix(".crt").read_bytes())
        key = serialization.load_pem_private_key(path.with_suffix(".key").read_bytes(), None)
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    return (certificate, key) if key.public_key() == certificate.public_key() else None


def _store(path: Path, certificate: x509.Certificate, key: Key) -> None:
    replace(path.with_suffix(".key"), _key_pem(key), 0o600)
    replace(path.with_suffix(".crt"), certificate.public_bytes(serialization.Encoding.PEM))


def _service_account_keys(folder: Path) -> None:
    """`sa.key` and `sa.pub`: what signs service account tokens, and what checks them (RS256)."""
    if (folder / "sa.key").exists() and (folder / "sa.pub").exists():
        return
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    replace(folder / "sa.key", _key_pem(key), 0o600)
    replace(folder / "sa.pub", public)


def _key_pem(key: Key | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _base64(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def _yaml(config: object) -> bytes:
    return yaml.safe_dump(config, sort_keys=False).encode()

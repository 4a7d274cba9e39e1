"""The key that a live cluster signs tokens of service accounts with: pki/sa.key, as by kubeadm."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from kube_edu.wire.jwt import PublicKey


class ServiceAccountKey:
    """Implements `kube_edu.wire.jwt.Signer`. `pki` is the folder of certificates and keys."""

    def __init__(self, pki: Path) -> None:
        key = serialization.load_pem_private_key((pki / "sa.key").read_bytes(), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError(f"{pki / 'sa.key'}: not an RSA key")
        self._key = key
        numbers = key.public_key().public_numbers()
        self.public = PublicKey(numbers.n, numbers.e)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())

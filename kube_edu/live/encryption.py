"""Encryption at rest with AES: the providers of an EncryptionConfiguration.

`aesgcm` and `aescbc` as the real API server has them, byte for byte, so that it opens what this
one has sealed (apiserver, pkg/storage/value/encrypt/aes/aes.go).
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kube_edu.api.meta import Object
from kube_edu.api.resources import by_plural
from kube_edu.apiserver.encryption import Encryption, Identity, Provider

NONCE, BLOCK = 12, 16


class AesGcm:
    """Implements `kube_edu.apiserver.encryption.Provider`."""

    def __init__(self, name: str, secret: bytes) -> None:
        self.prefix = f"k8s:enc:aesgcm:v1:{name}:".encode()
        self._cipher = AESGCM(secret)

    def seal(self, value: bytes, key: str) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, value, key.encode())

    def open(self, sealed: bytes, key: str) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], key.encode())
        except InvalidTag:
            raise ValueError("it was changed, or moved from another key") from None


class AesCbc:
    """Implements `kube_edu.apiserver.encryption.Provider`. Nothing binds a value to its key, nor
    tells that it was changed: `aesgcm` is the better choice."""

    def __init__(self, name: str, secret: bytes) -> None:
        self.prefix = f"k8s:enc:aescbc:v1:{name}:".encode()
        self._algorithm = algorithms.AES(secret)

    def seal(self, value: bytes, key: str) -> bytes:
        start = os.urandom(BLOCK)
        padder = padding.PKCS7(BLOCK * 8).padder()
        padded = padder.update(value) + padder.finalize()
        encryptor = Cipher(self._algorithm, modes.CBC(start)).encryptor()
        return start + encryptor.update(padded) + encryptor.finalize()

    def open(self, sealed: bytes, key: str) -> bytes:
        decryptor = Cipher(self._algorithm, modes.CBC(sealed[:BLOCK])).decryptor()
        padded = decryptor.update(sealed[BLOCK:]) + decryptor.finalize()
        unpadder = padding.PKCS7(BLOCK * 8).unpadder()
        return unpadder.update(padded) + unpadder.finalize()


_KINDS: dict[str, Callable[[str, bytes], Provider]] = {"aesgcm": AesGcm, "aescbc": AesCbc}


def encryption(config: Object) -> Encryption:
    """From an EncryptionConfiguration (apiserver.config.k8s.io/v1); ValueError says what is wrong
    with it."""
    found: dict[str, list[Provider]] = {}
    for entry in config.get("resources") or ():
        providers = [p for said in entry["providers"] for p in _providers(said)]
        for resource in entry["resources"]:
            try:
                prefix = by_plural(resource).storage_prefix
            except KeyError:
                raise ValueError(f"there is no resource {resource!r}") from None
            found.setdefault(prefix, providers)
    return Encryption(found)


def _providers(said: Object) -> list[Provider]:
    """One for each key; the first key seals."""
    if "identity" in said:
        return [Identity()]
    kind = next(iter(said), "")
    if kind not in _KINDS:
        raise ValueError(f"no provider is called {kind!r}: there are {', '.join(_KINDS)}, identity")
    return [
        _KINDS[kind](key["name"], base64.b64decode(key["secret"], validate=True))
        for key in said[kind]["keys"]
    ]

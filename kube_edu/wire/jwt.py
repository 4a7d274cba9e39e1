"""JSON Web Tokens signed with RSA and SHA-256 ("RS256").

RFC 7515 (signatures), 7517 (keys), 7518 section 3.3 (RS256 is RSASSA-PKCS1-v1_5 of RFC 8017), 7519
(claims). To check a signature takes one modular power, so no library is needed for it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Protocol

Claims = dict[str, Any]

# RFC 8017 section 9.2, note 1: what says in DER that a SHA-256 digest follows.
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


@dataclass(frozen=True)
class PublicKey:
    """The modulus and exponent of an RSA key."""

    n: int
    e: int

    @cached_property
    def kid(self) -> str:
        """The name that tokens know the key by: its thumbprint (RFC 7638)."""
        text = json.dumps(self._numbers(), separators=(",", ":"), sort_keys=True)
        return _encode(sha256(text.encode()).digest())

    @property
    def size(self) -> int:
        """Bytes of a signature."""
        return (self.n.bit_length() + 7) // 8

    def verifies(self, data: bytes, signature: bytes) -> bool:
        if len(signature) != self.size:
            return False
        power = pow(int.from_bytes(signature, "big"), self.e, self.n)
        return power.to_bytes(self.size, "big") == padded(data, self.size)

    def jwk(self) -> dict[str, str]:
        return {"use": "sig", "kid": self.kid, "alg": "RS256", **self._numbers()}

    def _numbers(self) -> dict[str, str]:
        return {"kty": "RSA", "n": _encode_number(self.n), "e": _encode_number(self.e)}


class Signer(Protocol):
    """Who holds a private key."""

    @property
    def public(self) -> PublicKey: ...

    def sign(self, data: bytes) -> bytes: ...


def padded(data: bytes, size: int) -> bytes:
    """The number, as bytes, whose power the signature is (EMSA-PKCS1-v1_5)."""
    digest = _DIGEST_INFO + sha256(data).digest()
    return b"\0\1" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest


def issue(claims: Claims, signer: Signer) -> str:
    header = {"alg": "RS256", "kid": signer.public.kid}
    signed = f"{_encode_json(header)}.{_encode_json(claims)}"
    return f"{signed}.{_encode(signer.sign(signed.encode()))}"


def unverified(token: str) -> Claims:
    """What a token claims, whoever wrote it; ValueError when it is no token."""
    return _parse(token)[1]


def verify(token: str, keys: Iterable[PublicKey]) -> Claims:
    """The claims of a token that one of the keys has signed; ValueError when none has."""
    header, claims, signature = _parse(token)
    if header.get("alg") != "RS256":
        raise ValueError(f"signed with {header.get('alg')!r}, not RS256")
    if "crit" in header:
        raise ValueError("has to be understood in a way that is not known here")
    signed = token.rpartition(".")[0].encode()
    named = [key for key in keys if header.get("kid", key.kid) == key.kid]
    if not any(key.verifies(signed, signature) for key in named):
        raise ValueError("no known key has signed it")
    return claims


def read_keys(jwks: Mapping[str, Any]) -> list[PublicKey]:
    """The RSA keys of a key set (RFC 7517 section 5)."""
    return [
        PublicKey(_decode_number(key["n"]), _decode_number(key["e"]))
        for key in jwks["keys"]
        if key.get("kty") == "RSA"
    ]


def _parse(token: str) -> tuple[Claims, Claims, bytes]:
    parts = token.split(".")
    if len(parts) != 3 or not token.isascii():
        raise ValueError("not three parts in base64")
    try:
        header, claims = (json.loads(_decode(part)) for part in parts[:2])
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("header and claims have to be objects")
    return header, claims, _decode(parts[2])


def _encode_json(value: Claims) -> str:
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _encode_number(number: int) -> str:
    return _encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _decode_number(text: str) -> int:
    return int.from_bytes(_decode(text), "big")

"""The keys of a simulated cluster: what it signs tokens with, and its authority's signature.

Everybody can read it here, and 512 bits are few: it is as good as no key outside a simulation, and
the same run has the same tokens.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from kube_edu.wire.csr import subject_of
from kube_edu.wire.jwt import PublicKey, padded


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """An RSA key. Implements `kube_edu.wire.jwt.Signer`."""

    public: PublicKey
    exponent: int

    def sign(self, data: bytes) -> bytes:
        number = int.from_bytes(padded(data, self.public.size), "big")
        return pow(number, self.exponent, self.public.n).to_bytes(self.public.size, "big")


_MODULUS = (
    "a2590d22e85135b91d98e40c0b9b39b0d0a6a7f45eb9b38e9e14fbd3b2874f8e"
    "b565961f9d73beebf4a6d2ad25c539f640b829e0af6f11df34229958da682dd3"
)
_EXPONENT = (
    "50d40f6342d133f32f5630ac02974cf8c8594123bc89ae692231865396fe2150"
    "3baf54ce05852707175ea93501fee2b803df0ff15fccc3ab031ae6737374b9f9"
)

SERVICE_ACCOUNTS = PrivateKey(PublicKey(int(_MODULUS, 16), 65537), int(_EXPONENT, 16))


def sign(request: bytes, usages: Sequence[str], seconds: int) -> bytes:
    """A stand-in for the certificate that is asked for: a simulated client has its subject by
    name (kube_edu.host.identity), so nobody ever shows this one."""
    subject = subject_of(base64.b64encode(request).decode())
    text = f"{subject.common_name} of {', '.join(subject.organizations)} for {seconds} s"
    body = base64.b64encode(text.encode()).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n".encode()

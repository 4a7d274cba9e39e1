"""What a certificate signing request asks for: the subject of a PKCS #10 request.

RFC 2986 for the request, RFC 7468 for its text form (PEM), X.690 for the encoding (DER). Just as
much of DER as leads to the names; who signs a request checks the rest of it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from kube_edu.host import Identity

_PEM = re.compile(
    rb"-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----(.+?)-----END (?:NEW )?CERTIFICATE REQUEST-----",
    re.DOTALL,
)
_SET = 0x31
_COMMON_NAME, _ORGANIZATION = bytes.fromhex("550403"), bytes.fromhex("55040a")


def subject_of(request: str) -> Identity:
    """The subject of a spec.request, which is PEM in base64; ValueError when it is none."""
    found = _PEM.search(base64.b64decode(request))
    if found is None:
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    common_name, organizations = "", []
    for kind, value in _names(base64.b64decode(found[1])):
        if kind == _COMMON_NAME:
            common_name = value
        if kind == _ORGANIZATION:
            organizations.append(value)
    return Identity(common_name, tuple(organizations))


def _names(der: bytes) -> Iterator[tuple[bytes, str]]:
    """The attributes of the subject: their object identifiers and texts."""
    (_, request), *_ = _elements(der)
    (_, info), *_ = _elements(request)
    (_, _version), (_, subject), *_ = _elements(info)
    for tag, relative_name in _elements(subject):
        if tag != _SET:
            raise ValueError("a subject is a sequence of sets")
        for _, attribute in _elements(relative_name):
            (_, kind), (_, value), *_ = _elements(attribute)
            yield kind, value.decode()


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that stand one after the other: tag and content."""
    at = 0
    while at < len(der):
        if at + 2 > len(der):
            raise ValueError("cut off")
        tag, length = der[at], der[at + 1]
        at += 2
        if length & 0x80:  # the long form: so many bytes of length follow
            size = length & 0x7F
            length = int.from_bytes(der[at : at + size], "big")
            at += size
        if at + length > len(der):
            raise ValueError("cut off")
        yield tag, der[at : at + length]
        at += length

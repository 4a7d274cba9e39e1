"""What a certificate signing request asks for: the names in a PKCS #10 request.

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
_TEXTS = (0x0C, 0x13, 0x16)  # UTF8String, PrintableString, IA5String
_COMMON_NAME, _ORGANIZATION = bytes.fromhex("550403"), bytes.fromhex("55040a")
_EXTENSIONS, _OTHER_NAMES = bytes.fromhex("2a864886f70d01090e"), bytes.fromhex("551d11")
_NAME_KINDS = {0x81: "Email", 0x82: "DNS", 0x86: "URI", 0x87: "IP"}


def subject_of(request: str) -> Identity:
    """The subject of a spec.request, which is PEM in base64; ValueError when it is none."""
    common_name, organizations = "", []
    for kind, value in _attributes(_info(request)[1][1]):
        if kind == _COMMON_NAME:
            common_name = value
        if kind == _ORGANIZATION:
            organizations.append(value)
    return Identity(common_name, tuple(organizations))


def kinds_of_names(request: str) -> set[str]:
    """Of which kinds ("DNS", "Email", …) are the names besides the subject's."""
    kinds = set()
    for _, attribute in [part for tag, parts in _info(request) if tag == 0xA0
                         for part in _elements(parts)]:  # fmt: skip
        (_, kind), (_, values) = _elements(attribute)
        for _, extensions in _elements(values) if kind == _EXTENSIONS else ():
            for _, extension in _elements(extensions):
                (_, name), *_, (_, value) = _elements(extension)
                if name == _OTHER_NAMES:
                    ((_, names),) = _elements(value)
                    kinds |= {_NAME_KINDS.get(tag, "Other") for tag, _ in _elements(names)}
    return kinds


def _info(request: str) -> list[tuple[int, bytes]]:
    """The parts of what is asked: version, subject, key, attributes."""
    found = _PEM.search(base64.b64decode(request))
    if found is None:
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    (_, signed), *_ = _elements(base64.b64decode(found[1]))
    (_, info), *_ = _elements(signed)
    parts = list(_elements(info))
    if len(parts) < 3:
        raise ValueError("cut off")
    return parts


def _attributes(subject: bytes) -> Iterator[tuple[bytes, str]]:
    """The attributes of the subject: their object identifiers and texts. A text in another form
    is refused: whoever reads it might find another name in it."""
    for tag, relative_name in _elements(subject):
        if tag != _SET:
            raise ValueError("a subject is a sequence of sets")
        for _, attribute in _elements(relative_name):
            (_, kind), (form, value) = _elements(attribute)
            if form not in _TEXTS:
                raise ValueError("the names of a subject have to be UTF-8")
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

"""TLS from files that flags name, as etcd's and kube-apiserver's flags do."""

from __future__ import annotations

import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tls:
    """Names of PEM files; "" where there is none. `ca` is who must have signed the other side's
    certificate."""

    cert: str = ""
    key: str = ""
    ca: str = ""

    def server(self) -> ssl.SSLContext:
        """With a `ca`, clients must show a certificate (etcd: client/pkg/transport/listener.go)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load(context)
        if self.ca:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self._load(context)
        return context

    def pem(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """The contents of the files: certificate, key, authority."""
        certificate, key, authority = map(_read, (self.cert, self.key, self.ca))
        return certificate, key, authority

    def _load(self, context: ssl.SSLContext) -> None:
        """Raises ValueError, with one line that says which file is wrong."""
        for file in filter(None, (self.cert, self.key, self.ca)):
            try:
                _read(file)
            except OSError as error:
                raise ValueError(f"cannot read {file}: {error.strerror}") from None
        if bool(self.cert) != bool(self.key):
            raise ValueError(f"{self.cert or self.key}: a certificate and its key go together")
        try:
            if self.cert:
                context.load_cert_chain(self.cert, self.key)
        except ssl.SSLError as error:
            reason = error.reason or "no certificate and key in PEM"
            raise ValueError(f"{self.cert} and {self.key}: {reason}") from None
        try:
            if self.ca:
                context.load_verify_locations(self.ca)
        except ssl.SSLError as error:
            raise ValueError(f"{self.ca}: {error.reason or 'no certificate in PEM'}") from None


def _read(file: str) -> bytes | None:
    if not file:
        return None
    with open(file, "rb") as opened:
        return opened.read()

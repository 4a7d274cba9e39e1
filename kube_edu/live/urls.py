"""Lists of URLs, as etcd's and kube-apiserver's flags have them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Url:
    """http or https, a host and a port."""

    text: str
    host: str
    port: int

    @property
    def secure(self) -> bool:
        return self.text.startswith("https:")

    @property
    def endpoint(self) -> str:
        """ "host:port" """
        return self.text.partition("//")[2]


def parse_urls(flag: str, text: str) -> list[Url]:
    """The URLs of a flag, with commas between. Raises ValueError with etcd's texts
    (client/pkg/types/urls.go)."""
    return [parse_url(flag, each) for each in text.split(",") if each]


def parse_url(flag: str, text: str) -> Url:
    where = f"--{flag}: {text!r}"
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"{where}: URL scheme must be http or https")
    try:
        port = parts.port
    except ValueError:
        port = None
    if not parts.hostname or not port:
        raise ValueError(f'{where}: URL address does not have the form "host:port"')
    if parts.path.strip("/"):
        raise ValueError(f"{where}: URL must not contain a path")
    if flag.startswith("listen") and parts.hostname != "localhost":
        try:
            ipaddress.ip_address(parts.hostname)
        except ValueError:
            raise ValueError(f"{where}: expected IP in URL for binding") from None
    return Url(text.rstrip("/"), parts.hostname, port)

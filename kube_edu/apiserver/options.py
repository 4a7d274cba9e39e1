"""What kube-apiserver's flags would say about the gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kube_edu.api.meta import Object
from kube_edu.apiserver.authentication.oidc import Oidc
from kube_edu.apiserver.call import User
from kube_edu.apiserver.encryption import PLAIN, Encryption
from kube_edu.wire.jwt import Signer

ISSUER = "https://kubernetes.default.svc.cluster.local"


@dataclass(frozen=True, slots=True)
class Options:
    """The defaults are kubeadm's."""

    signer: Signer
    """Signs tokens of service accounts (--service-account-signing-key-file)."""
    explain: bool = False
    """Whether the trace tells what every plug-in of admission changed; that costs a copy each."""
    issuer: str = ISSUER
    """--service-account-issuer; who tokens are from, and whom they are for."""
    tokens: Mapping[str, User] = field(default_factory=dict)
    """--token-auth-file"""
    oidc: Oidc | None = None
    """--oidc-…"""
    audit_policy: Object = field(default_factory=dict)
    """--audit-policy-file; without one there is no log."""
    audit_log: Callable[[Object], None] = lambda event: None
    """--audit-log-path"""
    encryption: Encryption = PLAIN
    """--encryption-provider-config"""

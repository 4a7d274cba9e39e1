"""The flags of the gate (kube-apiserver's own), and the files that they name."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from kube_edu.api.meta import Object
from kube_edu.apiserver.authentication.oidc import Oidc
from kube_edu.apiserver.call import User
from kube_edu.apiserver.encryption import PLAIN
from kube_edu.apiserver.options import Options
from kube_edu.live.encryption import encryption
from kube_edu.wire.jwt import Signer, read_keys

FLAGS = (
    ("token-auth-file", "FILE", "bearer tokens: lines of TOKEN,USER,UID,GROUPS"),
    ("oidc-issuer-url", "URL", "whose ID tokens are taken"),
    ("oidc-client-id", "ID", "whom they have to be for"),
    ("oidc-jwks-file", "FILE", "the issuer's set of keys"),
    ("oidc-username-claim", "CLAIM", "the claim that is the user's name; default: sub"),
    ("oidc-username-prefix", "PREFIX", "before the names; default: URL#"),
    ("oidc-groups-claim", "CLAIM", "the claim that is the user's groups"),
    ("oidc-groups-prefix", "PREFIX", "before the groups"),
    ("audit-policy-file", "FILE", "what to write down: an audit.k8s.io/v1 Policy"),
    ("audit-log-path", "FILE", "where to"),
    ("encryption-provider-config", "FILE", "what to encrypt in the store"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the gate")
    for flag, value, what in FLAGS:
        group.add_argument(f"--{flag}", default="", metavar=value, help=what)


def options(arguments: argparse.Namespace) -> Callable[[Signer], Options]:
    """What the flags say, short of the key that signs tokens; ValueError, with one line, says
    which file is wrong."""
    a = arguments
    return partial(
        Options,
        tokens=_read(a.token_auth_file, _users) or {},
        oidc=_oidc(a) if a.oidc_issuer_url else None,
        audit_policy=_read(a.audit_policy_file, _yaml) or {},
        audit_log=_log(Path(a.audit_log_path)) if a.audit_log_path else lambda event: None,
        encryption=_read(a.encryption_provider_config, lambda text: encryption(_yaml(text)))
        or PLAIN,
    )


def _oidc(a: argparse.Namespace) -> Oidc:
    if not a.oidc_client_id or not a.oidc_jwks_file:
        raise ValueError("--oidc-issuer-url goes with --oidc-client-id and --oidc-jwks-file")
    return Oidc(
        a.oidc_issuer_url,
        a.oidc_client_id,
        _read(a.oidc_jwks_file, lambda text: read_keys(json.loads(text))),
        username_claim=a.oidc_username_claim or "sub",
        username_prefix=a.oidc_username_prefix,
        groups_claim=a.oidc_groups_claim,
        groups_prefix=a.oidc_groups_prefix,
    )


def _read(file: str, parse: Callable[[str], Any]) -> Any:
    if not file:
        return None
    try:
        return parse(Path(file).read_text())
    except OSError as error:
        raise ValueError(f"cannot read {file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise ValueError(f"{file}: {' '.join(str(error).split())}") from None


def _yaml(text: str) -> Object:
    found = yaml.safe_load(text)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _users(text: str) -> dict[str, User]:
    """A user a token (apiserver, pkg/authentication/token/tokenfile)."""
    users = {}
    for row in csv.reader(text.splitlines()):
        if len(row) < 3 or not row[0].strip():
            raise ValueError("a line has to be TOKEN,USER,UID or TOKEN,USER,UID,GROUPS")
        token, name, uid, *groups = (cell.strip() for cell in row)
        named = tuple(group.strip() for group in "".join(groups[:1]).split(",") if group.strip())
        users[token] = User(name, named, uid)
    return users


def _log(path: Path) -> Callable[[Object], None]:
    """A line an event, in a file for nobody else's eyes."""

    def write(event: Object) -> None:
        if not path.exists():
            path.touch(0o600)
        with path.open("a") as file:
            file.write(json.dumps(event, separators=(",", ":")) + "\n")

    return write

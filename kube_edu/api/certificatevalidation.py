"""Signing requests: a word on one is spoken once, at its own door, and never taken back.

Source: kubernetes, pkg/apis/certificates/validation/validation.go.
"""

from __future__ import annotations

from kube_edu.api.meta import Object
from kube_edu.api.rules import Errors
from kube_edu.api.status import duplicate, forbidden_field, invalid_value, not_supported
from kube_edu.wire.csr import subject_of

_FINAL = ("Approved", "Denied", "Failed")
_CONDITIONS = "status.conditions"


def signing_request(request: Object) -> Errors:
    spec = request["spec"]
    try:
        subject_of(spec.get("request", ""))
    except ValueError as problem:
        yield invalid_value("spec.request", spec.get("request", ""), str(problem))
    signer = spec.get("signerName", "")
    if "/" not in signer:
        why = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield invalid_value("spec.signerName", signer, why)
    if signer == "kubernetes.io/legacy-unknown":
        why = "the legacy signerName is not allowed via this API version"
        yield invalid_value("spec.signerName", signer, why)
    yield from _conditions(request)


def _conditions(request: Object) -> Errors:
    types = [condition.get("type", "") for condition in _all(request)]
    for i, condition in enumerate(_all(request)):
        path, type = f"{_CONDITIONS}[{i}]", condition.get("type", "")
        if type in types[:i]:
            yield duplicate(f"{path}.type", type)
        if type in _FINAL and condition.get("status") != "True":
            yield not_supported(f"{path}.status", condition.get("status"), ("True",))
        other = {"Approved": "Denied", "Denied": "Approved"}.get(type)
        if other in types[:i]:
            why = "Approved and Denied conditions are mutually exclusive"
            yield invalid_value(f"{path}.type", type, why)


def approval(new: Object, old: Object) -> Errors:
    for type in _FINAL:
        if _of(new, type) < _of(old, type):
            yield forbidden_field(
                _CONDITIONS, f'updates may not remove a condition of type "{type}"'
            )


def signed(new: Object, old: Object) -> Errors:
    """What the signer writes: a certificate, once, and no approval of his own."""
    yield from approval(new, old)
    for type in ("Approved", "Denied"):
        if len(_of(new, type)) > len(_of(old, type)):
            yield forbidden_field(_CONDITIONS, f'updates may not add a condition of type "{type}"')
        elif _of(new, type) and _of(new, type) != _of(old, type):
            why = f'updates may not modify a condition of type "{type}"'
            yield forbidden_field(_CONDITIONS, why)
    if _certificate(old) and _certificate(new) != _certificate(old):
        why = "updates may not modify existing certificate content"
        yield forbidden_field("status.certificate", why)


def _all(request: Object) -> list[Object]:
    return (request.get("status") or {}).get("conditions") or []


def _of(request: Object, type: str) -> list[Object]:
    return [condition for condition in _all(request) if condition.get("type") == type]


def _certificate(request: Object) -> str:
    return str((request.get("status") or {}).get("certificate", ""))

"""Certificate signing requests: how a machine becomes a node, and anybody gets a certificate.

A request of a kubelet for its own client certificate is approved here, if the API server says that
it may ask for that; any other waits for somebody with the right to approve. What is approved, and
is for one of the cluster's own signers, is signed (upstream pkg/controller/certificates/approver
and pkg/controller/certificates/signer).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.client import ApiClient, Controller, Informers
from kube_edu.host import Host, Identity
from kube_edu.wire.csr import kinds_of_names, subject_of

GROUP = "certificates.k8s.io"
API_CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
YEAR = 365 * 24 * 3600
"""--cluster-signing-duration"""

Sign = Callable[[bytes, Sequence[str], int], bytes]
"""`sign(request, usages, seconds)`: the certificate, both in PEM; ValueError for a bad request."""


class CsrApprovingController(Controller):
    name = "csrapproving"
    account = "certificate-controller"
    resource = "certificatesigningrequests"

    def __init__(self, client: ApiClient, host: Host, informers: Informers) -> None:
        super().__init__(client, host, informers)
        self._requests = self.watch(self.resource)

    async def reconcile(self, key: str) -> None:
        request = self._requests.get(key)
        if request is None or (request.get("status") or {}).get("conditions"):
            return
        subject = _kubelet(request)
        if subject is None:
            return
        its_own = subject.common_name == request["spec"].get("username")
        kind = "selfnodeclient" if its_own else "nodeclient"
        if not await self._may_ask(request["spec"], kind):
            return
        what = f"{'self ' if its_own else ''}kubelet client certificate"
        approved = {
            "type": "Approved",
            "status": "True",
            "reason": "AutoApproved",
            "message": f"Auto approving {what} after SubjectAccessReview.",
        }
        conditions = meta.set_condition((), approved, self.host.now())
        status = {**(request.get("status") or {}), "conditions": conditions}
        await self.client.update({**request, "status": status}, subresource="approval")

    async def _may_ask(self, spec: Object, kind: str) -> bool:
        asked = {"group": GROUP, "resource": self.resource, "subresource": kind, "verb": "create"}
        who = {field: spec[field] for field in ("uid", "groups", "extra") if spec.get(field)}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {"user": spec.get("username", ""), **who, "resourceAttributes": asked},
        }
        answer = await self.client.create(review)
        return bool(answer["status"]["allowed"])


class CsrSigningController(Controller):
    name = "csrsigning"
    account = "certificate-controller"
    resource = "certificatesigningrequests"

    def __init__(
        self, client: ApiClient, host: Host, informers: Informers, *, sign: Sign | None
    ) -> None:
        super().__init__(client, host, informers)
        self._sign = sign
        self._requests = self.watch(self.resource)

    async def reconcile(self, key: str) -> None:
        request = self._requests.get(key)
        if request is None or self._sign is None or not _waits_for_signature(request):
            return
        spec, status = request["spec"], request["status"]
        seconds = min(spec.get("expirationSeconds", YEAR), YEAR)
        usages = spec.get("usages") or ()
        try:
            _CHECKS[spec["signerName"]](spec)
            certificate = self._sign(base64.b64decode(spec["request"]), usages, seconds)
        except ValueError as problem:
            failed = {
                "type": "Failed",
                "status": "True",
                "reason": "SignerValidationFailure",
                "message": str(problem),
            }
            conditions = meta.set_condition(status["conditions"], failed, self.host.now())
            signed = {**status, "conditions": conditions}
        else:
            signed = {**status, "certificate": base64.b64encode(certificate).decode()}
        await self.client.update({**request, "status": signed}, subresource="status")


def _waits_for_signature(request: Object) -> bool:
    status = request.get("status") or {}
    return (
        request["spec"].get("signerName") in _CHECKS
        and not status.get("certificate")
        and meta.condition_is(request, "Approved")
        and not any(meta.condition_is(request, type) for type in ("Denied", "Failed"))
    )


def _kubelet(request: Object) -> Identity | None:
    """Whom a request is about, if it is for a kubelet's client certificate."""
    spec = request["spec"]
    if spec.get("signerName") != KUBELET_CLIENT:
        return None
    try:
        _check_kubelet_client(spec)
    except ValueError:
        return None
    return subject_of(spec["request"])


# What each signer signs; ValueError says why not (signer.go, and pkg/apis/certificates/helpers.go).


def _check_client(spec: Object) -> None:
    usages = spec.get("usages") or ()
    for usage in usages:
        if usage not in ("client auth", "digital signature", "key encipherment"):
            raise ValueError(f"invalid usage for client certificate: {usage}")
    if "client auth" not in usages:
        raise ValueError("missing required usage for client certificate: client auth")


def _check_kubelet_client(spec: Object) -> None:
    _check_kubelet(spec, "client auth", names=())


def _check_kubelet_serving(spec: Object) -> None:
    _check_kubelet(spec, "server auth", names=("DNS", "IP"))


def _check_kubelet(spec: Object, auth: str, *, names: Sequence[str]) -> None:
    subject, kinds = subject_of(spec["request"]), kinds_of_names(spec["request"])
    if subject.organizations != ("system:nodes",):
        raise ValueError("subject organization is not system:nodes")
    if names and not kinds.intersection(names):
        raise ValueError("DNS or IP subjectAltName is required")
    for kind in sorted(kinds.difference(names)):
        raise ValueError(f"{kind} subjectAltNames are not allowed")
    wanted = [auth, "digital signature", "key encipherment"]
    usages = spec.get("usages") or ()
    if sorted({*usages, "key encipherment"}) != sorted(wanted):
        raise ValueError(f"usages did not match [{' '.join(sorted(wanted))}]")
    if not subject.common_name.startswith("system:node:"):
        raise ValueError("subject common name does not begin with system:node:")


_CHECKS: dict[str, Callable[[Object], None]] = {
    API_CLIENT: _check_client,
    KUBELET_CLIENT: _check_kubelet_client,
    KUBELET_SERVING: _check_kubelet_serving,
}

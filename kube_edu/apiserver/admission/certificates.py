"""Who may approve a signing request, who may sign it, and what no client may ask to be.

CertificateApproval, CertificateSigning, CertificateSubjectRestriction
(kubernetes, plugin/pkg/admission/certificates).
"""

from __future__ import annotations

from kube_edu.apiserver.admission import Attributes, Cluster
from kube_edu.apiserver.authorization import MASTERS, Access
from kube_edu.wire.csr import subject_of

GROUP = "certificates.k8s.io"
API_CLIENT = "kubernetes.io/kube-apiserver-client"


async def certificate_approval(attributes: Attributes, cluster: Cluster) -> None:
    if _is_update_of(attributes, "approval"):
        await _check_signer(attributes, cluster, "approve")


async def certificate_signing(attributes: Attributes, cluster: Cluster) -> None:
    """To put a certificate there, or a word on why there is none."""
    if not _is_update_of(attributes, "status"):
        return
    assert attributes.old is not None
    before, after = (o.get("status") or {} for o in (attributes.old, attributes.object))
    if any(before.get(field) != after.get(field) for field in ("certificate", "conditions")):
        await _check_signer(attributes, cluster, "sign")


async def certificate_subject_restriction(attributes: Attributes, cluster: Cluster) -> None:
    """Nobody becomes system:masters by a certificate that somebody approves in a hurry."""
    spec = attributes.object.get("spec") or {}
    if not attributes.is_about("certificatesigningrequests", "create"):
        return
    if spec.get("signerName") != API_CLIENT:
        return
    try:
        subject = subject_of(spec["request"])
    except ValueError as problem:
        raise attributes.refused(f"unable to parse csr: {problem}") from None
    if MASTERS in subject.organizations:
        raise attributes.refused(
            f'use of {API_CLIENT} signer with "{MASTERS}" group is not allowed'
        )


def _is_update_of(attributes: Attributes, subresource: str) -> bool:
    plural = attributes.resource.plural
    is_request = plural == "certificatesigningrequests" and attributes.verb == "update"
    return is_request and attributes.subresource == subresource


async def _check_signer(attributes: Attributes, cluster: Cluster, verb: str) -> None:
    """The right is on the signer by name, or on all of its domain ("example.com/*")."""
    assert attributes.old is not None
    signer = attributes.old["spec"]["signerName"]
    for name in (signer, f"{signer.partition('/')[0]}/*"):
        access = Access(attributes.user, verb, GROUP, "signers", name=name)
        if await cluster.may(access):
            return
    raise attributes.refused(f'user not permitted to {verb} requests with signerName "{signer}"')

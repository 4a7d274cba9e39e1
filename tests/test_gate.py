"""The gate of a whole cluster: everyone has an identity and the rights of it, and no more."""

from __future__ import annotations

import base64

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kube_edu import Cluster
from kube_edu.api.status import ApiError
from kube_edu.apiserver.admission import Attributes
from kube_edu.apiserver.admission import Cluster as View

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: c, image: nginx}]}
"""


def test_nobody_in_a_cluster_asks_for_what_is_not_his() -> None:
    """From boot over a rollout, a node that dies and a namespace that goes: no 401, no 403."""
    c = Cluster(nodes=3)
    c.apply(
        """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: team, namespace: shop}
spec: {hard: {pods: "3"}}
"""
    )
    c.run_until(lambda: c.ready("deployment/web"))
    c.kubectl("delete namespace shop")
    c.crash("node-2")
    c.run_for(400)
    c.restart("node-2")
    c.kubectl("delete deployment web")
    c.run_for(60)
    refused = [
        event.fields
        for event in c.trace
        if event.kind == "api.request" and event.fields["status"] in (401, 403)
    ]
    assert refused == []
    users = {event.fields["user"] for event in c.trace if event.kind == "api.write"}
    assert "system:serviceaccount:kube-system:replicaset-controller" in users
    # Of itself it writes its lease and the accounts of its controllers.
    written = {
        event.fields["object"].split("/")[0]
        for event in c.trace
        if event.kind == "api.write" and event.fields["user"] == "system:kube-controller-manager"
    }
    assert written <= {"leases", "serviceaccounts", "events"}


def test_a_pod_finds_its_token_and_the_clusters_authority() -> None:
    c = Cluster(nodes=1)
    c.apply(POD)
    c.run_until(lambda: c.ready("pod/web"))
    pod = c.get("pod/web")
    assert pod is not None
    (volume,) = pod["spec"]["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    (mount,) = pod["spec"]["containers"][0]["volumeMounts"]
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    issued = [e for e in c.trace if e.kind == "api.request" and e.fields["path"].endswith("/token")]
    assert any(
        e.fields["user"] == "system:node:node-1" and e.fields["status"] == 201 for e in issued
    )


def test_roles_that_are_made_of_others_have_their_rules() -> None:
    c = Cluster(nodes=1)
    view, edit, admin = (c.get(f"clusterrole/{name}") for name in ("view", "edit", "admin"))
    assert view and edit and admin
    assert len(view["rules"]) < len(edit["rules"]) < len(admin["rules"])
    assert all(rule in admin["rules"] for rule in edit["rules"])


def test_a_quota_is_counted_and_given_back() -> None:
    c = Cluster(nodes=1)
    c.apply(
        """
apiVersion: v1
kind: ResourceQuota
metadata: {name: team}
spec: {hard: {pods: "1"}}
"""
    )
    c.run_for(2)
    c.apply(POD)
    assert "exceeded quota: team, requested: pods=1, used: pods=1, limited: pods=1" in c.kubectl(
        "apply -f -", POD.replace("web", "second")
    )
    c.run_until(lambda: c.ready("pod/web"))
    c.kubectl("delete pod web")
    c.run_for(5)
    quota = c.get("resourcequota/team")
    assert quota is not None and quota["status"]["used"] == {"pods": "0"}


def signing_request(signer: str, common_name: str, *organizations: str) -> str:
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()
    return f"""
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: {common_name.replace(":", "-")}}}
spec:
  request: {pem}
  signerName: kubernetes.io/{signer}
  usages: [client auth, digital signature]
"""


def test_certificates_are_signed_for_kubelets_and_for_whom_somebody_approves() -> None:
    c = Cluster(nodes=1)
    node = "system:node:node-9"
    c.apply(signing_request("kube-apiserver-client-kubelet", node, "system:nodes"))
    c.apply(signing_request("kube-apiserver-client", "alice", "devs"))
    c.run_for(5)
    kubelet = c.get("csr/system-node-node-9")
    alice = c.get("csr/alice")
    assert kubelet is not None and kubelet["status"]["certificate"]
    assert alice is not None and not alice.get("status")
    masters = signing_request("kube-apiserver-client", "eve", "system:masters")
    assert "is not allowed" in c.kubectl("apply -f -", masters)
    bad = signing_request("kube-apiserver-client-kubelet", "eve", "system:masters")
    c.apply(bad)
    c.run_for(5)
    eve = c.get("csr/eve")
    assert eve is not None and not eve.get("status")


def test_rules_of_a_readers_own_stand_in_the_gate() -> None:
    async def mutate(attributes: Attributes, cluster: View) -> None:
        if attributes.is_about("pods", "create"):
            labels = attributes.object["metadata"].setdefault("labels", {})
            labels["seen"] = "yes"

    async def validate(attributes: Attributes, cluster: View) -> None:
        if attributes.is_about("pods", "create") and attributes.name == "forbidden":
            raise attributes.refused("not with me")

    asked = []

    def allows(rules: object, access: object) -> bool:
        asked.append(access)
        return True

    roles = {"admission.mutate": mutate, "admission.validate": validate, "rbac.allows": allows}
    c = Cluster(nodes=1, roles=roles)
    c.apply(POD)
    pod = c.get("pod/web")
    assert pod is not None and pod["metadata"]["labels"] == {"seen": "yes"}
    assert asked
    try:
        c.apply(POD.replace("name: web", "name: forbidden"))
    except ApiError as refusal:
        assert refusal.message == 'pods "forbidden" is forbidden: not with me'
    else:
        raise AssertionError("it was created")

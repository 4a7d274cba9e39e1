"""The gate of a live cluster, tried with the real kubectl."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.cluster import Up, folder_of, kubectl_missing

pytestmark = pytest.mark.skipif(kubectl_missing(), reason="needs kubectl")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Up]:
    with folder_of("me") as folder:
        tokens, audit = folder.parent / "tokens.csv", folder.parent / "audit.yaml"
        tokens.write_text('s3cret,bob,7,"ops,devs"\n')
        audit.write_text("rules: [{level: Metadata, resources: [{resources: [secrets]}]}]\n")
        log = folder.parent / "audit.log"
        up = Up(
            folder, "--nodes", "1", "--etcd-members", "1", "--token-auth-file", str(tokens),
            "--audit-policy-file", str(audit), "--audit-log-path", str(log),
        )  # fmt: skip
        try:
            up.wait()
            yield up
        finally:
            up.stop()


def as_bearer(cluster: Up, *words: str) -> subprocess.CompletedProcess[str]:
    """kubectl without a certificate: the words say who it is."""
    pki = cluster.folder / "pki/ca.crt"
    server = cluster.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
    return cluster.try_kubectl(
        "--kubeconfig", "/dev/null", "--server", server, "--certificate-authority", str(pki), *words
    )


def test_who_am_i_and_what_may_i(cluster: Up) -> None:
    assert "kubernetes-admin" in cluster.kubectl("auth", "whoami")
    assert cluster.kubectl("auth", "can-i", "*", "*") == "yes\n"
    assert "selfsubjectreviews" in cluster.kubectl("auth", "can-i", "--list", "--as", "alice")
    refused = cluster.try_kubectl("get", "pods", "--as", "alice", "--as-group", "a")
    assert refused.stderr == (
        'Error from server (Forbidden): pods is forbidden: User "alice" cannot list resource '
        '"pods" in API group "" in the namespace "default"\n'
    )


def test_a_token_of_a_service_account_and_one_of_a_file(cluster: Up) -> None:
    cluster.kubectl("create", "serviceaccount", "robot")
    cluster.kubectl(
        "create", "rolebinding", "robot", "--clusterrole=view", "--serviceaccount=default:robot"
    )
    token = cluster.kubectl("create", "token", "robot", "--duration", "10m").strip()
    assert "system:serviceaccount:default:robot" in as_bearer(
        cluster, "--token", token, "auth", "whoami"
    ).stdout  # fmt: skip
    assert as_bearer(cluster, "--token", token, "get", "pods").returncode == 0
    assert "Forbidden" in as_bearer(cluster, "--token", token, "get", "secrets").stderr
    assert "Unauthorized" in as_bearer(cluster, "--token", f"x{token}", "get", "pods").stderr
    assert "bob" in as_bearer(cluster, "--token", "s3cret", "auth", "whoami").stdout


def test_a_certificate_is_asked_for_approved_and_used(cluster: Up, tmp_path: Path) -> None:
    key, request, certificate = (str(tmp_path / f"alice.{end}") for end in ("key", "csr", "crt"))
    subprocess.run(
        ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
         "-subj", "/O=devs/CN=alice", "-out", request],
        check=True, capture_output=True,
    )  # fmt: skip
    encoded = base64.b64encode(Path(request).read_bytes()).decode()
    cluster.kubectl(
        "apply", "-f", "-",
        stdin=f"""
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: alice}}
spec:
  request: {encoded}
  signerName: kubernetes.io/kube-apiserver-client
  usages: [client auth]
""",
    )  # fmt: skip
    cluster.kubectl("certificate", "approve", "alice")
    issued = ("get", "csr", "alice", "-o", "jsonpath={.status.certificate}")
    cluster.kubectl("wait", "csr/alice", "--for=jsonpath={.status.certificate}")
    Path(certificate).write_bytes(base64.b64decode(cluster.kubectl(*issued)))
    told = as_bearer(
        cluster, "--client-certificate", certificate, "--client-key", key, "auth", "whoami"
    )
    assert "alice" in told.stdout and "devs" in told.stdout


def test_who_read_a_secret_is_on_record(cluster: Up) -> None:
    cluster.kubectl("create", "secret", "generic", "s", "--from-literal=password=hunter2")
    log = (cluster.folder.parent / "audit.log").read_text()
    assert '"requestURI":"/api/v1/namespaces/default/secrets' in log and "hunter2" not in log

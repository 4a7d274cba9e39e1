"""etcdctl reads the store of `kube-edu up`, with the certificates that kubeadm would have made."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.etcd.members import needed
from tests.live.cluster import Up, folder_of, kubectl_missing

pytestmark = pytest.mark.xdist_group("live")


def etcdctl(up: Up, *words: str, key: str = "apiserver-etcd-client") -> str:
    """What etcdctl prints, on stdout or stderr."""
    address = next(line for line in up.said if line.startswith("etcd answers etcdctl: "))
    pki = Path(up.folder) / "pki"
    pair = ["--cert", f"{pki}/{key}.crt", "--key", f"{pki}/{key}.key"]
    done = subprocess.run(
        [needed("etcdctl"), "--endpoints", address.partition(": ")[2], "--command-timeout=3s",
         "--cacert", f"{pki}/etcd/ca.crt", *pair, *words],
        env={**os.environ, "ETCDCTL_API": "3"}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    return done.stdout or done.stderr


@pytest.mark.skipif(kubectl_missing(), reason="kubectl is missing")
def test_what_kubectl_writes_etcdctl_reads() -> None:
    with folder_of("root") as folder:
        up = Up(folder, "--nodes", "1", "--etcd-members", "1")
        try:
            up.wait()
            up.kubectl("create", "service", "clusterip", "web", "--tcp=80")
            key = "/registry/services/specs/default/web"
            assert key in etcdctl(up, "get", "--prefix", "/registry/services", "--keys-only")
            assert '"port":80' in etcdctl(up, "get", "--print-value-only", key)
            for pair in ("apiserver-etcd-client", "etcd/server", "etcd/healthcheck-client"):
                assert "is healthy" in etcdctl(up, "endpoint", "health", key=pair), pair
            # a certificate of the API server's authority is not one of etcd's
            assert "context deadline exceeded" in etcdctl(up, "get", key, key="apiserver")
        finally:
            up.stop()

"""`kube-edu up --etcd-servers`: the API server on Debian's etcd, three members over TLS."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.etcd import certificates
from tests.etcd.members import Members, eventually, real_etcd
from tests.live.cluster import REPOSITORY, Up, folder_of, kubectl_missing

pytestmark = pytest.mark.xdist_group("live")


@pytest.fixture
def members(tmp_path: Path) -> Iterator[Members]:
    made = Members(real_etcd(), tmp_path, certificate=certificates.make(tmp_path / "pki"))
    try:
        made.start()
        yield made
    finally:
        made.close()


def flags(members: Members) -> list[str]:
    return [
        f"--etcd-servers={members.urls}",
        f"--etcd-cafile={members.certificate.parent}/ca.crt",  # type: ignore[union-attr]
        f"--etcd-certfile={members.certificate}.crt",
        f"--etcd-keyfile={members.certificate}.key",
    ]


@pytest.mark.skipif(kubectl_missing(), reason="kubectl is missing")
def test_members_die_and_come_back_while_the_cluster_works(members: Members) -> None:
    with folder_of("root") as folder:
        up = Up(folder, "--nodes", "1", *flags(members))
        try:
            up.wait()
            assert "etcd (--etcd-servers) and the API server are ready" in "\n".join(up.said)
            up.kubectl("create", "deployment", "web", "--image=nginx", "--replicas=1")
            up.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
            for number, name in enumerate(members.names):
                members.kill(name)
                # a write that was on its way through the old leader is lost, as in any cluster
                for words in (
                    ("label", "--overwrite", "deployment/web", f"without={name}"),
                    ("create", "configmap", f"without-{name}"),
                    ("scale", "deployment/web", f"--replicas={number + 2}"),
                ):
                    eventually(lambda words=words: done(up.try_kubectl(*words)))  # type: ignore[misc]
                up.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
                members.start(name)
                eventually(
                    lambda: members.try_etcdctl("endpoint", "health", "--cluster").returncode == 0
                )
            names = up.kubectl("get", "configmaps", "-o", "name").split()
            assert [name for name in names if "without" in name] == [
                f"configmap/without-{name}" for name in members.names
            ]
            assert "/registry/deployments/default/web" in members.etcdctl(
                "get", "--prefix", "/registry/deployments", "--keys-only"
            )
        finally:
            up.stop()
        assert refused(folder) == (
            f"{folder} was made with --etcd-servers: it cannot start without"
        )


def done(command: subprocess.CompletedProcess[str]) -> bool:
    """Whether it was; if it does not know, it is asked again."""
    made = command.returncode == 0 or "already exists" in command.stderr
    assert made or "etcdserver:" in command.stderr, command.stderr
    return made


def refused(folder: Path, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "kube_edu.cli", "up", "--dir", str(folder), *options],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, ""), done
    [line] = done.stderr.splitlines()
    return line.removeprefix("kube-edu up: ")


def test_what_is_wrong_is_said_before_anything_is_written(tmp_path: Path) -> None:
    folder, nowhere = tmp_path / "dir", "--etcd-servers=http://127.0.0.1:1"
    assert refused(folder, nowhere).startswith("--etcd-servers: failed to connect")
    assert refused(folder, nowhere, "--etcd-members=3") == (
        "--etcd-servers are a store already: leave out --etcd-members"
    )
    assert refused(folder, "--etcd-servers=127.0.0.1:2379") == (
        "--etcd-servers: '127.0.0.1:2379': URL scheme must be http or https"
    )
    assert refused(folder, nowhere, "--etcd-cafile=/nowhere") == (
        "cannot read /nowhere: No such file or directory"
    )
    assert not folder.exists()

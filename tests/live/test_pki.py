"""Certificates and kubeconfigs: laid out as kubeadm does, kept, and made anew when they must be."""

from __future__ import annotations

import asyncio
import base64
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from kube_edu.host import Peer, Request, Response
from kube_edu.live import pki as pki_module
from kube_edu.live.pki import Pki
from kube_edu.wire.http import HttpConnection, HttpServer

NAMES = ("kubernetes", "localhost", "127.0.0.1")


def call(server: ssl.SSLContext, client: ssl.SSLContext) -> Peer:
    """Who the server says the client is."""

    async def main() -> Peer:
        peers: list[Peer] = []

        async def handler(request: Request) -> Response:
            peers.append(request.peer)
            return Response()

        listening = HttpServer(handler)
        port = await listening.listen("127.0.0.1", 0, server)
        connection = HttpConnection(f"127.0.0.1:{port}", client)
        try:
            await connection.request(Request("GET", "/"))
        finally:
            await connection.close()
            await listening.close()
        return peers[0]

    return asyncio.run(main())


def test_a_server_sees_the_subject_of_its_clients_certificate(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    server = pki.server("apiserver", "control-1", NAMES)
    assert call(server, pki.client("admin", "control-1")) == Peer(
        "127.0.0.1", "kubernetes-admin", ("kubeadm:cluster-admins",)
    )
    assert call(server, pki.client("kubelet", "node-2")) == Peer(
        "127.0.0.1", "system:node:node-2", ("system:nodes",)
    )


def test_a_client_without_a_certificate_is_nobody(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    anonymous = ssl.create_default_context(cafile=str(tmp_path / "pki/ca.crt"))
    assert call(pki.server("apiserver", "control-1", NAMES), anonymous) == Peer("127.0.0.1")


def test_another_clusters_certificates_are_worth_nothing(tmp_path: Path) -> None:
    ours, theirs = Pki(tmp_path / "ours"), Pki(tmp_path / "theirs")
    server = ours.server("apiserver", "control-1", NAMES)
    stranger = theirs.client("admin", "control-1")
    with pytest.raises(ConnectionError):
        call(server, stranger)
    stranger.load_verify_locations(tmp_path / "ours/pki/ca.crt")
    with pytest.raises(ConnectionError):
        call(server, stranger)


def test_a_certificate_that_has_expired_is_worth_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pki = Pki(tmp_path)
    server = pki.server("apiserver", "control-1", NAMES)
    monkeypatch.setattr(pki_module, "CERTIFICATE_VALIDITY", timedelta(seconds=-1))
    with pytest.raises(ConnectionError):
        call(server, pki.client("admin", "control-1"))


def test_who_serves_with_a_certificate_may_not_call_with_it(tmp_path: Path) -> None:
    """A kubelet's, say, that names its node: what reads it must not become the node."""
    pki = Pki(tmp_path)
    server = pki.server("apiserver", "control-1", NAMES)
    pki.server("kubelet", "node-1", ["node-1"])
    caller = ssl.create_default_context(cafile=str(tmp_path / "pki/ca.crt"))
    pair = tmp_path / "pki/kubelet/node-1-server"
    caller.load_cert_chain(pair.with_suffix(".crt"), pair.with_suffix(".key"))
    with pytest.raises(ConnectionError):
        call(server, caller)


def test_the_folder_is_kubeadms(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    pki.server("apiserver", "control-1", NAMES)
    pki.client("apiserver-kubelet-client", "control-1")
    pki.etcd(NAMES)
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert files == [
        "pki/apiserver-etcd-client.crt",
        "pki/apiserver-etcd-client.key",
        "pki/apiserver-kubelet-client.crt",
        "pki/apiserver-kubelet-client.key",
        "pki/apiserver.crt",
        "pki/apiserver.key",
        "pki/ca.crt",
        "pki/ca.key",
        "pki/etcd/ca.crt",
        "pki/etcd/ca.key",
        "pki/etcd/healthcheck-client.crt",
        "pki/etcd/healthcheck-client.key",
        "pki/etcd/server.crt",
        "pki/etcd/server.key",
        "pki/sa.key",
        "pki/sa.pub",
    ]
    for path in tmp_path.rglob("*.key"):
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_a_kubeconfig_has_all_that_a_client_needs(tmp_path: Path) -> None:
    path = Pki(tmp_path).kubeconfig("admin.conf", "admin", "control-1", "https://127.0.0.1:6443")
    assert path.stat().st_mode & 0o777 == 0o600
    config = yaml.safe_load(path.read_text())
    assert config["current-context"] == "kubernetes-admin@kubernetes"
    cluster = config["clusters"][0]["cluster"]
    assert cluster["server"] == "https://127.0.0.1:6443"
    authority = (tmp_path / "pki/ca.crt").read_bytes()
    assert base64.b64decode(cluster["certificate-authority-data"]) == authority


def everything(folder: Path) -> dict[str, bytes]:
    pki = Pki(folder)
    pki.server("apiserver", "control-1", NAMES)
    pki.client("admin", "control-1")
    files = sorted(folder.rglob("*.*"))
    return {path.relative_to(pki.folder).as_posix(): path.read_bytes() for path in files}


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    assert everything(tmp_path) == everything(tmp_path)


def test_what_has_expired_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pki_module, "CERTIFICATE_VALIDITY", timedelta(seconds=-1))
    first = everything(tmp_path)
    monkeypatch.undo()
    second = everything(tmp_path)
    assert second["apiserver.crt"] != first["apiserver.crt"]
    assert second["ca.crt"] == first["ca.crt"]
    assert second == everything(tmp_path)


def test_a_new_authority_signs_everything_anew(tmp_path: Path) -> None:
    first = everything(tmp_path)
    (tmp_path / "pki/ca.key").unlink()
    second = everything(tmp_path)
    for name in ("ca.crt", "apiserver.crt", "clients/admin.crt"):
        assert second[name] != first[name]


def test_a_server_with_new_names_gets_a_new_certificate(tmp_path: Path) -> None:
    everything(tmp_path)
    pki = Pki(tmp_path)
    before = (tmp_path / "pki/apiserver.crt").read_bytes()
    pki.server("apiserver", "control-1", (*NAMES, "127.96.0.1"))
    assert (tmp_path / "pki/apiserver.crt").read_bytes() != before

"""`kube-edu etcd` as a program: members that die and come back, and what keeps one from it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kube_edu.etcd import EtcdClient, EtcdError
from kube_edu.etcd.messages import PutRequest, RangeRequest
from kube_edu.live.etcd_grpc import connections
from kube_edu.live.tls import Tls
from kube_edu.live.urls import parse_urls
from tests.etcd import certificates
from tests.etcd.members import OURS, REPOSITORY, Members, eventually

pytestmark = pytest.mark.xdist_group("etcd program")


@pytest.fixture
def members(tmp_path: Path) -> Iterator[Members]:
    made = Members(OURS, tmp_path)
    yield made
    made.close()


def ask(urls: str, *requests: PutRequest | RangeRequest, tls: Tls | None = None) -> list[str]:
    """What is answered to each: its values, or its error."""

    async def one(client: EtcdClient, request: PutRequest | RangeRequest) -> str:
        try:
            if isinstance(request, PutRequest):
                await client.put(request)
                return "OK"
            found = await client.range(request)
            return " ".join(kv.value.decode() for kv in found.kvs)
        except EtcdError as error:
            return str(error)

    async def main() -> list[str]:
        clients = connections(parse_urls("endpoints", urls), tls or Tls())
        client = EtcdClient(clients)
        answers = [await one(client, request) for request in requests]
        for each in clients:
            await each.close()
        return answers

    return asyncio.run(main())


def put(key: str, value: str) -> PutRequest:
    return PutRequest(key.encode(), value.encode())


def get(key: str) -> RangeRequest:
    return RangeRequest(key.encode())


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_members_die_and_come_back_while_the_cluster_works(members: Members) -> None:
    members.start()
    assert ask(members.urls, put("a", "0")) == ["OK"]
    for number, name in enumerate(members.names):
        members.kill(name)
        others = ",".join(members.client_url(each) for each in members.names if each != name)
        key = f"while {name} is away"
        assert ask(others, put(key, f"{number}"), get("a")) == ["OK", f"{number or 0}"]
        members.start(name)
        assert ask(members.client_url(name), get(key)) == [f"{number}"]  # it has caught up
        assert ask(members.client_url(name), put("a", f"{number + 1}")) == ["OK"]
    for name in members.names:
        members.kill(name)
    members.start()
    assert ask(members.client_url("m2"), get("a")) == ["3"]
    assert [members.kill(name, signal.SIGTERM) for name in members.names] == [0, 0, 0]


def test_without_a_majority_it_gives_up_and_never_answers_wrong(members: Members) -> None:
    members.start()
    url = members.client_url("m1")
    assert ask(url, put("a", "1")) == ["OK"]
    assert fetch(f"{members.metrics_url('m1')}/health") == (200, '{"health":"true","reason":""}\n')
    members.kill("m2")
    members.kill("m3")
    timed_out = "Unavailable: etcdserver: request timed out"
    assert ask(url, get("a")) == [timed_out]
    stale = RangeRequest(b"a", serializable=True)
    assert ask(url, stale) == ["1"]
    status, body = fetch(f"{members.metrics_url('m1')}/health")
    assert (status, json.loads(body)) == (503, {"health": "false", "reason": "RAFT NO LEADER"})


def test_metrics_have_etcds_names(tmp_path: Path) -> None:
    members = Members(OURS, tmp_path, ["solo"])
    try:
        members.start()
        assert ask(members.urls, put("a", "1"), put("b", "2")) == ["OK", "OK"]
        status, text = fetch(f"{members.metrics_url('solo')}/metrics")
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        puts = 'grpc_code="OK",grpc_method="Put",grpc_service="etcdserverpb.KV"'
        assert status == 200
        assert values["etcd_server_has_leader"] == "1.0"
        assert values["etcd_server_is_leader"] == "1.0"
        assert values["etcd_debugging_mvcc_keys_total"] == "2.0"
        assert values["grpc_server_handled_total{" + puts + "}"] == "2.0"
    finally:
        members.close()


def test_a_member_of_another_cluster_is_refused(members: Members) -> None:
    members.start("m1", "m2")
    flags = [*members.flags("m3"), "--initial-cluster-token=other"]
    with (members.folder / "m3.log").open("wb") as log:
        members.processes["m3"] = subprocess.Popen([*OURS, *flags], cwd=REPOSITORY, stdout=log)
    eventually(lambda: "cluster ID mismatch" in members.log("m1"))
    assert ask(members.client_url("m1"), put("a", "1"), get("a")) == ["OK", "1"]


def test_tls_keeps_out_who_has_no_certificate(tmp_path: Path) -> None:
    ours, theirs = (certificates.make(tmp_path / name) for name in ("ours", "theirs"))
    members = Members(OURS, tmp_path, ["solo"], ours)
    try:
        members.start()
        url = members.client_url("solo")
        ca = f"{ours.parent}/ca.crt"
        right = Tls(f"{ours}.crt", f"{ours}.key", ca)
        assert ask(url, put("a", "1"), get("a"), tls=right) == ["OK", "1"]
        stranger = Tls(f"{theirs}.crt", f"{theirs}.key", ca)
        nobody, elsewhere = Tls(ca=ca), Tls(f"{ours}.crt", f"{ours}.key", f"{theirs.parent}/ca.crt")
        for tls in (stranger, nobody, elsewhere):
            [answer] = ask(url, get("a"), tls=tls)
            assert answer.startswith("Unavailable: ")
        [answer] = ask(url.replace("https", "http"), get("a"))
        assert answer.startswith("Unavailable: ")
    finally:
        members.close()


class TestOneLine:
    """What is wrong is said in one line, and the exit status is 1."""

    def refused(self, folder: Path, *flags: str) -> str:
        done = subprocess.run(
            [*OURS, f"--data-dir={folder / 'data'}", *flags],
            cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, ""), done
        [line] = done.stderr.splitlines()
        return line.removeprefix("kube-edu etcd: ")

    @pytest.mark.parametrize(
        ("flags", "line"),
        [
            (
                "--listen-client-urls=http://127.0.0.1:1",
                "--advertise-client-urls is required when --listen-client-urls is set explicitly",
            ),
            (
                "--name=a --initial-cluster=b=http://127.0.0.1:2380",
                'couldn\'t find local name "a" in the initial cluster configuration',
            ),
            (
                "--initial-cluster=default=http://10.0.0.1:2380",
                "--initial-cluster has default=http://10.0.0.1:2380 but missing from "
                "--initial-advertise-peer-urls=http://localhost:2380",
            ),
            (
                "--initial-cluster=default",
                "--initial-cluster: 'default' is not NAME=URL, one for each member",
            ),
            (
                "--listen-peer-urls=ftp://127.0.0.1:1",
                "--listen-peer-urls: 'ftp://127.0.0.1:1': URL scheme must be http or https",
            ),
            (
                "--listen-peer-urls=http://127.0.0.1",
                "--listen-peer-urls: 'http://127.0.0.1': "
                'URL address does not have the form "host:port"',
            ),
            (
                "--listen-peer-urls=http://example.test:2380",
                "--listen-peer-urls: 'http://example.test:2380': expected IP in URL for binding",
            ),
            (
                "--initial-cluster-state=old",
                '--initial-cluster-state: invalid value "old"',
            ),
            ("--client-cert-auth", "--client-cert-auth needs --trusted-ca-file"),
            (
                "--listen-metrics-urls=https://127.0.0.1:1",
                "https://127.0.0.1:1 needs --cert-file and --key-file",
            ),
            (
                "--cert-file=/nowhere --key-file=/nowhere",
                "cannot read /nowhere: No such file or directory",
            ),
        ],
    )
    def test_flags(self, tmp_path: Path, flags: str, line: str) -> None:
        assert self.refused(tmp_path, *flags.split()) == line
        assert not (tmp_path / "data").exists()

    def test_a_file_that_is_no_certificate(self, tmp_path: Path) -> None:
        (tmp_path / "ca").write_text("nonsense")
        line = self.refused(tmp_path, f"--trusted-ca-file={tmp_path}/ca")
        assert line.startswith(f"{tmp_path}/ca: ")

    def test_ports_and_folders_in_use(self, tmp_path: Path) -> None:
        members = Members(OURS, tmp_path, ["solo"])
        try:
            members.start()
            line = self.refused(tmp_path, *members.flags("solo"))
            assert line == f"--data-dir: {tmp_path}/solo is in use by another member"
            flags = [*members.flags("solo"), f"--data-dir={tmp_path}/other"]
            port = urlsplit(members.client_url("solo")).port
            assert self.refused(tmp_path, *flags) == f"cannot listen on 127.0.0.1:{port}"
        finally:
            members.close()

    def test_the_data_of_another_member_and_damaged_data(self, tmp_path: Path) -> None:
        members = Members(OURS, tmp_path, ["solo"])
        try:
            members.start()
            assert ask(members.urls, *(put("a", f"{n}") for n in range(5))) == ["OK"] * 5
            members.kill("solo")
            flags = [*members.flags("solo"), "--name=other"]
            url = next(flag for flag in flags if flag.startswith("--initial-cluster="))
            line = self.refused(tmp_path, *flags, url.replace("=solo=", "=other="))
            assert line == "member/wal belongs to member 'solo', and this is 'other'"
            wal = tmp_path / "solo/member/wal"
            data = bytearray(wal.read_bytes())
            data[len(data) // 2] ^= 1
            wal.write_bytes(data)
            assert "member/wal is damaged at byte" in self.refused(tmp_path, *members.flags("solo"))
        finally:
            members.close()

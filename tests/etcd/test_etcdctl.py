"""Debian's etcdctl drives three members of `kube-edu etcd`, over TLS with client certificates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.etcd import certificates
from tests.etcd.members import OURS, Members, eventually, needed

pytestmark = pytest.mark.xdist_group("etcdctl")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    needed("etcdctl")
    folder = tmp_path_factory.mktemp("etcdctl")
    members = Members(OURS, folder, certificate=certificates.make(folder / "pki"))
    try:
        members.start()
        yield members
    finally:
        members.close()


@pytest.fixture
def members(cluster: Members) -> Members:
    """With an empty store."""
    cluster.etcdctl("del", "", "--from-key")
    return cluster


def status(members: Members) -> list[dict[str, object]]:
    """What each member says of itself, in the order of their names."""
    found = json.loads(members.etcdctl("endpoint", "status", "-w", "json"))
    return [each["Status"] for each in found]


def leader(members: Members) -> str:
    [name] = [
        name
        for name, its in zip(members.names, status(members), strict=True)
        if its["leader"] == its["header"]["member_id"]  # type: ignore[index]
    ]
    return name


def test_put_and_get_in_all_its_forms(members: Members) -> None:
    ctl = members.etcdctl
    assert ctl("put", "fruit/apple", "red") == "OK\n"
    assert ctl("put", "fruit/pear", "green") == "OK\n"
    assert ctl("put", "grain", stdin="rye") == "OK\n"
    assert ctl("put", "--prev-kv", "fruit/apple", "yellow") == "OK\nfruit/apple\nred\n"
    assert ctl("get", "fruit/apple") == "fruit/apple\nyellow\n"
    assert ctl("get", "fruit/apple", "--print-value-only") == "yellow\n"
    assert ctl("get", "nothing") == ""
    prefix = ("get", "--prefix", "fruit/")
    assert ctl(*prefix) == "fruit/apple\nyellow\nfruit/pear\ngreen\n"
    assert ctl(*prefix, "--keys-only").split() == ["fruit/apple", "fruit/pear"]
    assert ctl(*prefix, "--limit=1", "--order=DESCEND").startswith("fruit/pear\n")
    by_value = ctl("get", "", "--prefix", "--sort-by=VALUE", "--keys-only")
    assert by_value.split() == ["fruit/pear", "grain", "fruit/apple"]
    assert ctl("get", "fruit/pear", "--from-key", "--keys-only").split() == ["fruit/pear", "grain"]
    assert ctl("get", "fruit/apple", "fruit/pear").split() == ["fruit/apple", "yellow"]
    assert '"Count" : 2\n' in ctl(*prefix, "--limit=1", "-w", "fields")
    found = json.loads(ctl("get", "fruit/apple", "-w", "json"))
    before = found["kvs"][0]["create_revision"]
    assert found["kvs"][0]["version"] == 2
    assert ctl("get", "fruit/apple", f"--rev={before}", "--print-value-only") == "red\n"
    assert ctl("get", "fruit/apple", "--consistency=s", "--print-value-only") == "yellow\n"
    assert ctl("del", "--prefix", "--prev-kv", "fruit/").startswith("2\nfruit/apple\nyellow\n")


def test_watch(members: Members) -> None:
    members.etcdctl("put", "a", "0")
    start = json.loads(members.etcdctl("get", "a", "-w", "json"))["header"]["revision"]
    watch = members.open_etcdctl("watch", "-i")
    assert watch.stdin is not None

    def lines(count: int) -> list[str]:
        assert watch.stdout is not None
        return [watch.stdout.readline().rstrip() for _ in range(count)]

    def say(line: str) -> None:
        assert watch.stdin is not None
        watch.stdin.write(f"{line}\n")
        watch.stdin.flush()

    say(f"watch --prefix a --prev-kv --rev={start}")
    assert lines(3) == ["PUT", "a", "0"]
    members.etcdctl("put", "a", "1")
    assert lines(5) == ["PUT", "a", "0", "a", "1"]
    say("progress")
    assert lines(1) == [f"progress notify: {start + 1}"]
    say("watch b")
    members.etcdctl("put", "ab", "2")
    assert lines(3) == ["PUT", "ab", "2"]
    members.etcdctl("del", "ab")
    assert lines(4) == ["DELETE", "ab", "2", "ab"]
    watch.terminate()
    watch.wait()


def test_a_transaction(members: Members) -> None:
    members.etcdctl("put", "a", "1")
    text = 'value("a") = "1"\nmod("b") = "0"\n\nput b "two words"\nget a\n\nget b\n\n'
    assert members.etcdctl("txn", stdin=text) == "SUCCESS\n\nOK\n\na\n1\n"
    assert members.etcdctl("txn", stdin=text) == "FAILURE\n\nb\ntwo words\n"


def test_leases(members: Members) -> None:
    lease = members.etcdctl("lease", "grant", "100").split()[1]
    members.etcdctl("put", "a", "1", f"--lease={lease}")
    assert lease in members.etcdctl("lease", "list")
    about = members.etcdctl("lease", "timetolive", "--keys", lease)
    assert f"lease {lease} granted with TTL(100s)" in about
    assert "attached keys([a])" in about
    kept = members.etcdctl("lease", "keep-alive", "--once", lease)
    assert kept == f"lease {lease} keepalived with TTL(100)\n"
    assert members.etcdctl("lease", "revoke", lease) == f"lease {lease} revoked\n"
    assert members.etcdctl("get", "a") == ""
    gone = members.try_etcdctl("lease", "revoke", lease)
    assert "etcdserver: requested lease not found" in gone.stderr


def test_a_lock_is_held_by_one_at_a_time(members: Members) -> None:
    holder = members.open_etcdctl("lock", "door")
    assert holder.stdout is not None
    assert holder.stdout.readline().startswith("door/")
    waiter = members.open_etcdctl("lock", "door", "echo", "mine")
    eventually(lambda: len(members.etcdctl("get", "--prefix", "door/", "--keys-only").split()) == 2)
    assert waiter.poll() is None
    holder.terminate()
    assert waiter.communicate(timeout=30)[0] == "mine\n"
    holder.wait()


def test_an_election(members: Members) -> None:
    first = members.open_etcdctl("elect", "crown", "one")
    assert first.stdout is not None
    assert first.stdout.readline().startswith("crown/")
    assert first.stdout.readline() == "one\n"
    observer = members.open_etcdctl("elect", "--listen", "crown")
    assert observer.stdout is not None
    assert [observer.stdout.readline() for _ in range(2)][1] == "one\n"
    second = members.open_etcdctl("elect", "crown", "two")
    first.terminate()
    assert [observer.stdout.readline() for _ in range(2)][1] == "two\n"
    for process in (second, observer):
        process.terminate()
    for process in (first, second, observer):
        process.wait()


def test_members_and_their_state(members: Members) -> None:
    lines = members.etcdctl("member", "list").splitlines()
    listed = {line.split(", ")[2]: line.split(", ") for line in lines}
    assert list(listed) == ["m1", "m2", "m3"]
    for name, words in listed.items():
        assert words[1] == "started"
        assert words[4] == members.client_url(name)
    members.etcdctl("put", "a", "1")
    assert len({its["leader"] for its in status(members)}) == 1  # type: ignore[index]
    assert leader(members) in members.names
    health = members.try_etcdctl("endpoint", "health", "--cluster")
    assert (health.stdout + health.stderr).count("is healthy") == 3
    hashes = members.etcdctl("endpoint", "hashkv", "--cluster").splitlines()
    assert len({line.split(", ")[1] for line in hashes}) == 1


def test_compaction_and_maintenance(members: Members, tmp_path: Path) -> None:
    for value in "123":
        members.etcdctl("put", "a", value)
    kv = json.loads(members.etcdctl("get", "a", "-w", "json"))["kvs"][0]
    last = kv["mod_revision"]
    assert members.etcdctl("compaction", f"{last}") == f"compacted revision {last}\n"
    old = members.try_etcdctl("get", "a", f"--rev={last - 1}")
    assert "etcdserver: mvcc: required revision has been compacted" in old.stderr
    future = members.try_etcdctl("compaction", f"{last + 99}")
    assert "etcdserver: mvcc: required revision is a future revision" in future.stderr
    defragmented = members.try_etcdctl("defrag", "--cluster")
    assert (defragmented.stdout + defragmented.stderr).count("Finished defragmenting") == 3
    assert members.etcdctl("alarm", "list") == ""
    snapshot = tmp_path / "snapshot"
    members.etcdctl("snapshot", "save", str(snapshot), among=["m2"])
    assert snapshot.stat().st_size % 512 == 32


def test_a_new_cluster_is_made_from_a_snapshot(members: Members, tmp_path: Path) -> None:
    lease = members.etcdctl("lease", "grant", "100").split()[1]
    members.etcdctl("put", "a", "1", f"--lease={lease}")
    members.etcdctl("put", "a", "2", f"--lease={lease}")
    file = tmp_path / "snapshot"
    members.etcdctl("snapshot", "save", str(file), among=["m1"])
    members.etcdctl("lease", "revoke", lease)
    made = Members(OURS, tmp_path, ["n1", "n2", "n3"])
    try:
        for name in made.names:
            assert "has the store at revision" in made.restore(file, name).stdout
        made.start()
        assert made.etcdctl("get", "a") == "a\n2\n"
        assert lease in made.etcdctl("lease", "list")
        assert made.etcdctl("member", "list").count(", n") == 3
        again = made.restore(file, "n1")
        assert again.stderr.endswith("n1 has a member already\n")
        damaged = bytearray(file.read_bytes())
        damaged[100] ^= 1
        file.write_bytes(damaged)
        made.open_ports("n4")
        made.names.append("n4")
        refused = made.restore(file, "n4")
        text = "it is damaged: its SHA-256 does not match"
        assert refused.stderr == f"kube-edu etcd-restore: {file}: {text}\n"
        assert not (tmp_path / "n4").exists()
    finally:
        made.close()


def test_the_leader_moves_on_request(members: Members) -> None:
    before = leader(members)
    after = next(name for name in members.names if name != before)
    ids = {its["header"]["member_id"]: None for its in status(members)}  # type: ignore[index]
    target = f"{list(ids)[members.names.index(after)]:x}"
    assert "Leadership transferred" in members.etcdctl("move-leader", target)
    assert leader(members) == after
    nobody = members.try_etcdctl("move-leader", "1234", among=[after])
    assert "etcdserver: bad leader transferee" in nobody.stderr


def test_members_come_and_go(members: Members) -> None:
    members.etcdctl("put", "a", "1")
    members.names.append("m4")
    members.open_ports("m4")
    try:
        added = members.etcdctl(
            "member", "add", "m4", "--learner", f"--peer-urls={members.peer_url('m4')}",
            among=["m1"],
        )  # fmt: skip
        id = added.split()[1]
        again = members.try_etcdctl(
            "member", "add", "m5", f"--peer-urls={members.peer_url('m4')}", among=["m1"]
        )
        assert "etcdserver: Peer URLs already exists" in again.stderr
        listed = members.etcdctl("member", "list", among=["m1"])
        assert f"{id}, unstarted, , {members.peer_url('m4')}, , true\n" in listed
        members.start("m4", state="existing")
        promote = ("member", "promote", id)
        eventually(lambda: members.try_etcdctl(*promote, among=["m1"]).returncode == 0)
        assert members.etcdctl("get", "a", among=["m4"]) == "a\n1\n"
        urls = f"{members.peer_url('m4')}, {members.client_url('m4')}"
        entry = f"{id}, started, m4, {urls}, false\n"
        eventually(lambda: entry in members.etcdctl("member", "list", among=["m4"]))
        elsewhere = f"--peer-urls={members.peer_url('m4')}"
        assert "updated" in members.etcdctl("member", "update", id, elsewhere, among=["m1"])
        assert "removed" in members.etcdctl("member", "remove", id, among=["m1"])
        eventually(lambda: members.processes["m4"].poll() == 0)
        assert "permanently removed from the cluster" in members.log("m4")
        unknown = members.try_etcdctl("member", "remove", id, among=["m1"])
        assert "etcdserver: member not found" in unknown.stderr
    finally:
        members.names.remove("m4")
    assert members.etcdctl("member", "list").count("started") == 3


def test_without_a_certificate_nobody_gets_in(members: Members) -> None:
    environment = ("--cert=", "--key=", "--command-timeout=2s")
    refused = members.try_etcdctl(*environment, "get", "a")
    assert refused.returncode != 0

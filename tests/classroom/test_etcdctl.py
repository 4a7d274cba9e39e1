"""The small etcdctl of lab 03 prints what Debian's etcdctl does."""

import json
import re
import shlex
from pathlib import Path

import pytest

from kube_edu.classroom.etcd.cluster import EtcdCluster
from tests.etcd.members import OURS, Members

pytestmark = pytest.mark.xdist_group("etcdctl")

TXN = (
    'mod("greeting") = "2"\n\nput other one\nget other\ndel other\n\nget greeting\nget nothing\n\n'
)
COMMANDS = [
    ("put greeting hello", ""),
    ("get greeting -w fields", ""),
    ("txn", TXN),
    ("put greeting 'good morning'", ""),
    ("txn", TXN),
    ("get greeting --rev 2", ""),
    ("get --prefix gr --keys-only", ""),
    ("get nothing", ""),
    ("get greeting --rev 99", ""),
    ("compaction 4", ""),
    ("get greeting --rev 3", ""),
    ("del --prefix gr", ""),
    ("lease grant 60", ""),
    ("put here yes --lease LEASE", ""),
    ("lease keep-alive --once LEASE", ""),
    ("lease revoke LEASE", ""),
    ("lease timetolive LEASE", ""),
    ("put x y --lease LEASE", ""),
]


def test_it_prints_what_the_real_one_prints(tmp_path: Path) -> None:
    small, members = EtcdCluster(members=1), Members(OURS, tmp_path, names=("m1",))
    try:
        members.start()
        leases = {"small": "", "real": ""}
        for command, stdin in COMMANDS:
            ours = str(small.etcdctl(command.replace("LEASE", leases["small"]), stdin))
            words = shlex.split(command.replace("LEASE", leases["real"]))
            done = members.try_etcdctl(*words, stdin=stdin)
            theirs = done.stdout + _error(done.stderr)
            if command.startswith("lease grant"):
                leases = {"small": ours.split()[1], "real": theirs.split()[1]}
            assert _same(ours) == _same(theirs), command
    finally:
        members.close()


def _error(stderr: str) -> str:
    """Of what a client logs as JSON, and says as text, the message."""
    found = re.search(r"Error: (?:rpc error: code = \w+ desc = )?(.*)", stderr)
    return f"Error: {found[1]}" if found else json.dumps(stderr) if stderr else ""


def _same(text: str) -> list[str]:
    """Without what differs from one store to another."""
    text = re.sub(r'"(ClusterID|MemberID|RaftTerm)" : \d+', "", text)
    return re.sub(r"[0-9a-f]{16}", "LEASE", text).strip().splitlines()

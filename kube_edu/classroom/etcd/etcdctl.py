"""A small etcdctl for notebooks: its commands, flags and words (etcd: etcdctl/ctlv3/command)."""

from __future__ import annotations

import argparse
import re
import shlex
from typing import Any, NoReturn

from kube_edu.classroom.etcd.client import compare
from kube_edu.classroom.etcd.client import delete as op_delete
from kube_edu.classroom.etcd.client import get as op_get
from kube_edu.classroom.etcd.client import put as op_put
from kube_edu.etcd import EtcdClient, EtcdError
from kube_edu.etcd.messages import (
    CompactionRequest,
    DeleteRangeRequest,
    KeyValue,
    LeaseGrantRequest,
    LeaseKeepAliveRequest,
    LeaseRevokeRequest,
    LeaseTimeToLiveRequest,
    PutRequest,
    RangeRequest,
    RangeResponse,
    RequestOp,
    ResponseOp,
    TxnRequest,
    prefix_end,
)

COMPARISON = re.compile(r'(\w+)\("(.*)"\) *([=!<>]+) *"(.*)"')


SWITCH: dict[str, Any] = {"action": "store_true"}
NUMBER: dict[str, Any] = {"type": int, "default": 0}
LEASE: dict[str, Any] = {"type": lambda text: int(text, 16), "default": 0}
KEY: dict[str, Any] = {"type": str.encode}

SYNTAX: dict[str, dict[str, dict[str, Any]]] = {
    "get": {
        "key": KEY,
        "--prefix": SWITCH,
        "--keys-only": SWITCH,
        "--rev": NUMBER,
        "-w": {"choices": ["simple", "fields"]},
    },
    "put": {"key": KEY, "value": KEY, "--lease": LEASE},
    "del": {"key": KEY, "--prefix": SWITCH},
    "txn": {},
    "compaction": {"revision": NUMBER},
    "lease grant": {"ttl": NUMBER},
    "lease revoke": {"lease": LEASE},
    "lease keep-alive": {"lease": LEASE, "--once": SWITCH | {"required": True}},
    "lease timetolive": {"lease": LEASE, "--keys": SWITCH},
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise EtcdError("InvalidArgument", message)


async def etcdctl(client: EtcdClient, command: str, stdin: str = "") -> str:
    """What a command prints; an error as etcdctl prints it."""
    try:
        first, *rest = shlex.split(command)
        name = f"{first} {rest.pop(0)}" if first == "lease" and rest else first
        if name not in SYNTAX:
            raise EtcdError("InvalidArgument", f'unknown command "{name}" for "etcdctl"')
        parser = _Parser(add_help=False)
        for word, kind in SYNTAX[name].items():
            parser.add_argument(word, **kind)
        return "\n".join(await _run(client, name, parser.parse_args(rest), stdin))
    except EtcdError as error:
        return f"Error: {error.message}"


async def _run(client: EtcdClient, name: str, words: Any, stdin: str) -> list[str]:
    match name:
        case "get":
            interval = _interval(words)
            request = RangeRequest(*interval, revision=words.rev, keys_only=words.keys_only)
            answer = await client.range(request)
            if words.w == "fields":
                return _fields(answer)
            return [line for kv in answer.kvs for line in _pair(kv)]
        case "put":
            await client.put(PutRequest(words.key, words.value, words.lease))
            return ["OK"]
        case "del":
            return [str((await client.delete_range(DeleteRangeRequest(*_interval(words)))).deleted)]
        case "txn":
            done = await client.txn(_txn(stdin))
            answers = [line for response in done.responses for line in _answer(response)]
            return ["SUCCESS" if done.succeeded else "FAILURE", *answers]
        case "compaction":
            await client.compact(CompactionRequest(words.revision))
            return [f"compacted revision {words.revision}"]
        case "lease grant":
            granted = await client.lease_grant(LeaseGrantRequest(words.ttl))
            return [f"lease {granted.ID:016x} granted with TTL({granted.TTL}s)"]
    return [f"lease {words.lease:016x} {await _lease(client, name, words)}"]


async def _lease(client: EtcdClient, name: str, words: Any) -> str:
    if name == "lease revoke":
        await client.lease_revoke(LeaseRevokeRequest(words.lease))
        return "revoked"
    if name == "lease keep-alive":
        kept = await client.lease_keep_alive(LeaseKeepAliveRequest(words.lease))
        return f"keepalived with TTL({kept.TTL})" if kept.TTL else "expired or revoked."
    left = await client.lease_time_to_live(LeaseTimeToLiveRequest(words.lease, words.keys))
    if left.TTL < 0:
        return "already expired"
    keys = f", attached keys([{' '.join(key.decode() for key in left.keys)}])" if words.keys else ""
    return f"granted with TTL({left.grantedTTL}s), remaining({left.TTL}s){keys}"


def _interval(words: Any) -> tuple[bytes, bytes]:
    return words.key, prefix_end(words.key) if words.prefix else b""


def _pair(kv: KeyValue) -> list[str]:
    return [kv.key.decode(), kv.value.decode()]


def _fields(answer: RangeResponse) -> list[str]:
    assert answer.header is not None
    header = answer.header
    rows: list[tuple[str, Any]] = [
        ("ClusterID", header.cluster_id),
        ("MemberID", header.member_id),
        ("Revision", header.revision),
        ("RaftTerm", header.raft_term),
    ]
    for kv in answer.kvs:
        rows += [
            ("Key", f'"{kv.key.decode()}"'),
            ("CreateRevision", kv.create_revision),
            ("ModRevision", kv.mod_revision),
            ("Version", kv.version),
            ("Value", f'"{kv.value.decode()}"'),
            ("Lease", kv.lease),
        ]
    rows += [("More", str(answer.more).lower()), ("Count", answer.count)]
    return [f'"{name}" : {value}' for name, value in rows]


def _txn(stdin: str) -> TxnRequest:
    """Three paragraphs: comparisons, what to do if they hold, what if they do not."""
    compares, success, failure = ([*map(str.strip, part.splitlines())] for part in
                                  (stdin.strip("\n") + "\n\n\n\n").split("\n\n")[:3])  # fmt: skip
    found = [COMPARISON.fullmatch(line) for line in compares if line]
    if None in found:
        raise EtcdError("InvalidArgument", f"malformed comparison: {compares}")
    holds = tuple(compare(m[1], m[2], m[3], m[4]) for m in found if m)
    return TxnRequest(holds, _ops(success), _ops(failure))


def _ops(lines: list[str]) -> tuple[RequestOp, ...]:
    makers: dict[str, Any] = {"put": op_put, "get": op_get, "del": op_delete}
    return tuple(makers[verb](*args) for verb, *args in map(shlex.split, lines) if verb)


def _answer(response: ResponseOp) -> list[str]:
    if response.response_range is not None:
        return ["", *(line for kv in response.response_range.kvs for line in _pair(kv))]
    if response.response_delete_range is not None:
        return ["", str(response.response_delete_range.deleted)]
    return ["", "OK"]

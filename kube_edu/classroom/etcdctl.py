"""A small etcdctl for notebooks: its commands, flags and words (etcd: etcdctl/ctlv3/command)."""

from __future__ import annotations

import argparse
import re
import shlex
from typing import Any, NoReturn

from kube_edu.classroom.etcd_client import compare
from kube_edu.classroom.etcd_client import delete as op_delete
from kube_edu.classroom.etcd_client import get as op_get
from kube_edu.classroom.etcd_client import put as op_put
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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise EtcdError("InvalidArgument", message)


async def etcdctl(client: EtcdClient, command: str, stdin: str = "") -> str:
    """What a command prints; an error as etcdctl prints it."""
    try:
        words = _parser().parse_args(shlex.split(command))
        return "\n".join(await _run(client, words, stdin))
    except EtcdError as error:
        return f"Error: {error.message}"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="etcdctl", add_help=False)
    commands = parser.add_subparsers(dest="command", required=True)
    get = commands.add_parser("get", add_help=False)
    get.add_argument("key")
    get.add_argument("--prefix", action="store_true")
    get.add_argument("--rev", type=int, default=0)
    get.add_argument("--keys-only", action="store_true")
    get.add_argument("-w", choices=["simple", "fields"], default="simple")
    put = commands.add_parser("put", add_help=False)
    put.add_argument("key")
    put.add_argument("value")
    put.add_argument("--lease", default="0")
    delete = commands.add_parser("del", add_help=False)
    delete.add_argument("key")
    delete.add_argument("--prefix", action="store_true")
    commands.add_parser("txn", add_help=False)
    commands.add_parser("compaction", add_help=False).add_argument("revision", type=int)
    lease = commands.add_parser("lease", add_help=False).add_subparsers(dest="what", required=True)
    lease.add_parser("grant", add_help=False).add_argument("ttl", type=int)
    lease.add_parser("revoke", add_help=False).add_argument("lease")
    alive = lease.add_parser("keep-alive", add_help=False)
    alive.add_argument("--once", action="store_true", required=True)
    alive.add_argument("lease")
    left = lease.add_parser("timetolive", add_help=False)
    left.add_argument("lease")
    left.add_argument("--keys", action="store_true")
    return parser


async def _run(client: EtcdClient, words: Any, stdin: str) -> list[str]:
    match words.command:
        case "get":
            key, end = _interval(words)
            request = RangeRequest(key, end, revision=words.rev, keys_only=words.keys_only)
            answer = await client.range(request)
            if words.w == "fields":
                return _fields(answer)
            return [line for kv in answer.kvs for line in _pair(kv)]
        case "put":
            lease = int(words.lease, 16)
            await client.put(PutRequest(words.key.encode(), words.value.encode(), lease))
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
    return [await _lease(client, words)]


async def _lease(client: EtcdClient, words: Any) -> str:
    if words.what == "grant":
        granted = await client.lease_grant(LeaseGrantRequest(words.ttl))
        return f"lease {granted.ID:016x} granted with TTL({granted.TTL}s)"
    id = int(words.lease, 16)
    if words.what == "revoke":
        await client.lease_revoke(LeaseRevokeRequest(id))
        return f"lease {id:016x} revoked"
    if words.what == "keep-alive":
        kept = await client.lease_keep_alive(LeaseKeepAliveRequest(id))
        if not kept.TTL:
            return f"lease {id:016x} expired or revoked."
        return f"lease {id:016x} keepalived with TTL({kept.TTL})"
    left = await client.lease_time_to_live(LeaseTimeToLiveRequest(id, words.keys))
    if left.TTL < 0:
        return f"lease {id:016x} already expired"
    keys = f", attached keys([{' '.join(key.decode() for key in left.keys)}])" if words.keys else ""
    return f"lease {id:016x} granted with TTL({left.grantedTTL}s), remaining({left.TTL}s){keys}"


def _interval(words: Any) -> tuple[bytes, bytes]:
    key = words.key.encode()
    return key, prefix_end(key) if words.prefix else b""


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

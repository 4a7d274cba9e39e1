"""A key-value server that speaks RESP, the protocol of Redis (redis.io, "Redis serialization
protocol specification"), and its client.

A follower (`redis-server --replicaof HOST PORT`) copies the leader every second, and refuses
writes. Real Redis streams its writes to followers instead.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from kube_edu.kubelet.cri.programs.container import CommandError, Container

PORT = 6379
REPLICATION_SECONDS = 1.0
REPLICATION_TIMEOUT = 5.0

WRITES = ("SET", "DEL", "INCR", "RPUSH")
READ_ONLY = "READONLY You can't write against a read only replica."


class Refused(Exception):
    """An error reply."""


class KeyValueServer:
    """The data and the commands, without any network."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        """Texts, and lists of texts."""
        self.leader: tuple[str, int] | None = None

    def answer(self, request: bytes) -> bytes:
        """The RESP reply to a RESP (or plain inline) command."""
        words = decode(request) if request.startswith(b"*") else request.decode().split()
        if not words:
            return b""
        try:
            return self._do([words[0].upper(), *words[1:]])
        except (Refused, ValueError) as refusal:
            return f"-{refusal}\r\n".encode()

    def _do(self, words: list[str]) -> bytes:
        if words[0] in WRITES and self.leader is not None:
            raise Refused(READ_ONLY)
        match words:
            case ["PING"]:
                return b"+PONG\r\n"
            case ["SET", key, value]:
                self.data[key] = value
                return b"+OK\r\n"
            case ["GET", key]:
                return encode(self.data.get(key))
            case ["DEL", *keys]:
                return encode(sum(self.data.pop(key, None) is not None for key in keys))
            case ["INCR", key]:
                number = int(self.data.get(key, 0)) + 1
                self.data[key] = str(number)
                return encode(number)
            case ["RPUSH", key, *values]:
                self.data[key] = [*self.data.get(key, []), *values]
                return encode(len(self.data[key]))
            case ["LRANGE", key, first, last]:
                end = None if last == "-1" else int(last) + 1
                return encode(self.data.get(key, [])[int(first) : end])
            case ["INFO", *_]:
                return encode(f"# Replication\r\nrole:{'slave' if self.leader else 'master'}\r\n")
            case ["REPLICAOF", "NO" | "no", "ONE" | "one"]:
                self.leader = None
                return b"+OK\r\n"
            case ["REPLICAOF", host, port]:
                self.leader = (host, int(port))
                return b"+OK\r\n"
            case ["SYNC"]:  # where Redis sends a snapshot file
                return encode(json.dumps(self.data))
        raise Refused(f"ERR unknown command '{' '.join(words)}'")


async def redis_server(container: Container) -> int:
    """redis-server [--replicaof HOST PORT]"""
    server = KeyValueServer()
    words = [word.lstrip("-").lower() for word in container.command]
    if "replicaof" in words:
        at = words.index("replicaof")
        server.leader = (container.command[at + 1], int(container.command[at + 2]))

    async def serve(source: str, payload: Any) -> bytes:
        return server.answer(payload) if isinstance(payload, bytes) else b""

    container.listen(PORT, serve)
    container.log("Ready to accept connections tcp")
    following = None
    while not container.terminated.is_set():
        if server.leader is not None and await _replicate(container, server):
            if following != server.leader:
                container.log(f"following {server.leader[0]}:{server.leader[1]}")
            following = server.leader
        try:
            async with asyncio.timeout(REPLICATION_SECONDS):
                await container.terminated.wait()
        except TimeoutError:
            pass
    return 0


async def _replicate(container: Container, server: KeyValueServer) -> bool:
    assert server.leader is not None
    try:
        async with asyncio.timeout(REPLICATION_TIMEOUT):
            answer = await container.connect(*server.leader, encode(["SYNC"]))
    except (OSError, LookupError):
        return False  # the leader is away: serve what there is, and try again
    server.data = json.loads(decode(answer))
    return True


async def redis_cli(container: Container, words: Sequence[str]) -> str:
    """redis-cli [-h HOST] COMMAND..."""
    host, words = container.address, words[1:]
    if words[:1] == ["-h"]:
        host, words = words[1], words[2:]
    try:
        reply = await redis_command(container, host, *words)
    except (LookupError, OSError) as error:
        raise CommandError(f"Could not connect to Redis at {host}:{PORT}: {error}") from None
    items = reply if isinstance(reply, list) else [reply]
    return "".join("(nil)\n" if item is None else f"{item}\n" for item in items)


async def redis_command(container: Container, host: str, *words: str) -> Any:
    """Send a command to a key-value server, and return the reply: errors as texts."""
    return decode(await container.connect(host, PORT, encode(list(words))))


def encode(value: Any) -> bytes:
    """A value as RESP: None, a number, a text or a list."""
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(encode(item) for item in value)
    data = value.encode()
    return b"$%d\r\n%s\r\n" % (len(data), data)


def decode(data: bytes) -> Any:
    """The one RESP value that the bytes are; a simple string and an error as their texts."""
    return _decode_first(data)[0]


def _decode_first(data: bytes) -> tuple[Any, bytes]:
    """The first RESP value, and the bytes after it."""
    line, _, rest = data.partition(b"\r\n")
    kind, text = line[:1], line[1:].decode()
    if kind == b"*":
        items = []
        for _ in range(int(text)):
            item, rest = _decode_first(rest)
            items.append(item)
        return items, rest
    if kind == b"$" and text != "-1":
        size = int(text)
        return rest[:size].decode(), rest[size + 2 :]
    if kind == b":":
        return int(text), rest
    return (None if kind == b"$" else text), rest

"""A key-value server that speaks RESP, the protocol of Redis: SET, GET, DEL, PING, REPLICAOF.

A follower (`redis-server --replicaof HOST PORT`) copies the leader every second, and refuses
writes. Real Redis streams its writes to followers instead.
"""

from __future__ import annotations

import asyncio
from typing import Any

from kube_edu.kubelet.cri.context import ContainerContext

PORT = 6379
REPLICATION_SECONDS = 1.0
REPLICATION_TIMEOUT = 5.0


async def kv(container: ContainerContext) -> int:
    """redis and valkey."""
    server = KeyValueServer()
    words = [word.lstrip("-").lower() for word in container.command]
    if "replicaof" in words:
        at = words.index("replicaof")
        server.leader = (container.command[at + 1], int(container.command[at + 2]))

    async def serve(source: str, payload: Any) -> bytes:
        return server.answer(payload) if isinstance(payload, bytes) and payload else b""

    container.listen(PORT, serve)
    container.log("Ready to accept connections tcp")
    while not container.terminated.is_set():
        if server.leader is not None:
            await _replicate(container, server)
        try:
            async with asyncio.timeout(REPLICATION_SECONDS):
                await container.terminated.wait()
        except TimeoutError:
            pass
    return 0


async def _replicate(container: ContainerContext, server: KeyValueServer) -> None:
    assert server.leader is not None
    try:
        async with asyncio.timeout(REPLICATION_TIMEOUT):
            answer = await container.connect(*server.leader, encode("SYNC"))
    except (OSError, LookupError):
        return  # the leader is away: serve what there is, and try again
    flat = decode_array(answer)
    server.data = dict(zip(flat[::2], flat[1::2], strict=True))


class KeyValueServer:
    """The data and the commands, without any network."""

    def __init__(self) -> None:
        self.data: dict[str, str] = {}
        self.leader: tuple[str, int] | None = None

    def answer(self, request: bytes) -> bytes:
        """The RESP reply to a RESP (or plain inline) command."""
        words = decode_array(request) if request.startswith(b"*") else request.decode().split()
        match [words[0].upper() if words else "", *words[1:]]:
            case ["PING"]:
                return b"+PONG\r\n"
            case ["SET" | "DEL", *_] if self.leader is not None:
                return b"-READONLY You can't write against a read only replica.\r\n"
            case ["SET", key, value]:
                self.data[key] = value
                return b"+OK\r\n"
            case ["GET", key]:
                return _bulk(self.data[key]) if key in self.data else b"$-1\r\n"
            case ["DEL", key]:
                return b":1\r\n" if self.data.pop(key, None) is not None else b":0\r\n"
            case ["REPLICAOF", "NO" | "no", "ONE" | "one"]:
                self.leader = None
                return b"+OK\r\n"
            case ["REPLICAOF", host, port]:
                self.leader = (host, int(port))
                return b"+OK\r\n"
            case ["SYNC"]:
                return encode(*(text for pair in self.data.items() for text in pair))
        return f"-ERR unknown command '{' '.join(words)}'\r\n".encode()


async def kv_command(container: ContainerContext, host: str, *words: str) -> str | None:
    """Send a command to a key-value server; the reply as text, None for nil. Raises ValueError
    for an error reply."""
    reply: bytes = await container.connect(host, PORT, encode(*words))
    kind, line = chr(reply[0]), reply[1:].partition(b"\r\n")
    if kind == "-":
        raise ValueError(line[0].decode())
    if kind == "$":
        return None if line[0] == b"-1" else line[2][:-2].decode()
    return line[0].decode()


def encode(*words: str) -> bytes:
    """A RESP array of bulk strings."""
    return f"*{len(words)}\r\n".encode() + b"".join(_bulk(word) for word in words)


def decode_array(data: bytes) -> list[str]:
    """The strings of a RESP array of bulk strings."""
    words: list[str] = []
    _, _, rest = data.partition(b"\r\n")
    while rest:
        length, _, rest = rest.partition(b"\r\n")
        size = int(length[1:])
        words.append(rest[:size].decode())
        rest = rest[size + 2 :]
    return words


def _bulk(text: str) -> bytes:
    data = text.encode()
    return b"$%d\r\n%s\r\n" % (len(data), data)

# ruff: noqa: TID251 - a program that runs in a container, not a component
"""The stand-in for `redis`: a key-value server that speaks RESP (redis.io, "Redis serialization
protocol specification"), with asynchronous replication from a leader to its followers.

A follower asks with SYNC. Where Redis sends a snapshot file, this one sends the commands that
make its data, and from then on every write.
"""

from __future__ import annotations

import fnmatch
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from io import BufferedRWPair
from typing import Any

OK = "+OK"
WRITES = ("SET", "DEL", "INCR", "RPUSH", "FLUSHALL")


class Refused(Exception):
    """An error that the client is told."""


class Store:
    """The data, and who follows it."""

    def __init__(self) -> None:
        self._data: dict[bytes, Any] = {}
        self._lock = threading.Lock()
        self._followers: list[queue.SimpleQueue[list[bytes]]] = []
        self.leader: tuple[str, int] | None = None

    def execute(self, words: list[bytes], *, replicated: bool = False) -> Any:
        """Run one command; the answer is None, int, bytes, list, or a str as it is sent."""
        name = words[0].decode().upper()
        command: Callable[..., Any] | None = getattr(self, f"do_{name.lower()}", None)
        if command is None:
            raise Refused(f"ERR unknown command '{words[0].decode()}'")
        with self._lock:
            if name in WRITES and self.leader and not replicated:
                raise Refused("READONLY You can't write against a read only replica.")
            try:
                answer = command(*words[1:])
            except TypeError:
                message = f"ERR wrong number of arguments for '{name.lower()}' command"
                raise Refused(message) from None
            if name in WRITES:
                for follower in self._followers:
                    follower.put(words)
        return answer

    def follow(self) -> queue.SimpleQueue[list[bytes]]:
        """A queue of commands: first those that make the present data, then every write."""
        feed: queue.SimpleQueue[list[bytes]] = queue.SimpleQueue()
        with self._lock:
            feed.put([b"FLUSHALL"])
            for key, value in self._data.items():
                listed = isinstance(value, list)
                feed.put([b"RPUSH", key, *value] if listed else [b"SET", key, value])
            self._followers.append(feed)
        return feed

    def unfollow(self, feed: queue.SimpleQueue[list[bytes]]) -> None:
        with self._lock:
            self._followers.remove(feed)

    def do_ping(self, text: bytes | None = None) -> Any:
        return "+PONG" if text is None else text

    def do_set(self, key: bytes, value: bytes) -> str:
        self._data[key] = value
        return OK

    def do_get(self, key: bytes) -> Any:
        value = self._data.get(key)
        if isinstance(value, list):
            raise Refused("WRONGTYPE Operation against a key holding the wrong kind of value")
        return value

    def do_del(self, *keys: bytes) -> int:
        return sum(self._data.pop(key, None) is not None for key in keys)

    def do_incr(self, key: bytes) -> int:
        try:
            value = int(self._data.get(key, b"0")) + 1
        except ValueError:
            raise Refused("ERR value is not an integer or out of range") from None
        self._data[key] = b"%d" % value
        return value

    def do_rpush(self, key: bytes, *values: bytes) -> int:
        listed: list[bytes] = self._data.setdefault(key, [])
        listed.extend(values)
        return len(listed)

    def do_lrange(self, key: bytes, start: bytes, stop: bytes) -> list[bytes]:
        listed: list[bytes] = self._data.get(key, [])
        last = int(stop)
        return listed[int(start) : last + 1 if last != -1 else None]

    def do_keys(self, pattern: bytes) -> list[bytes]:
        return [key for key in self._data if fnmatch.fnmatchcase(key, pattern)]

    def do_dbsize(self) -> int:
        return len(self._data)

    def do_flushall(self) -> str:
        self._data.clear()
        return OK

    def do_info(self, _section: bytes = b"") -> bytes:
        lines = ["# Replication", f"role:{'slave' if self.leader else 'master'}"]
        if self.leader:
            lines += [f"master_host:{self.leader[0]}", f"master_port:{self.leader[1]}"]
        lines.append(f"connected_slaves:{len(self._followers)}")
        return "\r\n".join([*lines, ""]).encode()

    def do_replicaof(self, host: bytes, port: bytes) -> str:
        leads = (host.upper(), port.upper()) == (b"NO", b"ONE")
        self.leader = None if leads else (host.decode(), int(port))
        return OK

    do_slaveof = do_replicaof


def replicate(store: Store) -> None:
    """Keep a copy of the leader, as long as there is one."""
    while True:
        leader = store.leader
        try:
            if leader is not None:
                with socket.create_connection(leader, 10) as sock, sock.makefile("rwb") as stream:
                    sock.settimeout(None)
                    send(stream, [b"SYNC"])
                    print(f"following {leader[0]}:{leader[1]}", flush=True)
                    while store.leader == leader and (words := receive(stream)):
                        store.execute(words, replicated=True)
        except OSError as error:
            print(f"no connection to the leader: {error}", flush=True)
        time.sleep(0.5)


def converse(store: Store, connection: socket.socket) -> None:
    with connection, connection.makefile("rwb") as stream:
        try:
            while words := receive(stream):
                if words[0].upper() == b"SYNC":
                    feed = store.follow()
                    try:
                        while True:
                            send(stream, feed.get())
                    finally:
                        store.unfollow(feed)
                try:
                    answer = store.execute(words)
                except Refused as refusal:
                    answer = f"-{refusal}"
                send(stream, answer)
        except (OSError, ValueError):
            pass  # the client has gone, or speaks something else


def receive(stream: BufferedRWPair) -> Any:
    """One RESP value, or a command typed as a line; None at the end."""
    line = stream.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:]
    if kind == b"*":
        return [receive(stream) for _ in range(int(rest))]
    if kind == b"$":
        return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2]
    if kind == b":":
        return int(rest)
    if kind in (b"+", b"-"):
        return line.decode()
    return line.split() or None


def send(stream: BufferedRWPair, value: Any) -> None:
    stream.write(encode(value))
    stream.flush()


def encode(value: Any) -> bytes:
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, str):
        return f"{value}\r\n".encode()
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(encode(item) for item in value)
    return b"$%d\r\n%s\r\n" % (len(value), value)


def server(arguments: list[str]) -> None:
    """redis-server [--port N] [--replicaof HOST PORT]"""
    options = " ".join(arguments).split("--")[1:]
    settings = {words[0]: words[1:] for words in map(str.split, options) if words}
    store = Store()
    leader = settings.get("replicaof") or settings.get("slaveof")
    if leader:
        store.leader = (leader[0], int(leader[1]))
    threading.Thread(target=replicate, args=(store,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    port = int(settings.get("port", ["6379"])[0])
    listener = socket.create_server(("", port), backlog=128)
    print("Ready to accept connections", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=converse, args=(store, connection), daemon=True).start()


def client(arguments: list[str]) -> None:
    """redis-cli [-h HOST] [-p PORT] COMMAND..."""
    host, port = "127.0.0.1", 6379
    while arguments[:1] in (["-h"], ["-p"]):
        option, value, *arguments = arguments
        host, port = (value, port) if option == "-h" else (host, int(value))
    answer = request(host, port, arguments)
    for item in answer if isinstance(answer, list) else [answer]:
        text = item.decode() if isinstance(item, bytes) else str(item).lstrip("+-")
        print("(nil)" if item is None else text)


def request(host: str, port: int, words: list[str]) -> Any:
    """Send a command, and return the answer."""
    with socket.create_connection((host, port), 10) as sock, sock.makefile("rwb") as stream:
        send(stream, [word.encode() for word in words])
        return receive(stream)


if __name__ == "__main__":
    (client if sys.argv[1] == "redis-cli" else server)(sys.argv[2:])

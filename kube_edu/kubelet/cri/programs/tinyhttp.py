# ruff: noqa: TID251 - a program that runs in a container, not a component
"""An HTTP/1.1 server in one screen, for the built-in images: quick to start and light."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from io import BufferedRWPair
from typing import NamedTuple

Answer = tuple[int, str, bytes]
"""Status, content type, body."""

REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error"}


class Call(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    client: str


def serve(port: int, answer: Callable[[Call], Answer], server: str) -> None:
    """Answer requests on a port until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    listener = socket.create_server(("", port), backlog=128)
    print(f"{server} is ready on port {port}", flush=True)
    while True:
        connection, (client, _) = listener.accept()
        arguments = (connection, client, answer, server)
        threading.Thread(target=_converse, args=arguments, daemon=True).start()


def _converse(
    connection: socket.socket, client: str, answer: Callable[[Call], Answer], server: str
) -> None:
    with connection, connection.makefile("rwb") as stream:
        try:
            while (call := _read(stream, client)) is not None:
                try:
                    status, kind, body = answer(call)
                except Exception as error:
                    print(f"error: {error!r}", file=sys.stderr, flush=True)
                    status, kind, body = 500, "text/plain", f"{error}\n".encode()
                head = (
                    f"HTTP/1.1 {status} {REASONS.get(status, '')}\r\nServer: {server}\r\n"
                    f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                stream.write(head.encode() + (b"" if call.method == "HEAD" else body))
                stream.flush()
                line = f'{client} "{call.method} {call.path}" {status} {len(body)}'
                print(line, flush=True)
        except OSError:
            pass  # the client has gone


def _read(stream: BufferedRWPair, client: str) -> Call | None:
    words = stream.readline(65536).decode("latin-1").split()
    if len(words) != 3:
        return None
    headers = {}
    while line := stream.readline(65536).decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return Call(words[0], words[1], headers, body, client)

"""A program of the built-in images in a process of its own:
`python -m kube_edu.kubelet.cri.programs.child nginx`.

It imports little beyond the standard library, so that a container starts in a moment. Names,
addresses and paths are mended by hook/sitecustomize.py, as for every Python in a container.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from asyncio import StreamReader, StreamWriter
from contextlib import closing, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from kube_edu.host import Request, Response
from kube_edu.kubelet.cni import Serve
from kube_edu.kubelet.cri.programs import COMMANDS, PROGRAMS
from kube_edu.kubelet.cri.programs.container import CommandError


class Process:
    """Implements `kube_edu.kubelet.cri.programs.container.Container` over sockets and files."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.env = os.environ
        self.address = os.environ["KUBE_EDU_POD_IP"]
        self.files = Files()
        self.terminated = asyncio.Event()
        self._servers: list[asyncio.Task[asyncio.Server]] = []

    def log(self, text: str) -> None:
        print(text, flush=True)

    def listen(self, port: int, serve: Serve) -> None:
        async def converse(reader: StreamReader, writer: StreamWriter) -> None:
            source = writer.get_extra_info("peername")[0]
            with closing(writer), suppress(OSError, EOFError, ValueError):  # it is gone, or babbles
                while payload := await _read(reader):
                    answer = await serve(source, payload)
                    writer.write(answer if isinstance(answer, bytes) else _encode(answer))

        sock = socket.create_server((self.address, port), backlog=128)
        self._servers.append(asyncio.create_task(asyncio.start_server(converse, sock=sock)))
        self.log(f"{self.command[0]} is ready on port {port}")

    async def connect(self, name: str, port: int, payload: bytes) -> bytes:
        try:
            reader, writer = await asyncio.open_connection(name, port)
        except socket.gaierror:
            raise LookupError(f"bad address '{name}'") from None
        with closing(writer):
            writer.write(payload)
            return await _read_resp(await reader.readline(), reader) if payload else b""

    async def get(self, url: str) -> Response:
        return await asyncio.to_thread(_get, url if "//" in url else f"http://{url}")


class Files:
    """An absolute path is one in the container's root folder."""

    def read(self, path: str) -> bytes:
        return Path(os.environ["KUBE_EDU_ROOT"], path.lstrip("/")).read_bytes()

    def write(self, path: str, content: bytes) -> None:
        with open(path, "wb") as file:
            file.write(content)


def _get(url: str) -> Response:
    try:
        with urllib.request.urlopen(url) as answer:
            return Response(answer.status, answer.read())
    except urllib.error.HTTPError as refusal:
        return Response(refusal.code, refusal.read())
    except urllib.error.URLError as error:
        reason = error.reason
        if isinstance(reason, socket.gaierror):
            raise LookupError(f"bad address '{urlsplit(url).hostname}'") from None
        raise (reason if isinstance(reason, OSError) else error) from None


async def _read(reader: StreamReader) -> Request | bytes | None:
    """A request of either protocol; None at the end."""
    line = await reader.readline()
    if not line.rstrip().endswith((b" HTTP/1.1", b" HTTP/1.0")):
        return await _read_resp(line, reader)
    method, target, _ = line.decode("latin-1").split()
    headers = {}
    while header := (await reader.readline()).decode("latin-1").strip():
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    url = urlsplit(target)
    query = tuple(parse_qsl(url.query, keep_blank_values=True))
    return Request(method, unquote(url.path), query, headers, body)


async def _read_resp(line: bytes, reader: StreamReader) -> bytes:
    """The bytes of one RESP value, or of a command typed as a line, which begins with `line`."""
    kind, size = line[:1], line[1:]
    if kind == b"*":
        items = [await _read_resp(await reader.readline(), reader) for _ in range(int(size))]
        return line + b"".join(items)
    if kind == b"$" and int(size) >= 0:
        return line + await reader.readexactly(int(size) + 2)
    return line


def _encode(response: Response) -> bytes:
    body = response.body if isinstance(response.body, bytes) else str(response.body).encode()
    headers = {"content-type": "text/plain", **response.headers, "content-length": len(body)}
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    lines += [f"{name.title()}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def main(command: list[str]) -> int:
    name, container = command[0], Process(command)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, container.terminated.set)
    try:
        if name in PROGRAMS:
            return await PROGRAMS[name](container)
        print(await COMMANDS[name](container, command), end="")
        return 0
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    code: Any = asyncio.run(main(sys.argv[1:]))
    sys.exit(code)

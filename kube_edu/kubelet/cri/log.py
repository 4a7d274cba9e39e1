"""A container's log, in the format of the CRI: a time stamp, the stream, and a line.

    2026-01-01T00:00:00.123456000Z stdout F Ready to accept connections

"P" instead of "F" marks part of a line that was too long for one (kubelet, "CRI log format").
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

from kube_edu.api import meta
from kube_edu.kubelet.cri import Line

LONGEST = 16 * 1024
"""containerd's max_container_log_line_size."""


class LogFile:
    """Takes what a process writes to its pipes, and gives it back by the line."""

    def __init__(self, file: Path, now: Callable[[], float]) -> None:
        self._now = now
        self._path = file
        self._pipes: dict[int, bytes] = {}  # what of a line has come so far
        self._progress = asyncio.Event()
        self._closed = False
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("wb", buffering=0)

    def pipe(self, stream: str) -> int:
        """The write end of a new pipe, for the process; close it here once it has it."""
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        self._pipes[read_end] = b""
        asyncio.get_running_loop().add_reader(read_end, self._readable, read_end, stream)
        return write_end

    def write(self, line: bytes, stream: str = "stdout") -> None:
        head = f"{meta.nano_timestamp(self._now())} {stream}".encode()
        while len(line) > LONGEST:
            self._file.write(b"%s P %s\n" % (head, line[:LONGEST]))
            line = line[LONGEST:]
        self._file.write(b"%s F %s\n" % (head, line))
        self._tell()

    async def drained(self) -> None:
        """Return when all has been read that an ended process wrote."""
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):  # a daemon that got away may hold the pipe open
                while self._pipes:
                    await self._progress.wait()

    def close(self) -> None:
        for pipe in list(self._pipes):
            self._close_pipe(pipe)
        self._file.close()
        self._closed = True
        self._tell()

    async def lines(self, *, follow: bool) -> AsyncIterator[Line]:
        """Every line from the first; with `follow`, until the log is closed."""
        with self._path.open("rb") as file:
            start, partial = 0.0, b""
            while True:
                for entry in file:
                    stamp, _, tag, text = entry[:-1].split(b" ", 3)
                    start = start or meta.seconds(stamp.decode())
                    partial += text
                    if tag == b"F":
                        yield start, partial
                        start, partial = 0.0, b""
                if self._closed or not follow:
                    return
                await self._progress.wait()

    def _readable(self, pipe: int, stream: str) -> None:
        data = os.read(pipe, 65536)
        *lines, rest = (self._pipes[pipe] + data).split(b"\n")
        if not data and rest:
            lines, rest = [rest], b""
        self._pipes[pipe] = rest
        for line in lines:
            self.write(line, stream)
        if not data:
            self._close_pipe(pipe)
            self._tell()

    def _close_pipe(self, pipe: int) -> None:
        asyncio.get_running_loop().remove_reader(pipe)
        os.close(pipe)
        del self._pipes[pipe]

    def _tell(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()

# ruff: noqa: TID251 - a program that runs in a container, not a component
"""The stand-in for `agnhost`, the network helper of Kubernetes' own tests: the sub-commands
netexec, serve-hostname, connect and pause (test/images/agnhost)."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import urllib.parse

from tinyhttp import Answer, Call, serve  # type: ignore[import-not-found]


def answer(call: Call) -> Answer:
    path, _, query = call.path.partition("?")
    parameters = dict(urllib.parse.parse_qsl(query))
    if path in ("/", "/hostname", "/hostName"):
        return _text(socket.gethostname())
    if path == "/echo":
        return _text(parameters.get("msg", ""))
    if path == "/clientip":
        return _text(call.client)
    if path in ("/healthz", "/readyz"):
        return _text("ok")
    if path == "/shutdown":
        code = int(parameters.get("code", "0"))
        threading.Timer(0.1, os._exit, (code,)).start()
        return _text("shutting down")
    return 404, "text/plain", b"404 page not found\n"


def connect(target: str, timeout: float) -> int:
    """Exit code and the word on stderr say how it went, as agnhost's do."""
    host, _, port = target.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout).close()
    except TimeoutError:
        word = "TIMEOUT"
    except ConnectionRefusedError:
        word = "REFUSED"
    except socket.gaierror:
        word = "DNS"
    except OSError:
        word = "OTHER"
    else:
        return 0
    print(word, file=sys.stderr)
    return 1


def _text(text: str) -> Answer:
    return 200, "text/plain", text.encode()


def main(command: str, arguments: list[str]) -> int:
    plain = [word for word in arguments if not word.startswith("--")]
    options = dict(word[2:].partition("=")[::2] for word in arguments if word.startswith("--"))
    if command == "netexec":
        serve(int(options.get("http-port", "8080")), answer, "agnhost")
    elif command == "serve-hostname":
        serve(int(options.get("port", "9376")), answer, "agnhost")
    elif command == "connect":
        return connect(plain[0], float(options.get("timeout", "1s").rstrip("s")))
    elif command == "pause":
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        signal.pause()
    else:
        print(f'Error: unknown command "{command}" for "agnhost"', file=sys.stderr)
        return 1
    return 0


sys.exit(main(sys.argv[1] if sys.argv[1:] else "pause", sys.argv[2:]))

"""The programs in the built-in images: coroutines that see nothing but their container.

The simulated runtime runs them in virtual time, over the simulated network; the process runtime
runs each in a process of its own (child.py), over sockets. One that ends well at SIGTERM waits for
`container.terminated`; the others are killed at the end of the grace period, as a real shell is
when it is a container's first process.
"""

from __future__ import annotations

import asyncio
import getopt
import http
import json
import mimetypes
import posixpath
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from kube_edu.host import Request, Response
from kube_edu.kubelet.cri.programs.container import Command, CommandError, Container, Program
from kube_edu.kubelet.cri.programs.redis import redis_cli, redis_command, redis_server

ROOTS = {"nginx": "/usr/share/nginx/html", "httpd": "/usr/local/apache2/htdocs"}


async def web(container: Container) -> int:
    """nginx and httpd: the files that are mounted in the document root, on port 80."""
    name = posixpath.basename(container.command[0]).removesuffix("-foreground")

    async def answer(source: str, request: Request) -> Response:
        path = f"{request.path}index.html" if request.path.endswith("/") else request.path
        path = posixpath.normpath(path)
        kind = mimetypes.guess_type(path)[0] or "text/plain"
        try:
            return Response(200, container.files.read(ROOTS[name] + path), {"content-type": kind})
        except OSError:
            headers = {"content-type": "text/html"}
        if path != "/index.html":
            return Response(404, "<h1>404 Not Found</h1>\n", headers)
        page = f"<h1>Welcome to {name}!</h1>\n<p>Served by {container.env['HOSTNAME']}</p>\n"
        return Response(200, page, headers)

    return await _serve_http(container, 80, answer)


async def guestbook(container: Container) -> int:
    """The frontend of the guestbook: GET /?cmd=set&key=K&value=V writes to the service
    redis-leader, GET /?cmd=get&key=K reads from redis-follower."""

    async def answer(source: str, request: Request) -> Response:
        key = request.param("key", "messages")
        try:
            if request.param("cmd") == "set":
                await redis_command(container, "redis-leader", "SET", key, request.param("value"))
                return Response(200, '{"message": "Updated"}')
            found = await redis_command(container, "redis-follower", "GET", key)
        except (OSError, LookupError) as error:
            return Response(502, f"{error}\n")
        return Response(200, json.dumps({"data": found or ""}))

    return await _serve_http(container, 80, answer)


async def agnhost(container: Container) -> int:
    """The helper of Kubernetes' own tests (test/images/agnhost): `netexec`, `serve-hostname`,
    `connect` and `pause`."""
    words = container.command[1:]
    options = dict(word[2:].partition("=")[::2] for word in words if word.startswith("--"))
    code = 0

    async def answer(source: str, request: Request) -> Response:
        nonlocal code
        match request.path:
            case "/" | "/hostname" | "/hostName":
                return Response(200, container.env["HOSTNAME"])
            case "/clientip":
                return Response(200, source)
            case "/echo":
                return Response(200, request.param("msg"))
            case "/healthz" | "/readyz":
                return Response(200, "ok")
            case "/shutdown":
                code = int(request.param("code", "0"))
                asyncio.get_running_loop().call_later(0.1, container.terminated.set)
                return Response(200, "shutting down")
        return Response(404, "404 page not found\n")

    match [word for word in words if not word.startswith("--")]:
        case ["netexec"]:
            await _serve_http(container, int(options.get("http-port", "8080")), answer)
        case ["serve-hostname"]:
            await _serve_http(container, int(options.get("port", "9376")), answer)
        case ["connect", target]:
            return await _try_to_connect(container, target, options.get("timeout", "1s"))
        case ["pause"]:
            await pause(container)
        case other:
            container.log(f'Error: unknown command "{" ".join(other)}" for "agnhost"')
            return 1
    return code


async def _try_to_connect(container: Container, target: str, timeout: str) -> int:
    """The exit code, and a word that says how it went."""
    host, _, port = target.rpartition(":")
    try:
        async with asyncio.timeout(float(timeout.rstrip("s"))):
            await container.connect(host, int(port), b"")
    except TimeoutError:
        container.log("TIMEOUT")
    except ConnectionRefusedError:
        container.log("REFUSED")
    except LookupError:
        container.log("DNS")
    except OSError:
        container.log("OTHER")
    else:
        return 0
    return 1


async def pause(container: Container) -> int:
    await container.terminated.wait()
    return 0


async def crash(container: Container) -> int:
    container.log("panic: this program crashes")
    await asyncio.sleep(0.5)
    return 1


Answer = Callable[[str, Request], Awaitable[Response]]


async def _serve_http(container: Container, port: int, answer: Answer) -> int:
    """Serve until SIGTERM, with a line in the log for each request."""

    async def serve(source: str, request: Any) -> Response:
        if not isinstance(request, Request):
            return Response(400, "400 Bad Request\n")
        response = await answer(source, request)
        container.log(f'{source} - "{request.method} {request.path}" {response.status}')
        return response

    container.listen(port, serve)
    await container.terminated.wait()
    return 0


async def fetch(container: Container, words: Sequence[str]) -> str:
    """wget (busybox's) and curl, as far as pods use them: fetch one URL."""
    name = words[0]
    try:
        flags, urls = getopt.gnu_getopt(list(words[1:]), "qsSfO:T:o:m:")
    except getopt.GetoptError as error:
        raise CommandError(f"{name}: {error}") from None
    options = dict(flags)
    seconds = options.get("-T") or options.get("-m") or "30"
    try:
        async with asyncio.timeout(float(seconds)):
            response = await container.get(urls[0])
    except LookupError as error:
        raise CommandError(f"{name}: {error.args[0]}") from None
    except OSError as error:  # a TimeoutError too
        problem = error.strerror or error or "timed out"
        raise CommandError(f"{name}: can't connect to remote host: {problem}") from None
    if response.status >= 400 and (name == "wget" or "-f" in options):
        phrase = http.HTTPStatus(response.status).phrase
        raise CommandError(f"{name}: server returned error: {response.status} {phrase}")
    body = response.body or b""
    content = body if isinstance(body, bytes) else str(body).encode()
    file = options.get("-O") or options.get("-o") or "-"
    if file == "-":
        return content.decode(errors="replace")
    container.files.write(file, content)
    return ""


PROGRAMS: Mapping[str, Program] = {
    "agnhost": agnhost,
    "crash": crash,
    "guestbook": guestbook,
    "httpd": web,
    "httpd-foreground": web,
    "nginx": web,
    "pause": pause,
    "redis-server": redis_server,
}
"""What images run, by the name of the command."""

COMMANDS: Mapping[str, Command] = {"curl": fetch, "redis-cli": redis_cli, "wget": fetch}
"""What can be run in every container."""

"""What simulated containers do: one coroutine for each stand-in of the image table.

A behaviour that ends well at SIGTERM waits for `container.terminated`; the others are killed at
the end of the grace period, as a real shell is when it is a container's first process.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from kube_edu.host import Request, Response
from kube_edu.kubelet.cri import shell
from kube_edu.kubelet.cri.context import Behaviour, ContainerContext
from kube_edu.kubelet.cri.images import repository
from kube_edu.kubelet.cri.kv import kv, kv_command

ROOTS = {"nginx": "/usr/share/nginx/html", "httpd": "/usr/local/apache2/htdocs"}

Answer = Callable[[str, Request], Awaitable[Response]]


async def web(container: ContainerContext) -> int:
    """nginx and httpd: the files that are mounted in the document root, on port 80."""
    name = repository(container.config.image).rpartition("/")[2]

    async def answer(source: str, request: Request) -> Response:
        path = f"{request.path}index.html" if request.path.endswith("/") else request.path
        try:
            return Response(200, container.files.read(ROOTS[name] + path).decode())
        except FileNotFoundError:
            if path != "/index.html":
                return Response(404, "<h1>404 Not Found</h1>\n")
        served_by = container.env["HOSTNAME"]
        return Response(200, f"<h1>Welcome to {name}!</h1>\n<p>Served by {served_by}</p>\n")

    return await _serve_http(container, 80, answer)


async def agnhost(container: ContainerContext) -> int:
    """The helper of Kubernetes' own tests: `netexec`, `serve-hostname`, `pause`."""

    async def answer(source: str, request: Request) -> Response:
        match request.path:
            case "/" | "/hostname":
                return Response(200, container.env["HOSTNAME"])
            case "/clientip":
                return Response(200, source)
            case "/echo":
                return Response(200, request.param("msg"))
            case "/healthz" | "/readyz":
                return Response(200, "ok")
        return Response(404, "404 page not found\n")

    ports = {"netexec": 8080, "serve-hostname": 9376}
    mode = next((word for word in container.command if word in ports), "pause")
    if mode == "pause":
        return await pause(container)
    port = ports[mode]
    for flag in container.command:
        name, _, value = flag.lstrip("-").partition("=")
        if name in ("http-port", "port"):
            port = int(value)
    return await _serve_http(container, port, answer)


async def _serve_http(container: ContainerContext, port: int, answer: Answer) -> int:
    async def serve(source: str, request: Any) -> Response:
        if not isinstance(request, Request):
            return Response(400, "400 Bad Request\n")
        response = await answer(source, request)
        container.log(f'{source} - "{request.method} {request.path}" {response.status}')
        return response

    container.listen(port, serve)
    await container.terminated.wait()
    return 0


async def guestbook(container: ContainerContext) -> int:
    """The frontend of the guestbook: GET /?cmd=set&key=K&value=V writes to the service
    redis-leader, GET /?cmd=get&key=K reads from redis-follower."""

    async def answer(source: str, request: Request) -> Response:
        key = request.param("key", "messages")
        try:
            if request.param("cmd") == "set":
                await kv_command(container, "redis-leader", "SET", key, request.param("value"))
                return Response(200, '{"message": "Updated"}')
            found = await kv_command(container, "redis-follower", "GET", key)
        except (OSError, LookupError, ValueError) as error:
            return Response(502, f"{error}\n")
        return Response(200, json.dumps({"data": found or ""}))

    return await _serve_http(container, 80, answer)


async def sh(container: ContainerContext) -> int:
    """busybox and alpine. Without a command it is a shell without a terminal: it ends."""
    return await shell.run(container, container.command, container.log) if container.command else 0


async def python(container: ContainerContext) -> int:
    """A simulation runs no programs of others, so this interpreter knows none."""
    if container.command:
        container.log(f"{container.command[0]}: no Python program runs in the simulation")
        return 1
    return 0


async def pause(container: ContainerContext) -> int:
    await container.terminated.wait()
    return 0


async def crash(container: ContainerContext) -> int:
    container.log("panic: this program crashes")
    await asyncio.sleep(0.5)
    return 1


BEHAVIOURS: Mapping[str, Behaviour] = {
    "web": web,
    "kv": kv,
    "guestbook": guestbook,
    "shell": sh,
    "python": python,
    "agnhost": agnhost,
    "pause": pause,
    "crash": crash,
}

"""What simulated containers do: one coroutine for each stand-in of the image table.

A behaviour that ends well at SIGTERM waits for `container.terminated`; the others are killed at
the end of the grace period, as a real shell is when it is a container's first process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from kube_edu.host import Request, Response
from kube_edu.kubelet.cri import shell
from kube_edu.kubelet.cri.context import Behaviour, ContainerContext
from kube_edu.kubelet.cri.kv import kv, kv_command

WEB_ROOT = "/usr/share/nginx/html"


async def web(container: ContainerContext) -> int:
    """nginx and httpd: answer on port 80 with the page that is mounted, or the pod's name."""
    return await _serve_http(container, 80)


async def agnhost(container: ContainerContext) -> int:
    """The helper of Kubernetes' own tests: `netexec`, `serve-hostname`, `pause`."""
    ports = {"netexec": 8080, "serve-hostname": 9376}
    words = [word for word in container.command if not word.startswith("-")]
    mode = next((word for word in words if word in ports), "pause")
    if mode == "pause":
        return await pause(container)
    port = ports[mode]
    for flag in container.command:
        name, _, value = flag.lstrip("-").partition("=")
        if name in ("http-port", "port"):
            port = int(value)
    return await _serve_http(container, port)


async def _serve_http(container: ContainerContext, port: int) -> int:
    async def serve(source: str, request: Any) -> Response:
        if not isinstance(request, Request):
            return Response(400, "400 Bad Request\n")
        response = _page(container, source, request)
        container.log(f'{source} - "{request.method} {request.path}" {response.status}')
        return response

    container.listen(port, serve)
    await container.terminated.wait()
    return 0


def _page(container: ContainerContext, source: str, request: Request) -> Response:
    name = container.env["HOSTNAME"]
    match request.path:
        case "/hostname":
            return Response(200, name)
        case "/clientip":
            return Response(200, source)
        case "/echo":
            return Response(200, request.param("msg"))
        case "/healthz" | "/healthz/":
            return Response(200, "ok")
    page = f"{request.path}index.html" if request.path.endswith("/") else request.path
    try:
        return Response(200, container.files.read(WEB_ROOT + page).decode())
    except FileNotFoundError:
        return Response(200, f"Hello from {name} ({container.address})\n")


async def guestbook(container: ContainerContext) -> int:
    """The frontend of the guestbook: writes to the service redis-leader, reads from
    redis-follower, both under the names that the tutorial gives them."""

    async def serve(source: str, request: Any) -> Response:
        if not isinstance(request, Request):
            return Response(400, "400 Bad Request\n")
        key = request.param("key", "messages")
        try:
            if request.param("cmd") == "set":
                await kv_command(container, "redis-leader", "SET", key, request.param("value"))
                return Response(200, '{"message": "Updated"}')
            data = await kv_command(container, "redis-follower", "GET", key)
        except (OSError, LookupError, ValueError) as error:
            return Response(502, f"{error}\n")
        return Response(200, f'{{"data": "{data or ""}"}}')

    container.listen(80, serve)
    await container.terminated.wait()
    return 0


async def sh(container: ContainerContext) -> int:
    """busybox and alpine. Without a command it is a shell without a terminal: it ends."""
    return await shell.run(container, container.command, container.log) if container.command else 0


async def python(container: ContainerContext) -> int:
    """The simulation runs no Python code of others; `python -m http.server` it knows."""
    if "http.server" in container.command:
        last = container.command[-1]
        return await _serve_http(container, int(last) if last.isdigit() else 8000)
    if container.command:
        container.log("python: the simulation knows only: python -m http.server [PORT]")
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

"""Probes: is a container alive, is it ready, has it started?

Source: kubernetes, pkg/kubelet/prober/worker.go and prober.go, pkg/probe/http/http.go. One task
for each probe of a running container. Only a probe whose verdict changes is told of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.host import Request
from kube_edu.kubelet.container_starter import Tools
from kube_edu.kubelet.cri import ContainerStatus, CriError

KINDS = {"Startup": "startupProbe", "Liveness": "livenessProbe", "Readiness": "readinessProbe"}


class PodProbes:
    """The probes of one pod, and their verdicts (status.Verdicts). `changed` is called when a
    verdict changes."""

    def __init__(self, tools: Tools, changed: Callable[[], None]) -> None:
        self._t = tools
        self._changed = changed
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._verdicts: dict[tuple[str, str], bool] = {}
        """By container id and kind; a probe that has not decided yet has none."""

    def started(self, container: ContainerStatus) -> bool:
        return self._verdicts.get((container.id, "Startup"), False)

    def ready(self, container: ContainerStatus) -> bool:
        return self._verdicts.get((container.id, "Readiness"), False)

    def failed(self) -> dict[str, str]:
        """The containers, by id, that a probe wants restarted, with the probe."""
        return {
            container: kind
            for (container, kind), verdict in self._verdicts.items()
            if not verdict and kind in ("Liveness", "Startup") and container in self._tasks
        }

    def watch(self, pod: Object, address: str, running: list[ContainerStatus]) -> None:
        """Probe these containers, and no others."""
        specs = {
            c["name"]: c
            for c in [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]
        }
        for gone in [id for id in self._tasks if id not in [c.id for c in running]]:
            self._stop(gone)
        for container in running:
            spec = specs.get(container.config.name)
            if spec is not None and container.id not in self._tasks:
                self._start(pod, spec, container, address)

    def stop(self) -> None:
        for container in list(self._tasks):
            self._stop(container)

    def _start(self, pod: Object, spec: Object, container: ContainerStatus, address: str) -> None:
        self._tasks[container.id] = []
        for kind, field in KINDS.items():
            if field in spec:
                probe = self._probe(kind, spec[field], pod, spec, container, address)
                self._tasks[container.id].append(asyncio.create_task(probe))
            else:
                self._verdicts[container.id, kind] = True

    def _stop(self, container: str) -> None:
        for task in self._tasks.pop(container):
            task.cancel()
        for kind in KINDS:
            self._verdicts.pop((container, kind), None)

    async def _probe(
        self,
        kind: str,
        probe: Object,
        pod: Object,
        spec: Object,
        container: ContainerStatus,
        address: str,
    ) -> None:
        """Probe again and again; the last thresholds' worth of equal results is the verdict."""
        delay = probe.get("initialDelaySeconds", 0) - (self._t.host.now() - container.started_at)
        await asyncio.sleep(max(delay, 0))
        thresholds = {
            True: probe.get("successThreshold", 1),
            False: probe.get("failureThreshold", 3),
        }
        last, in_a_row = None, 0
        while True:
            if kind == "Startup" or self.started(container):
                problem = await self._attempt(probe, spec, container, address)
                passed = problem is None
                in_a_row = in_a_row + 1 if passed == last else 1
                last = passed
                if problem is not None:
                    text = f"{kind} probe failed: {problem}"
                    self._t.events.event(pod, "Warning", "Unhealthy", text)
                if in_a_row >= thresholds[passed]:
                    self._decide(pod, container, kind, passed)
                    if kind == "Startup" or (kind == "Liveness" and not passed):
                        return  # it has started, or is restarted and is another container then
            await asyncio.sleep(probe.get("periodSeconds", 10))

    def _decide(self, pod: Object, container: ContainerStatus, kind: str, passed: bool) -> None:
        if self._verdicts.get((container.id, kind)) == passed:
            return
        self._verdicts[container.id, kind] = passed
        self._t.host.record(
            "kubelet.probe",
            object=f"pods/{meta.key(pod)}",
            container=container.config.name,
            probe=kind.lower(),
            result="success" if passed else "failure",
        )
        self._changed()

    async def _attempt(
        self, probe: Object, spec: Object, container: ContainerStatus, address: str
    ) -> str | None:
        """One attempt: None if it passed, otherwise what went wrong."""
        timeout = probe.get("timeoutSeconds", 1)
        try:
            async with asyncio.timeout(timeout):
                if "exec" in probe:
                    return await self._exec(container, probe["exec"]["command"], timeout)
                if "httpGet" in probe:
                    return await self._http(probe["httpGet"], spec, address)
                if "tcpSocket" in probe:
                    await self._tcp(probe["tcpSocket"], spec, address)
                return None
        except TimeoutError:
            return f"timed out after {timeout}s: context deadline exceeded"
        except (CriError, ConnectionError) as error:
            return str(error)

    async def _exec(
        self, container: ContainerStatus, command: list[str], timeout: float
    ) -> str | None:
        code, output, errors = await self._t.runtime.exec_sync(container.id, command, timeout)
        return None if code == 0 else (output + errors).decode().strip()

    async def _http(self, action: Object, spec: Object, address: str) -> str | None:
        host, port = action.get("host") or address, _port(action["port"], spec)
        try:
            response = await self._send(host, port, _request(action))
        except ConnectionError as error:
            scheme, path = action.get("scheme", "HTTP").lower(), action.get("path", "/")
            return f'Get "{scheme}://{host}:{port}{path}": {error}'
        if 200 <= response.status < 400:
            return None
        return f"HTTP probe failed with statuscode: {response.status}"

    async def _tcp(self, action: Object, spec: Object, address: str) -> None:
        """Connect, send nothing, hang up."""
        await self._send(action.get("host") or address, _port(action["port"], spec), b"")

    async def _send(self, address: str, port: int, payload: Any) -> Any:
        """From the node's own address over its pod network: the answer."""
        try:
            source = self._t.host.address
            return await self._t.network.exchange(source, address, port, "TCP", payload)
        except ConnectionRefusedError:
            refused = f"dial tcp {address}:{port}: connect: connection refused"
            raise ConnectionRefusedError(refused) from None


def _port(port: int | str, spec: Object) -> int:
    """A port's number; a name is looked up among the container's ports."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    named = [p["containerPort"] for p in spec.get("ports") or () if p.get("name") == port]
    return int(named[0]) if named else 0


def _request(action: Object) -> Request:
    path, _, query = action.get("path", "/").partition("?")
    headers = {"user-agent": "kube-probe/1.33", "accept": "*/*"}
    headers |= {h["name"].lower(): h["value"] for h in action.get("httpHeaders") or ()}
    return Request("GET", path or "/", tuple(parse_qsl(query)), headers)

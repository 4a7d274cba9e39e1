"""The kubelet's own API, on port 10250: what `kubectl logs` is answered from.

Source: kubernetes, pkg/kubelet/server/server.go and pkg/kubelet/kuberuntime/logs. The API server
is its one client. (A real kubelet asks the API server about any other: may they nodes/proxy?)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.podutil import container_statuses
from kube_edu.host import IDENTITIES, Host, Request, Response
from kube_edu.kubelet.cri import ContainerStatus, Line, Runtime
from kube_edu.kubelet.pod_state import observe

API_SERVER = IDENTITIES["apiserver-kubelet-client"].common_name


@dataclass(frozen=True, slots=True)
class KubeletServer:
    """Answers requests about the pods of one node; `pods` gives those that it runs."""

    host: Host
    runtime: Runtime
    pods: Callable[[], list[Object]]

    async def handle(self, request: Request) -> Response:
        caller = request.peer.common_name
        if not caller:
            return Response(401, "Unauthorized")
        if caller != API_SERVER:
            what = f"user={caller}, verb=get, resource=nodes, subresource=proxy"
            return Response(403, f"Forbidden ({what})")
        match request.path.strip("/").split("/"):
            case ["healthz"]:
                return Response(200, "ok")
            case ["pods"]:
                items = self.pods()
                body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
                return Response(200, body)
            case ["containerLogs", namespace, pod, container]:
                return await self._logs(request, f"{namespace}/{pod}", container)
        return Response(404, "404 page not found\n")

    async def _logs(self, request: Request, key: str, name: str) -> Response:
        pod = next((p for p in self.pods() if meta.key(p) == key), None)
        if pod is None:
            return Response(404, f'pod "{key.rpartition("/")[2]}" not found')
        known = (await observe(self.runtime, meta.uid(pod))).containers.get(name, ())
        previous = request.param("previous") == "true"
        if len(known) <= previous:
            return Response(400, _why_no_log(pod, name, previous))
        lines = self._lines(request, known[previous])
        return Response(200, headers={"content-type": "text/plain"}, stream=lines)

    async def _lines(self, request: Request, container: ContainerStatus) -> AsyncIterator[bytes]:
        """The log as the query's options want it. `tailLines` counts what is there when the
        request comes; with `follow` what is new comes after."""
        since = self._since(request)
        stamps = request.param("timestamps") == "true"
        limit = int(request.param("limitBytes") or 0)
        tail = int(request.param("tailLines") or -1)
        sent = 0
        async for at, line in self._tailed(container.id, request.param("follow") == "true", tail):
            if at < since:
                continue
            text = line + b"\n"
            if stamps:
                text = f"{meta.nano_timestamp(at)} ".encode() + text
            if limit and sent + len(text) > limit:
                yield text[: limit - sent]
                return
            sent += len(text)
            yield text

    async def _tailed(self, container: str, follow: bool, tail: int) -> AsyncIterator[Line]:
        skip = 0
        if tail >= 0:
            there = [line async for line in self.runtime.container_logs(container, follow=False)]
            skip = max(len(there) - tail, 0)
        async with aclosing(self.runtime.container_logs(container, follow=follow)) as lines:
            async for line in lines:
                if skip:
                    skip -= 1
                    continue
                yield line

    def _since(self, request: Request) -> float:
        if request.param("sinceTime"):
            return meta.seconds(request.param("sinceTime"))
        seconds = request.param("sinceSeconds")
        return self.host.now() - int(seconds) if seconds else 0.0


def _why_no_log(pod: Object, name: str, previous: bool) -> str:
    """kubelet_pods.go, validateContainerLogStatus."""
    what = f'container "{name}" in pod "{meta.name(pod)}"'
    if previous:
        return f"previous terminated {what} not found"
    for status in container_statuses(pod["status"]):
        if status["name"] == name:
            reason = (status["state"].get("waiting") or {}).get("reason", "")
            if reason in ("ErrImagePull", "ImagePullBackOff"):
                reason = "trying and failing to pull image"
            return f"{what} is waiting to start: {reason}"
    return f"{what} is not available"

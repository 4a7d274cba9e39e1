"""The subresources: an object seen or changed through a narrower door.

`status` needs nothing of its own (the registry changes only that part); here are scale, binding,
eviction, finalize, and log, which is the kubelet's to answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

from kube_edu.api.meta import Object, name, set_condition
from kube_edu.api.patch import apply_patch
from kube_edu.api.resources import by_plural
from kube_edu.api.selectors import LabelSelector
from kube_edu.api.status import (
    ApiError,
    bad_request,
    conflict,
    error,
    internal_error,
    invalid,
    invalid_value,
    not_found,
    required,
    success,
    timeout,
)
from kube_edu.apiserver.call import Call
from kube_edu.apiserver.codec import media_type_of, read_body, read_object, typed
from kube_edu.apiserver.eviction import Evictions
from kube_edu.apiserver.queryoptions import log_query
from kube_edu.apiserver.reading import Reader
from kube_edu.apiserver.registry import Registry
from kube_edu.host import Host, HttpClient, Request, Response

KUBELET_PORT = 10250
KUBELET_TIMEOUT = 30.0
"""Seconds for the beginning of an answer."""

_SCALE = ("autoscaling/v1", "Scale")


class Subresources:
    """Answers every call that has a subresource other than status."""

    def __init__(
        self,
        host: Host,
        registry: Registry,
        reader: Reader,
        token: Callable[[Call], Awaitable[Object]],
    ) -> None:
        self._host = host
        self._token = token
        self._registry = registry
        self._reader = reader
        self._evictions = Evictions(host, registry, reader)
        self._handlers: dict[str, Callable[[Call], Awaitable[Response]]] = {
            "scale": self.scale,
            "binding": self.bind,
            "eviction": self.evict,
            "finalize": self.finalize,
            "log": self.log,
            "token": self.token,
        }

    async def handle(self, call: Call) -> Response:
        return await self._handlers[call.subresource](call)

    async def scale(self, call: Call) -> Response:
        """autoscaling/v1 Scale: the replicas of any workload, without knowing its kind."""
        if call.verb == "get":
            return Response(body=scale_of((await self._reader.get(call)).decoded()))
        is_patch, content_type = call.verb == "patch", media_type_of(call.request)
        body = read_body(call) if is_patch else read_object(call, *_SCALE)

        def change(workload: Object) -> Object:
            if not is_patch:
                return _scaled(call, workload, body)
            patched = apply_patch(scale_of(workload), body, content_type)
            return _scaled(call, workload, typed(call, patched, *_SCALE))

        return Response(body=scale_of(await self._registry.modify(call, change)))

    async def bind(self, call: Call) -> Response:
        """The scheduler's decision: set spec.nodeName, once
        (kubernetes, pkg/registry/core/pod/storage/storage.go, assignPod)."""
        binding = read_object(call, "v1", "Binding")
        target, meta = binding.get("target") or {}, binding.get("metadata") or {}
        if call.name and meta.get("name") != call.name:
            raise bad_request("name in URL does not match name in Binding object")
        about = meta.get("name", "")
        call = replace(call, resource=by_plural("pods"), name=about, verb="update")
        if target.get("kind", "Node") != "Node":
            raise bad_request(f'target.kind: Unsupported value: "{target["kind"]}"')
        if not target.get("name"):
            raise invalid(binding, [required("target.name")])

        def change(pod: Object) -> Object:
            if meta.get("uid") and meta["uid"] != pod["metadata"]["uid"]:
                raise conflict(call.target, name(pod), "the pod has another UID")
            if "deletionTimestamp" in pod["metadata"]:
                why = f"pod {name(pod)} is being deleted, cannot be assigned to a host"
                raise _binding_conflict(name(pod), why)
            if node := pod["spec"].get("nodeName"):
                why = f'pod {name(pod)} is already assigned to node "{node}"'
                raise _binding_conflict(name(pod), why)
            scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
            status = pod.get("status", {})
            conditions = set_condition(status.get("conditions") or (), scheduled, self._host.now())
            bound = {**pod, "spec": {**pod["spec"], "nodeName": target["name"]}}
            if added := meta.get("annotations"):
                merged = {**(pod["metadata"].get("annotations") or {}), **added}
                bound["metadata"] = {**pod["metadata"], "annotations": merged}
            return {**bound, "status": {**status, "conditions": conditions}}

        await self._registry.modify(call, change, trusted=True)
        return Response(201, success())

    async def evict(self, call: Call) -> Response:
        """A delete that asks politely (policy/v1 Eviction)."""
        await self._evictions.evict(call)
        return Response(201, success())

    async def finalize(self, call: Call) -> Response:
        """Take a namespace's own finalizers away: the last of them lets it go."""
        body = read_object(call, "v1", "Namespace")
        finalizers = body.get("spec", {}).get("finalizers") or []

        def change(namespace: Object) -> Object:
            version = body.get("metadata", {}).get("resourceVersion")
            if version and version != namespace["metadata"]["resourceVersion"]:
                raise conflict(call.target, name(namespace))
            spec = {key: v for key, v in namespace["spec"].items() if key != "finalizers"}
            return {**namespace, "spec": spec | ({"finalizers": finalizers} if finalizers else {})}

        return Response(body=await self._registry.modify(call, change, trusted=True))

    async def token(self, call: Call) -> Response:
        """A token for a service account."""
        return Response(201, await self._token(call))

    async def log(self, call: Call) -> Response:
        """What a container wrote, streamed from the kubelet that runs it."""
        pod = (await self._reader.get(call)).decoded()
        container, query = _container(pod, call.request.param("container")), log_query(call)
        if not pod["spec"].get("nodeName"):
            return Response(body="", headers={"content-type": "text/plain"})
        node = await self._registry.find("nodes", "", pod["spec"]["nodeName"])
        if node is None:
            raise not_found(by_plural("nodes"), pod["spec"]["nodeName"])
        endpoint = kubelet_endpoint(node)
        path = f"/containerLogs/{call.namespace}/{call.name}/{container}"
        kubelet = self._host.connect(endpoint, identity="apiserver-kubelet-client")
        try:
            async with asyncio.timeout(KUBELET_TIMEOUT):
                response = await kubelet.request(Request("GET", path, query))
        except ConnectionError as failure:
            raise internal_error(f'Get "https://{endpoint}{path}": {failure}') from failure
        except TimeoutError:
            raise timeout(f'Get "https://{endpoint}{path}": the kubelet does not answer') from None
        if response.status >= 400:
            await kubelet.close()
            raise _kubelet_error(response)
        text = {"content-type": "text/plain"}
        if response.stream is not None:
            return Response(headers=text, stream=_closing(response.stream, kubelet))
        await kubelet.close()
        return Response(body=response.body, headers=text)


def scale_of(workload: Object) -> Object:
    meta = workload["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = workload["spec"].get("selector")
    if workload["kind"] == "ReplicationController":  # its selector is a plain map
        selector = {"matchLabels": selector}
    replicas = workload.get("status", {}).get("replicas", 0)
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": {"replicas": workload["spec"].get("replicas", 0)},
        "status": {"replicas": replicas, "selector": str(LabelSelector.from_dict(selector))},
    }


def kubelet_endpoint(node: Object) -> str:
    """Where a node's kubelet listens: its InternalIP, or its name where it has none."""
    status = node.get("status", {})
    addresses = {a["type"]: a["address"] for a in reversed(status.get("addresses") or [])}
    port = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint", {}).get("Port")
    return f"{addresses.get('InternalIP', name(node))}:{port or KUBELET_PORT}"


def _scaled(call: Call, workload: Object, scale: Object) -> Object:
    version = scale.get("metadata", {}).get("resourceVersion")
    if version and version != workload["metadata"]["resourceVersion"]:
        raise conflict(call.target, name(workload))
    replicas = scale.get("spec", {}).get("replicas", 0)
    if replicas < 0:
        why = "must be greater than or equal to 0"
        raise invalid(scale, [invalid_value("spec.replicas", replicas, why)])
    return {**workload, "spec": {**workload["spec"], "replicas": replicas}}


def _binding_conflict(pod: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on pods/binding "{pod}": {why}'
    pods = by_plural("pods")
    return error(409, "Conflict", message, name=pod, group=pods.group, kind="pods/binding")


def _container(pod: Object, wanted: str) -> str:
    """The container whose log is meant (kubernetes, pkg/registry/core/pod/strategy.go)."""
    spec = pod["spec"]
    containers = [c["name"] for c in spec["containers"]]
    init = [c["name"] for c in spec.get("initContainers") or ()]
    added = [c["name"] for c in spec.get("ephemeralContainers") or ()]
    if wanted and wanted not in [*containers, *init, *added]:
        raise bad_request(f"container {wanted} is not valid for pod {name(pod)}")
    if not wanted and len(containers) > 1:
        choice = f"choose one of: [{' '.join(containers)}]"
        if init:
            choice += f" or one of the init containers: [{' '.join(init)}]"
        raise bad_request(f"a container name must be specified for pod {name(pod)}, {choice}")
    return wanted or containers[0]


def _kubelet_error(response: Response) -> ApiError:
    body = response.body
    if isinstance(body, dict) and body.get("kind") == "Status":
        return ApiError(body)
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    reasons = {400: "BadRequest", 403: "Forbidden", 404: "NotFound"}
    return error(response.status, reasons.get(response.status, "InternalError"), text.strip())


async def _closing(stream: AsyncIterator[Any], client: HttpClient) -> AsyncIterator[Any]:
    """Pass a stream on, and close its connection when it ends or nobody reads on."""
    try:
        async for message in stream:
            yield message
    finally:
        await Response(stream=stream).close()
        await client.close()

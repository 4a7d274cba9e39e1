"""An API server of one dict, for tests of what talks to one: the verbs, and a watch that lags."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar

from kube_edu.api import meta
from kube_edu.api.defaults import set_defaults
from kube_edu.api.meta import Object
from kube_edu.api.patch import apply_patch
from kube_edu.api.resources import Resource, by_plural, resource_of
from kube_edu.api.selectors import LabelSelector
from kube_edu.api.status import ApiError, already_exists, conflict, gone, not_found, success
from kube_edu.client import ApiClient
from kube_edu.host import Host, Request, Response
from kube_edu.sim import Simulation

Place = tuple[str, str, str]  # plural, namespace, name


class FakeApi:
    """`lag` seconds pass before a watcher hears of a change."""

    def __init__(self, simulation: Simulation, *, lag: float = 0.0) -> None:
        self.simulation = simulation
        self.lag = lag
        self.version = 0
        self.oldest = 0  # changes up to this version are compacted away
        self.objects: dict[Place, Object] = {}
        self.requests: list[Request] = []
        self.refuse: Callable[[Request], ApiError | None] = lambda request: None
        self._history: list[tuple[int, float, str, str, Object]] = []
        self._news = asyncio.Event()
        self._watches: list[asyncio.Event] = []

    async def handle(self, request: Request) -> Response:
        self.requests.append(request)
        try:
            refusal = self.refuse(request)
            if refusal is not None:
                raise refusal
            resource, namespace, name, subresource = _route(request.path)
            if subresource == "token":
                return Response(201, {**request.body, "status": {"token": f"of {name}"}})
            if request.method == "GET" and not name:
                if request.param("watch"):
                    return Response(stream=self._watch(resource, namespace, request))
                return Response(body=self._list(resource, namespace, request))
            place = (resource.plural, namespace, name)
            return Response(body=self._write(request, resource, place, subresource))
        except ApiError as error:
            return Response(error.code, error.status)

    # --- what a test does behind the clients' backs

    def get(self, plural: str, name: str, namespace: str = "default") -> Object:
        return self.objects[plural, namespace if by_plural(plural).namespaced else "", name]

    def all(self, plural: str) -> list[Object]:
        return [obj for place, obj in sorted(self.objects.items()) if place[0] == plural]

    def create(self, obj: Object) -> Object:
        plural = _plural(obj)
        meta_ = dict(obj["metadata"])
        if by_plural(plural).namespaced:
            meta_.setdefault("namespace", "default")
        if "name" not in meta_:
            meta_["name"] = f"{meta_['generateName']}{self.version + 1:05d}"
        place = (plural, meta_.get("namespace", ""), meta_["name"])
        if place in self.objects:
            raise already_exists(by_plural(plural), meta_["name"])
        meta_.setdefault("uid", f"uid-{self.version + 1}")
        meta_.setdefault("creationTimestamp", meta.timestamp(self.simulation.epoch + self.now))
        meta_.setdefault("generation", 1)
        return self._put("ADDED", place, set_defaults({**obj, "metadata": meta_}))

    def change(self, obj: Object, **fields: Any) -> Object:
        """Give an object other fields; `metadata` and `spec` and `status` are merged."""
        current = self.objects[_place(obj)]
        new = dict(current)
        for field, value in fields.items():
            new[field] = {**current.get(field, {}), **value} if isinstance(value, dict) else value
        if new.get("spec") != current.get("spec"):
            generation = current["metadata"]["generation"] + 1
            new["metadata"] = {**new["metadata"], "generation": generation}
        if new == current:
            return current
        ended = new["metadata"].get("deletionTimestamp") and not _held(new)
        return self._put("DELETED" if ended else "MODIFIED", _place(obj), new)

    def delete(self, obj: Object, options: Object | None = None) -> None:
        current = self.objects[_place(obj)]
        finalizers = current["metadata"].get("finalizers") or []
        policy = (options or {}).get("propagationPolicy")
        own = {"Foreground": ["foregroundDeletion"], "Orphan": ["orphan"]}.get(str(policy), [])
        metadata: Object = {"finalizers": finalizers + own} if own else {}
        graceful = current["kind"] == "Pod" and current["spec"].get("nodeName")
        now = graceful and (options or {}).get("gracePeriodSeconds") == 0
        metadata["deletionGracePeriodSeconds"] = 30 if graceful and not now else 0
        metadata["deletionTimestamp"] = meta.timestamp(self.simulation.epoch + self.now)
        if current["kind"] == "Namespace":
            metadata.pop("deletionGracePeriodSeconds")
        self.change(current, metadata=metadata)

    def compact(self) -> None:
        self.oldest = self.version

    def break_watches(self) -> None:
        for broken in self._watches:
            broken.set()
        self._stir()

    @property
    def now(self) -> float:
        return self.simulation.now

    # --- the verbs

    def _write(
        self, request: Request, resource: Resource, place: Place, subresource: str
    ) -> Object:
        if request.method == "POST":
            body = {**request.body, "metadata": {**request.body["metadata"]}}
            return self.create(body)
        current = self.objects.get(place)
        if current is None:
            raise not_found(resource, place[2])
        if request.method == "GET":
            return current
        if request.method == "DELETE":
            wanted = request.body.get("preconditions", {}).get("uid", meta.uid(current))
            if wanted != meta.uid(current):
                raise conflict(resource, place[2])
            self.delete(current, request.body)
            return success()
        body = request.body
        if request.method == "PATCH":
            body = apply_patch(current, body, request.headers["content-type"])
        version = body["metadata"].get("resourceVersion", current["metadata"]["resourceVersion"])
        if version != current["metadata"]["resourceVersion"]:
            raise conflict(resource, place[2])
        if subresource == "status":
            return self._replace(place, {**current, "status": body["status"]})
        new = {**body, "metadata": {**body["metadata"]}}
        if "status" in current:
            new["status"] = current["status"]
        return self._replace(place, set_defaults(new))

    def _replace(self, place: Place, new: Object) -> Object:
        current = self.objects[place]
        if new == current:
            return current
        metadata = dict(new["metadata"])
        metadata["generation"] = current["metadata"]["generation"]
        if new.get("spec") != current.get("spec"):
            metadata["generation"] += 1
        new = {**new, "metadata": metadata}
        ended = metadata.get("deletionTimestamp") and not _held(new)
        return self._put("DELETED" if ended else "MODIFIED", place, new)

    def _list(self, resource: Resource, namespace: str, request: Request) -> Object:
        selector = LabelSelector.parse(request.param("labelSelector"))
        found = [
            obj
            for obj in self.all(resource.plural)
            if namespace in ("", meta.namespace(obj)) and selector.matches(meta.labels(obj))
        ]
        return {
            "apiVersion": resource.api_version,
            "kind": resource.list_kind,
            "metadata": {"resourceVersion": str(self.version)},
            "items": found,
        }

    async def _watch(
        self, resource: Resource, namespace: str, request: Request
    ) -> AsyncIterator[Object]:
        version = int(request.param("resourceVersion"))
        broken = asyncio.Event()
        self._watches.append(broken)
        try:
            if version < self.oldest:
                yield {"type": "ERROR", "object": gone("too old resource version").status}
                return
            place = next(
                (i for i, entry in enumerate(self._history) if entry[0] > version),
                len(self._history),
            )
            while not broken.is_set():
                if place == len(self._history):
                    await self._news.wait()
                    continue
                _, at, plural, type, obj = self._history[place]
                place += 1
                if plural == resource.plural and namespace in ("", meta.namespace(obj)):
                    await asyncio.sleep(max(0.0, at + self.lag - self.now))
                    if broken.is_set():
                        break
                    yield {"type": type, "object": obj}
            raise ConnectionResetError
        finally:
            self._watches.remove(broken)

    def _put(self, type: str, place: Place, obj: Object) -> Object:
        self.version += 1
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        if type == "DELETED":
            del self.objects[place]
        else:
            self.objects[place] = obj
        self._history.append((self.version, self.now, place[0], type, obj))
        self._stir()
        return obj

    def _stir(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _held(obj: Object) -> bool:
    """Whether something still keeps an object that is being deleted."""
    if obj["metadata"].get("finalizers"):
        return True
    if obj["kind"] == "Namespace":
        return bool(obj["spec"].get("finalizers"))
    return bool(obj["metadata"].get("deletionGracePeriodSeconds"))


def _route(path: str) -> tuple[Resource, str, str, str]:
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in ("finalize", "status"):
        namespace, parts = parts[1], parts[2:]
    resource, name, subresource = [*parts, "", ""][:3]
    return by_plural(resource), namespace, name, subresource


def _plural(obj: Object) -> str:
    return resource_of(obj).plural


def _place(obj: Object) -> Place:
    return _plural(obj), meta.namespace(obj), meta.name(obj)


class World:
    """A simulation with a FakeApi on `control-1` and a machine `worker` that calls it."""

    open: ClassVar[list[World]] = []

    def __init__(self, seed: int = 1, *, lag: float = 0.0) -> None:
        self.open.append(self)
        self.simulation = Simulation(seed)
        self.api = FakeApi(self.simulation, lag=lag)
        self.control = self.simulation.machine("control-1", "192.168.0.10")
        self.worker = self.simulation.machine("worker", "192.168.0.20")
        self.control.start("apiserver", self._serve)
        self.simulation.run_for(0.1)

    @classmethod
    def close_all(cls) -> None:
        while cls.open:
            cls.open.pop().simulation.close()

    async def _serve(self, host: Host) -> None:
        await host.serve(6443, self.api.handle, identity="apiserver")
        await asyncio.Event().wait()

    def client(self, host: Host) -> ApiClient:
        return ApiClient(host.connect("control-1:6443", identity="admin"), "test")

    def run(self, seconds: float = 5.0) -> None:
        """Let time pass, in which every pod is bound and becomes ready, and pods that are being
        deleted end: the scheduler and the kubelets of this world."""
        end = self.simulation.now + seconds
        while self.simulation.now < end:
            self.simulation.run_for(0.25)
            for pod in self.api.all("pods"):
                if "deletionTimestamp" in pod["metadata"]:
                    self.api.delete(pod, {"gracePeriodSeconds": 0})
                elif pod.get("status", {}).get("phase", "Pending") == "Pending":
                    self.start_pod(pod)

    def start_pod(self, pod: Object, node: str = "node-1") -> None:
        since = meta.timestamp(self.simulation.epoch + self.simulation.now)
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": since}
        number = 1 + int(pod["metadata"]["resourceVersion"]) % 250
        status = {"phase": "Running", "podIP": f"10.244.0.{number}", "conditions": [ready]}
        self.api.change(pod, spec={"nodeName": node}, status=status)

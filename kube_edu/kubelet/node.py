"""A node's own object: registered once, and then kept alive by two heartbeats.

Source: kubernetes, pkg/kubelet/kubelet_node_status.go, nodestatus/setters.go, and
k8s.io/component-helpers/apimachinery/lease/controller.go. The Lease is the cheap heartbeat, every
ten seconds; the big status is looked at as often, but written only when it has changed or five
minutes have passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.client import ApiClient, Informer
from kube_edu.host import Host
from kube_edu.kubelet.cni import PodNetwork

PORT = 10250
VERSION = "v1.33.1"
STATUS_SECONDS = 10.0
REPORT_SECONDS = 300.0
LEASE_SECONDS = 40
LEASE_NAMESPACE = "kube-node-lease"

CAPACITY = {"cpu": "4", "ephemeral-storage": "100Gi", "memory": "8Gi", "pods": "110"}
"""In the form that the API server gives back, or every look would find a change."""

HEALTHY = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}


class NodeAgent:
    """Registers the node and sends its heartbeats. The pod network gets the node's podCIDR as
    soon as a controller has given it one; until then the node is not ready."""

    def __init__(
        self,
        host: Host,
        client: ApiClient,
        network: PodNetwork,
        nodes: Informer,
    ) -> None:
        self._host = host
        self._client = client
        self._network = network
        self._nodes = nodes
        self._pod_cidr = ""
        self._look = asyncio.Event()
        nodes.on_change(self._node_changed)

    def initial(self) -> Object:
        """The Node object that the kubelet registers."""
        host = self._host
        labels = {
            "beta.kubernetes.io/arch": "amd64",
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": host.name,
            "kubernetes.io/os": "linux",
        }
        machine = sha256(host.name.encode()).hexdigest()[:32]
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": host.name, "labels": labels},
            "spec": {},
            "status": {
                "capacity": {**CAPACITY},
                "allocatable": {**CAPACITY},
                "addresses": [
                    {"type": "InternalIP", "address": host.address},
                    {"type": "Hostname", "address": host.name},
                ],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": PORT}},
                "nodeInfo": {
                    "architecture": "amd64",
                    "bootID": machine,
                    "containerRuntimeVersion": "kube-edu://1.0.0",
                    "kernelVersion": "kube-edu",
                    "kubeProxyVersion": "",
                    "kubeletVersion": VERSION,
                    "machineID": machine,
                    "operatingSystem": "linux",
                    "osImage": "kube-edu",
                    "systemUUID": machine,
                },
                "conditions": self._conditions([]),
            },
        }

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._renew_lease())
            group.create_task(self._report_status())

    # --- the status

    async def _report_status(self) -> None:
        loop = asyncio.get_running_loop()
        registered = False
        reported = 0.0
        while True:
            try:
                if not registered:
                    await self._register()
                    registered = True
                node = self._nodes.get(self._host.name) or self.initial()
                status = self.initial()["status"]
                status["conditions"] = self._conditions(node["status"].get("conditions") or [])
                if _differs(node["status"], status) or loop.time() - reported >= REPORT_SECONDS:
                    await self._client.patch(
                        "nodes", self._host.name, "", {"status": status}, subresource="status"
                    )
                    reported = loop.time()
            except (ApiError, ConnectionError):
                pass  # the next look is soon
            with suppress(TimeoutError):
                async with asyncio.timeout(STATUS_SECONDS):
                    await self._look.wait()
            self._look.clear()

    async def _register(self) -> None:
        try:
            await self._client.create(self.initial())
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    def _conditions(self, old: Sequence[Object]) -> list[Object]:
        """The kubelet's conditions, and behind them those that others wrote."""
        conditions = list(old)
        now = self._host.now()
        for type, (reason, message) in HEALTHY.items():
            healthy = {"type": type, "status": "False", "reason": reason, "message": message}
            conditions = meta.set_condition(conditions, healthy, now)
        conditions = meta.set_condition(conditions, self._ready(), now)
        heartbeat = meta.timestamp(now)
        ours = (*HEALTHY, "Ready")
        return [
            {**c, "lastHeartbeatTime": heartbeat} if c["type"] in ours else c for c in conditions
        ]

    def _ready(self) -> Object:
        if self._pod_cidr:
            reason, message = "KubeletReady", "kubelet is posting ready status"
            return {"type": "Ready", "status": "True", "reason": reason, "message": message}
        message = (
            "container runtime network not ready: NetworkReady=false "
            "reason:NetworkPluginNotReady message:Network plugin returns error: "
            "cni plugin not initialized"
        )
        return {
            "type": "Ready",
            "status": "False",
            "reason": "KubeletNotReady",
            "message": message,
        }

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        pod_cidr = new["spec"].get("podCIDR", "") if new is not None else ""
        if pod_cidr and pod_cidr != self._pod_cidr:
            self._pod_cidr = pod_cidr
            self._network.set_pod_cidr(pod_cidr)
        if new is not None and not meta.condition_is(new, "Ready", self._ready()["status"]):
            self._look.set()

    # --- the lease

    async def _renew_lease(self) -> None:
        lease: Object | None = None
        while True:
            try:
                lease = await self._renewed(lease)
            except (ApiError, ConnectionError):
                lease = None  # begin again from what is there
            await asyncio.sleep(LEASE_SECONDS / 4)

    async def _renewed(self, lease: Object | None) -> Object:
        spec = {
            "holderIdentity": self._host.name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": meta.micro_timestamp(self._host.now()),
        }
        if lease is None:
            lease = await self._client.find("leases", self._host.name, LEASE_NAMESPACE)
        if lease is not None:
            return await self._client.update({**lease, "spec": spec})
        metadata: Object = {"name": self._host.name, "namespace": LEASE_NAMESPACE}
        node = self._nodes.get(self._host.name)
        if node is not None:
            owner = meta.owner_reference(node, controller=False)
            del owner["controller"], owner["blockOwnerDeletion"]
            metadata["ownerReferences"] = [owner]
        return await self._client.create(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": metadata,
                "spec": spec,
            }
        )


def _differs(old: Object, new: Object) -> bool:
    """Whether a status says something new, heartbeats aside."""

    def plain(status: Object, field: str) -> object:
        if field != "conditions":
            return status.get(field)
        return [(c["type"], c["status"], c.get("reason")) for c in status.get(field) or ()]

    return any(plain(old, field) != plain(new, field) for field in new)

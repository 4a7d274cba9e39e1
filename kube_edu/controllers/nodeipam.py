"""Gives each node its own range of pod addresses (upstream pkg/controller/nodeipam, the range
allocator)."""

from __future__ import annotations

from ipaddress import IPv4Network

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.client import ApiClient, Controller, Informers
from kube_edu.host import Host

NODE_MASK_SIZE = 24  # --node-cidr-mask-size


class NodeIpamController(Controller):
    name = "nodeipam"
    account = "node-controller"
    resource = "nodes"
    workers = 1  # two at a time could choose the same range

    def __init__(
        self,
        client: ApiClient,
        host: Host,
        informers: Informers,
        *,
        cluster_cidr: str = "10.244.0.0/16",
    ) -> None:
        super().__init__(client, host, informers)
        self._cluster = IPv4Network(cluster_cidr)
        self._given: dict[str, str] = {}  # by node: what the informer may not show yet
        self._nodes = self.watch("nodes", lambda node: [] if _cidr(node) else [meta.name(node)])

    async def reconcile(self, key: str) -> None:
        node = self._nodes.get(key)
        if node is None:
            self._given.pop(key, None)
            return
        if _cidr(node):
            return
        cidr = self._given.get(key) or self._free()
        if cidr is None:
            message = f"Node {key} status is now: CIDRNotAvailable"
            self.events.event(node, "Normal", "CIDRNotAvailable", message)
            raise RuntimeError(
                "CIDR allocation failed; there are no remaining CIDRs left to allocate"
            )
        self._given[key] = cidr
        await self.client.patch("nodes", key, "", {"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}})

    def _free(self) -> str | None:
        """The first range that no node has."""
        taken = {_cidr(node) for node in self._nodes.list()} | set(self._given.values())
        ranges = self._cluster.subnets(new_prefix=NODE_MASK_SIZE)
        return next((str(subnet) for subnet in ranges if str(subnet) not in taken), None)


def _cidr(node: Object) -> str:
    return str(node["spec"].get("podCIDR", ""))

"""The controller manager: all controllers in one process, at work in one place at a time
(upstream cmd/kube-controller-manager)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from kube_edu.client import ApiClient, Controller, Informers, LeaderElector
from kube_edu.controllers.deployment import DeploymentController
from kube_edu.controllers.endpoints import EndpointsController
from kube_edu.controllers.endpointslice import EndpointSliceController
from kube_edu.controllers.garbagecollector import GarbageCollector
from kube_edu.controllers.namespace import NamespaceController
from kube_edu.controllers.nodeipam import NodeIpamController
from kube_edu.controllers.nodelifecycle import NodeLifecycleController
from kube_edu.controllers.podgc import PodGCController
from kube_edu.controllers.replicaset import ReplicaSetController
from kube_edu.controllers.serviceaccount import ServiceAccountController
from kube_edu.controllers.tainteviction import TaintEvictionController
from kube_edu.host import Host

CONTROLLERS: dict[str, type[Controller]] = {
    controller.name: controller
    for controller in (
        DeploymentController,
        EndpointsController,
        EndpointSliceController,
        GarbageCollector,
        NamespaceController,
        NodeIpamController,
        NodeLifecycleController,
        PodGCController,
        ReplicaSetController,
        ServiceAccountController,
        TaintEvictionController,
    )
}


class ControllerManager:
    """Runs the controllers of the table while it is the leader.

    `roles` replaces functions of theirs: "replicaset.manage_replicas" is the keyword argument
    `manage_replicas` of the controller "replicaset".
    """

    def __init__(
        self,
        client: ApiClient,
        host: Host,
        *,
        cluster_cidr: str = "10.244.0.0/16",
        roles: Mapping[str, Any] | None = None,
    ) -> None:
        self._client = client
        self._host = host
        self._arguments = {"nodeipam.cluster_cidr": cluster_cidr, **(roles or {})}

    async def run(self) -> None:
        elector = LeaderElector(self._client, self._host, "kube-controller-manager")
        await elector.run(self._lead)

    async def _lead(self) -> None:
        """A new leader starts from nothing: all that it knows it reads from the API server."""
        informers = Informers(self._client, self._host)
        controllers = [self._build(name, informers) for name in CONTROLLERS]
        async with asyncio.TaskGroup() as group:
            group.create_task(informers.run())
            for controller in controllers:
                group.create_task(controller.run())

    def _build(self, name: str, informers: Informers) -> Controller:
        ours = {
            role.removeprefix(f"{name}."): value
            for role, value in self._arguments.items()
            if role.startswith(f"{name}.")
        }
        return CONTROLLERS[name](self._client, self._host, informers, **ours)

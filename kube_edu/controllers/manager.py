"""The controller manager: all controllers in one process, at work in one place at a time
(upstream cmd/kube-controller-manager)."""

from __future__ import annotations

import asyncio
from typing import Any

from kube_edu.client import (
    ApiClient,
    Controller,
    Informers,
    LeaderElector,
    ServiceAccountClient,
)
from kube_edu.controllers.certificates import CsrApprovingController, CsrSigningController, Sign
from kube_edu.controllers.clusterroleaggregation import ClusterRoleAggregationController
from kube_edu.controllers.deployment import DeploymentController
from kube_edu.controllers.disruption import DisruptionController
from kube_edu.controllers.endpoints import EndpointsController
from kube_edu.controllers.endpointslice import EndpointSliceController
from kube_edu.controllers.garbagecollector import GarbageCollector
from kube_edu.controllers.namespace import NamespaceController
from kube_edu.controllers.nodeipam import NodeIpamController
from kube_edu.controllers.nodelifecycle import NodeLifecycleController
from kube_edu.controllers.podgc import PodGCController
from kube_edu.controllers.replicaset import (
    ManageReplicas,
    ReplicaSetController,
    manage_replicas,
)
from kube_edu.controllers.resourcequota import ResourceQuotaController
from kube_edu.controllers.rootcacertpublisher import RootCACertPublisher
from kube_edu.controllers.serviceaccount import ServiceAccountController
from kube_edu.controllers.tainteviction import TaintEvictionController
from kube_edu.host import Host, HttpClient

CONTROLLERS: dict[str, type[Controller]] = {
    controller.name: controller
    for controller in (
        ClusterRoleAggregationController,
        CsrApprovingController,
        CsrSigningController,
        DeploymentController,
        DisruptionController,
        EndpointsController,
        EndpointSliceController,
        GarbageCollector,
        NamespaceController,
        NodeIpamController,
        NodeLifecycleController,
        PodGCController,
        ReplicaSetController,
        ResourceQuotaController,
        RootCACertPublisher,
        ServiceAccountController,
        TaintEvictionController,
    )
}


class ControllerManager:
    """Runs the controllers of the table while it is the leader. It reads as itself; each controller
    writes as its own service account, over the connection `anonymous`."""

    def __init__(
        self,
        host: Host,
        client: ApiClient,
        anonymous: HttpClient,
        *,
        cluster_cidr: str = "10.244.0.0/16",
        root_ca: str = "",
        sign: Sign | None = None,
        manage_replicas: ManageReplicas = manage_replicas,
    ) -> None:
        self._host = host
        self._client = client
        self._anonymous = anonymous
        self._settings: dict[str, dict[str, Any]] = {
            "nodeipam": {"cluster_cidr": cluster_cidr},
            "csrsigning": {"sign": sign},
            "rootcacertpublisher": {"root_ca": root_ca},
            "replicaset": {"manage_replicas": manage_replicas},
        }

    async def run(self) -> None:
        elector = LeaderElector(self._client, self._host, "kube-controller-manager")
        await elector.run(self._lead)

    async def _lead(self) -> None:
        """A new leader starts from nothing: all that it knows it reads from the API server."""
        informers = Informers(self._client, self._host)
        controllers = [
            controller(
                self._client_of(controller), self._host, informers, **self._settings.get(name, {})
            )
            for name, controller in CONTROLLERS.items()
        ]
        async with asyncio.TaskGroup() as group:
            group.create_task(informers.run())
            for controller in controllers:
                group.create_task(controller.run())

    def _client_of(self, controller: type[Controller]) -> ApiClient:
        account = controller.account
        http = ServiceAccountClient(self._client, self._anonymous, "kube-system", account)
        return ApiClient(http, f"kube-controller-manager/{account}")

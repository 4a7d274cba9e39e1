"""The programs of a cluster: what runs on an etcd member, on the control plane, on a node.

Each is the `main` of one process, as its namesake's is in Kubernetes: it takes a host and what its
flags would say, puts a component together, and runs it until it is cancelled. The simulated
cluster (cluster.py) and the live one (up.py) start these same functions.

`roles` holds the functions that a reader's own code may take the place of, by name; ROLES lists
them, with our versions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kube_edu.addons.dns import Dns
from kube_edu.api.patch import merge_patch
from kube_edu.api.status import ApiError
from kube_edu.apiserver import ApiServer
from kube_edu.apiserver.admission.plugins import MUTATING, VALIDATING
from kube_edu.apiserver.authorization.rbac import allows
from kube_edu.apiserver.options import Options
from kube_edu.apiserver.watchcache import WatchCache
from kube_edu.client import ApiClient, apply
from kube_edu.client.kubectl import Kubectl
from kube_edu.client.reflector import list_and_watch
from kube_edu.controllers import ControllerManager
from kube_edu.controllers.certificates import Sign
from kube_edu.controllers.replicaset import manage_replicas
from kube_edu.etcd import EtcdClient, EtcdServer
from kube_edu.etcd.services import Services
from kube_edu.etcd.state import compare_holds
from kube_edu.host import Host, Request, Response
from kube_edu.host.identity import NOBODY
from kube_edu.kubelet.cni import PodNetwork
from kube_edu.kubelet.cri import Runtime
from kube_edu.kubelet.cri.context import ContainerContext
from kube_edu.kubelet.kubelet import Kubelet
from kube_edu.proxy import KubeProxy, Proxier
from kube_edu.proxy.iptables import build_chain
from kube_edu.raft import rules
from kube_edu.scheduler import Scheduler

Roles = Mapping[str, Any]

ROLES: dict[str, Any] = {
    "admission.mutate": None,
    "admission.validate": None,
    "apiserver.merge_patch": merge_patch,
    "apiserver.watch_cache": WatchCache,
    "apply.plan": apply.plan,
    "etcd.compare_holds": compare_holds,
    "proxy.build_chain": build_chain,
    "raft.append_entries": rules.append_entries,
    "raft.commit_index": rules.commit_index,
    "raft.election_timeout": rules.election_timeout,
    "raft.grant_vote": rules.grant_vote,
    "raft.next_index": rules.next_index,
    "rbac.allows": allows,
    "replicaset.manage_replicas": manage_replicas,
    "scheduler.filter": None,
    "scheduler.list_and_watch": list_and_watch,
    "scheduler.score": None,
}
"""Every function that can be replaced; None where ours is a set of plugins."""

APISERVER_PORT = 6443
ETCD_CLIENT_PORT = 2379
ETCD_PEER_PORT = 2380
KUBELET_PORT = 10250


def check_roles(roles: Iterable[str]) -> None:
    """Raises ValueError for a role that there is not."""
    for role in roles:
        if role not in ROLES:
            raise ValueError(f"no role is called {role!r}: there are {', '.join(ROLES)}")


async def etcd(
    host: Host,
    *,
    members: Sequence[str],
    roles: Roles | None = None,
    started: Callable[[EtcdServer], None] | None = None,
) -> None:
    """One member of the store; `members` are the hosts of all. `started` is handed the member,
    for a look inside."""
    peers = {name: f"{name}:{ETCD_PEER_PORT}" for name in members}
    server = EtcdServer(host, peers, roles=roles)
    if started is not None:
        started(server)
    await host.serve(ETCD_CLIENT_PORT, Services(server).handle, identity="etcd")
    await server.run()


async def kube_apiserver(
    host: Host,
    *,
    etcd_members: Sequence[str],
    service_cidr: str,
    options: Options,
    port: int = APISERVER_PORT,
    store: EtcdClient | None = None,
    roles: Roles,
) -> None:
    """`store` is one of another making, in place of the cluster's own members."""
    identity = "apiserver-etcd-client"
    store = store or EtcdClient(
        [host.connect(f"{name}:{ETCD_CLIENT_PORT}", identity=identity) for name in etcd_members]
    )
    server = ApiServer(
        host,
        store,
        options,
        port=port,
        service_cidr=service_cidr,
        mutating=[*MUTATING, *_given(roles, "admission.mutate")],
        validating=[*_given(roles, "admission.validate"), *VALIDATING],
        allows=roles.get("rbac.allows", allows),
        merge_patch=roles.get("apiserver.merge_patch", merge_patch),
        watch_cache=roles.get("apiserver.watch_cache", WatchCache),
    )
    await host.serve(port, server.handle, identity="apiserver")
    await server.run()


async def kube_controller_manager(
    host: Host, *, apiserver: str, cluster_cidr: str, root_ca: str, sign: Sign, roles: Roles
) -> None:
    """`sign` is the cluster's authority, whose certificate is `root_ca`."""
    await ControllerManager(
        host,
        api_client(host, apiserver, "controller-manager", "kube-controller-manager"),
        host.connect(apiserver, identity=NOBODY),
        cluster_cidr=cluster_cidr,
        root_ca=root_ca,
        sign=sign,
        manage_replicas=roles.get("replicaset.manage_replicas", manage_replicas),
    ).run()


async def kube_scheduler(host: Host, *, apiserver: str, roles: Roles) -> None:
    client = api_client(host, apiserver, "scheduler", "kube-scheduler")
    await Scheduler(
        host,
        client,
        filter=roles.get("scheduler.filter"),
        score=roles.get("scheduler.score"),
        list_and_watch=roles.get("scheduler.list_and_watch", list_and_watch),
    ).run()


async def addon_manager(host: Host, *, apiserver: str, manifests: Sequence[str]) -> None:
    """Applies the cluster's add-ons once the API server takes them, as kubeadm's add-on phase
    does, and is done."""
    client = api_client(host, apiserver, "super-admin", "kubeadm")
    kubectl = Kubectl(client)
    for manifest in manifests:
        while True:
            try:
                await kubectl.apply(manifest)
                break
            except (ApiError, ConnectionError):
                await asyncio.sleep(0.5)


async def coredns(container: ContainerContext, *, host: Host, apiserver: str) -> int:
    """The program in the image `coredns`: cluster DNS on port 53, readiness on 8181."""
    dns = Dns(api_client(host, apiserver, "coredns", "coredns"), host)

    async def ready(source: str, request: Request) -> Response:
        return Response(200)

    running = asyncio.get_running_loop().create_task(dns.run())
    container.listen(53, dns.serve_udp, "UDP")
    container.listen(53, dns.serve_tcp, "TCP")
    await dns.synced()
    container.listen(8181, ready)
    await container.terminated.wait()
    running.cancel()
    return 0


async def kubelet(
    host: Host, *, apiserver: str, runtime: Runtime, network: PodNetwork, **settings: Any
) -> None:
    client = api_client(host, apiserver, "kubelet", "kubelet")
    node = Kubelet(host, client, runtime, network, **settings)
    await host.serve(KUBELET_PORT, node.handle, identity="kubelet")
    await node.run()


async def kube_proxy(host: Host, *, apiserver: str, proxier: Proxier) -> None:
    client = api_client(host, apiserver, "kube-proxy", "kube-proxy")
    await KubeProxy(host, client, proxier).run()


def _given(roles: Roles, role: str) -> list[Any]:
    return [roles[role]] if role in roles else []


def api_client(host: Host, apiserver: str, identity: str, user_agent: str) -> ApiClient:
    return ApiClient(host.connect(apiserver, identity=identity), user_agent)

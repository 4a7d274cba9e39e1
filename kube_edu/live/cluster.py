"""The programs of a cluster (kube_edu.parts) on the hosts of one live cluster: which there are, and
when they are ready."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import dns.message

from kube_edu import parts
from kube_edu.addons.manifests import coredns
from kube_edu.api.status import ApiError
from kube_edu.apiserver.options import Options
from kube_edu.client import ApiClient
from kube_edu.client.ready import is_ready
from kube_edu.etcd import EtcdClient, EtcdServer
from kube_edu.etcd.services import Services
from kube_edu.host import Host, Request
from kube_edu.kubelet.cni.loopback import DialMap
from kube_edu.kubelet.cri.process import ProcessRuntime
from kube_edu.live.addresses import LOCALHOST, Addresses
from kube_edu.live.etcd_grpc import GrpcServer
from kube_edu.live.folder import Settings
from kube_edu.live.host import Rack
from kube_edu.live.keys import ServiceAccountKey
from kube_edu.live.manifests import static_pods
from kube_edu.live.network import DNS_PORT, LiveNetwork, ask
from kube_edu.live.pki import Pki
from kube_edu.live.proxy import LiveProxier
from kube_edu.wire.jwt import Signer

CONTROL_PLANE = "control-1"

NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
)
"""The API server's, beside the machine's (kubeadm, cmd/kubeadm/app/util/pkiutil)."""


class LiveCluster:
    """The hosts `etcd-1` …, `control-1` and `node-1` …, and what runs on them."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        nodes: int,
        port: int,
        say: Callable[[str], None],
        store: EtcdClient | None,
        options: Callable[[Signer], Options],
        roles: parts.Roles,
    ) -> None:
        self._folder = folder
        self._options = options
        self._roles = roles
        self._say = say
        self._store = store
        self._addresses = Addresses(settings.block)
        self._members = [f"etcd-{number + 1}" for number in range(settings.etcd_members)]
        self._nodes = [f"node-{number + 1}" for number in range(nodes)]
        self._port = port
        self._server = f"https://{LOCALHOST}:{port}"
        self._apiserver = f"{CONTROL_PLANE}:{port}"
        self._dial_map = DialMap(folder / "dial")
        self._rack = Rack(folder / "hosts", Pki(folder), self._dial_map)
        self._control = self._rack.host(
            CONTROL_PLANE, LOCALHOST, (*NAMES, self._addresses.kubernetes)
        )
        self._runtimes: list[ProcessRuntime] = []
        self._etcd: GrpcServer | None = None

    def programs(self) -> Iterator[Coroutine[Any, Any, None]]:
        for name in self._members:
            host = self._rack.host(name, LOCALHOST)
            yield parts.etcd(
                host, members=self._members, roles=self._roles, started=self._serve_etcd
            )
        control, apiserver, roles = self._control, self._apiserver, self._roles
        yield parts.kube_apiserver(
            control,
            etcd_members=self._members,
            service_cidr=self._addresses.service_cidr,
            options=self._options(ServiceAccountKey(self._rack.pki.folder)),
            port=self._port,
            store=self._store,
            roles=roles,
        )
        yield parts.kube_controller_manager(
            control,
            apiserver=apiserver,
            cluster_cidr=self._addresses.cluster_cidr,
            root_ca=self._rack.pki.ca.certificate.read_text(),
            sign=self._rack.pki.ca.sign_request,
            roles=roles,
        )
        yield parts.kube_scheduler(control, apiserver=apiserver, roles=roles)
        yield parts.addon_manager(
            control, apiserver=apiserver, manifests=[coredns(self._addresses.dns)]
        )
        nodes = [
            self._rack.host(name, self._addresses.node(number + 1))
            for number, name in enumerate(self._nodes)
        ]
        for node in nodes:
            yield self._kubelet(node)
        addresses = [node.address for node in nodes]
        proxier = LiveProxier(addresses, self._dial_map, self._say)
        yield parts.kube_proxy(nodes[0], apiserver=apiserver, proxier=proxier)

    async def boot(self) -> None:
        """Tell of each step as it is done."""
        for client in ("admin", "super-admin", "controller-manager", "scheduler"):
            self._rack.pki.kubeconfig(f"{client}.conf", client, CONTROL_PLANE, self._server)
        self._rack.pki.kubeconfig("kubelet.conf", "kubelet", self._nodes[0], self._server)
        self._say(f"certificates and kubeconfigs are in {self._folder}")
        admin = parts.api_client(self._control, self._apiserver, "admin", "kube-edu")
        await _until(partial(admin.raw, "GET", "/readyz"))
        store = f"{len(self._members)} members" if self._members else "--etcd-servers"
        self._say(f"etcd ({store}) and the API server are ready: {self._server}")
        if self._etcd is not None:
            port = self._etcd_port()
            await self._etcd.start()
            self._say(f"etcd answers etcdctl: https://{LOCALHOST}:{port}")
        for name in self._nodes:
            await _until(partial(self._check_node, admin, name))
            self._say(f"{name} is ready")
        await _until(self._check_dns)
        self._say(f"cluster DNS answers: {self._addresses.dns}")
        self._say(f"export KUBECONFIG={shlex.quote(str(self._folder / 'admin.conf'))}")

    def _serve_etcd(self, member: EtcdServer) -> None:
        """The first member answers etcdctl. (The others are for clients in this process alone:
        they all have one address, and there is one port 2379.)"""
        if self._etcd is None:
            self._etcd = GrpcServer(Services(member).handle)

    def _etcd_port(self) -> int:
        """etcd's own port; any, if somebody else has that."""
        assert self._etcd is not None
        tls = self._rack.pki.etcd((CONTROL_PLANE, "localhost", LOCALHOST))
        try:
            return self._etcd.add_port(LOCALHOST, parts.ETCD_CLIENT_PORT, tls)
        except OSError:
            return self._etcd.add_port(LOCALHOST, 0, tls)

    async def _check_node(self, admin: ApiClient, name: str) -> None:
        """Its kubelet answers, and what it has told the API server is that it is ready."""
        endpoint = f"{name}:{parts.KUBELET_PORT}"
        kubelet = self._control.connect(endpoint, identity="apiserver-kubelet-client")
        try:
            await kubelet.request(Request("GET", "/healthz"))
        finally:
            await kubelet.close()
        if not is_ready(await admin.get("nodes", name), []):
            raise ConnectionError(f"{name} is not ready yet")

    async def _check_dns(self) -> None:
        query = dns.message.make_query("kubernetes.default.svc.cluster.local", "A")
        async with asyncio.timeout(1):
            reply = await ask(self._dial_map.dial(self._addresses.dns, DNS_PORT), query.to_wire())
        if not dns.message.from_wire(reply).answer:
            raise ConnectionError("it does not know the API server yet")

    async def close(self) -> None:
        """End the containers, then break every connection."""
        for runtime in self._runtimes:
            await runtime.close()
        if self._etcd is not None:
            await self._etcd.close()
        await self._rack.close()

    async def _kubelet(self, host: Host) -> None:
        network = LiveNetwork(self._dial_map)
        folder = self._folder / "hosts" / host.name
        images = {"coredns": partial(parts.coredns, host=host, apiserver=self._apiserver)}
        runtime = ProcessRuntime(host, folder, network, self._dial_map, images)
        self._runtimes.append(runtime)
        first = host.name == self._nodes[0]
        manifests = static_pods(self._folder / "manifests") if first else None
        await parts.kubelet(
            host,
            apiserver=self._apiserver,
            runtime=runtime,
            network=network,
            manifests=manifests,
            cluster_dns=self._addresses.dns,
        )


async def _until(check: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Return when a check passes that may be refused, or get no answer, until then."""
    while True:
        with suppress(ApiError, OSError):
            await check()
            return
        await asyncio.sleep(0.1)

"""A whole cluster in the simulation.

    c = Cluster(nodes=3, etcd_members=3, seed=7)
    c.apply(manifest)
    c.run_until(lambda: c.ready("deployment/web"), timeout=60)
    print(c.kubectl("get pods -o wide"))

Nothing moves unless time does: `run_for` and `run_until` let it pass, and so does whatever waits
for an answer (`apply`, `kubectl`, `curl`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from kube_edu import parts
from kube_edu.addons import manifests
from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.resources import by_plural, resolve
from kube_edu.api.status import ApiError
from kube_edu.apiserver.options import Options
from kube_edu.client.apply import plan
from kube_edu.client.kubectl import Kubectl, Usage
from kube_edu.client.ready import is_ready
from kube_edu.etcd.messages import KeyValue, RangeRequest
from kube_edu.etcd.server import EtcdServer
from kube_edu.host import Host
from kube_edu.host.identity import NOBODY
from kube_edu.kubelet.cri.simulated import SimulatedRuntime
from kube_edu.proxy import iptables
from kube_edu.sim import Machine, Stage, keys
from kube_edu.sim.curl import CurlError, http_get
from kube_edu.sim.dataplane import DataPlane, NodeNetwork
from kube_edu.sim.machine import Main
from kube_edu.trace import Event

T = TypeVar("T")

CONTROL_PLANE = "control-1"
APISERVER = f"{CONTROL_PLANE}:{parts.APISERVER_PORT}"
SERVICE_CIDR = "10.96.0.0/16"
CLUSTER_CIDR = "10.244.0.0/16"
DNS_ADDRESS = "10.96.0.10"
SERVICE = ("service/", "services/", "svc/")


class Output(str):
    """Text that shows itself as it would be printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, repr=False)
class Answer:
    """What a curl got: status and body, or (where nothing came back) the error; and every hop of
    its packets, DNS questions included."""

    status: int
    body: str
    error: str
    hops: list[Event]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 400

    def __repr__(self) -> str:
        said = f"curl: {self.error}" if self.error else self.body.rstrip()
        steps = [f"  {h.host:<8} {h.fields['step']}  {h.fields['detail']}" for h in self.hops]
        return "\n".join([said, *steps])


class Cluster(Stage):
    """Machines `etcd-1` …, `control-1` and `node-1` …, and what runs on them.

    `seed` decides everything that chance decides. `roles` puts functions of yours in the place
    of ours (kube_edu.parts.ROLES). When the constructor returns the cluster is up and its nodes
    are Ready; with `boot=False` no time has passed yet.
    """

    def __init__(
        self,
        nodes: int = 3,
        etcd_members: int = 3,
        seed: int = 1,
        *,
        roles: Mapping[str, Any] | None = None,
        boot: bool = True,
    ) -> None:
        super().__init__(seed)
        self.roles = dict(roles or {})
        parts.check_roles(self.roles)
        self.etcd: dict[str, EtcdServer] = {}
        """The etcd members by name, for a look inside."""
        self._members = [f"etcd-{number + 1}" for number in range(etcd_members)]
        self._plane = DataPlane(self.simulation)
        laptop = self.simulation.machine("laptop", "192.168.0.2")
        laptop.start("kubectl", _idle)
        admin = parts.api_client(laptop.processes["kubectl"].host, APISERVER, "admin", "kubectl")
        self._kubectl = Kubectl(admin, self.roles.get("apply.plan", plan))
        self._build(nodes)
        if boot:
            self.run_until(self._is_up, timeout=120)

    # --- what you do with a cluster

    def apply(self, manifest: str, *, namespace: str = "", prune: str = "") -> Output:
        """`kubectl apply -f -`; with `prune`, a label selector, also delete what was applied
        before, matches it and is no longer in the manifest. Raises ApiError."""
        return Output("\n".join(self.call(self._kubectl.apply(manifest, namespace, prune))))

    def kubectl(
        self, command: str, stdin: str = "", *, token: str | None = None, node: str = ""
    ) -> Output:
        """What kubectl prints: `c.kubectl("get pods -o wide")`, refusals included. As the
        administrator; with a `token`, as whom it stands for; with a `node`, as its kubelet."""
        try:
            return Output(self.call(self._kubectl_of(token, node).run(command, stdin)))
        except ApiError as error:
            if error.code == 401:
                return Output(f"error: You must be logged in to the server ({error.reason})")
            return Output(f"Error from server ({error.reason}): {error.message}")
        except ConnectionError as error:
            return Output(f"Unable to connect to the server: {error}")
        except Usage as error:
            return Output(str(error))

    def _kubectl_of(self, token: str | None, node: str) -> Kubectl:
        if token is None and not node:
            return self._kubectl
        machine, process = (node, "kubelet") if node else ("laptop", "kubectl")
        identity = "kubelet" if node else NOBODY
        host = self.simulation.machines[machine].processes[process].host
        client = parts.api_client(host, APISERVER, identity, "kubectl")
        return Kubectl(client.with_headers(authorization=f"Bearer {token}" if token else ""))

    def curl(self, source: str, url: str, namespace: str = "default") -> Answer:
        """Fetch a URL from inside "pod/NAME", or from "node/NAME": the answer, and the hops that
        its packets took."""
        thing = self.get(source, namespace)
        if thing is None:
            raise ValueError(f"there is no {source} to curl from")
        node = meta.name(thing) if thing["kind"] == "Node" else thing["spec"].get("nodeName", "")
        address = thing["status"].get("podIP") or (self.hosts[node].address if node else "")
        if not address:
            raise ValueError(f"{source} has no address yet")
        searches = [f"{namespace}.svc.cluster.local", "svc.cluster.local", "cluster.local"]
        resolv = {"servers": [DNS_ADDRESS], "searches": searches}
        return self.call(self._curl(self._plane.node(node), address, url, resolv))

    async def _curl(
        self, network: NodeNetwork, address: str, url: str, resolv: Mapping[str, Any]
    ) -> Answer:
        before = len(self.trace)
        try:
            response, packets = await http_get(network, address, url, resolv)
            status, body, error = response.status, as_text(response.body), ""
        except CurlError as problem:
            status, body, error, packets = 0, "", str(problem), problem.packets
        hops = [
            event
            for event in self.trace[before:]
            if event.kind == "packet.hop" and event.fields["packet"] in packets
        ]
        return Answer(status, body, error, hops)

    def get(self, thing: str, namespace: str = "default") -> Object | None:
        """The object that the store holds now for "deployment/web"; None if there is none. No
        time passes."""
        resource, name = resolve(thing)
        found = self._stored(resource.storage_key(namespace, name))
        return found[0] if found else None

    def objects(self, plural: str, namespace: str = "") -> list[Object]:
        """All objects of a resource that the store holds now, sorted by key. No time passes."""
        prefix = by_plural(plural).storage_prefix
        if namespace:
            prefix += f"{namespace}/"
        return self._stored(prefix, prefix[:-1] + "0")  # "0" is the character after "/"

    def ready(self, thing: str, namespace: str = "default") -> bool:
        """Whether "deployment/web", "pod/x", "node/y", "service/z" … is all that it should be."""
        found = self.get(thing, namespace)
        slices = self.objects("endpointslices", namespace) if thing.startswith(SERVICE) else []
        return found is not None and is_ready(found, slices)

    # --- putting it together

    def _build(self, nodes: int) -> None:
        for number, name in enumerate(self._members):
            started = partial(self.etcd.__setitem__, name)
            machine = self._machine(name, f"192.168.0.{20 + number}")
            member = partial(parts.etcd, members=self._members, roles=self.roles, started=started)
            machine.start("etcd", member)
        control = self._machine(CONTROL_PLANE, "192.168.0.10")
        control.start("kernel", self._plane.node(CONTROL_PLANE).run)
        for process, main in self._control_plane().items():
            control.start(process, main)
        for number in range(nodes):
            address = f"192.168.{1 + number // 200}.{1 + number % 200}"
            self._build_node(self._machine(f"node-{number + 1}", address))

    def _control_plane(self) -> dict[str, Main]:
        return {
            "kube-apiserver": partial(
                parts.kube_apiserver,
                etcd_members=self._members,
                service_cidr=SERVICE_CIDR,
                options=Options(keys.SERVICE_ACCOUNTS, explain=True),
                roles=self.roles,
            ),
            "kube-controller-manager": partial(
                parts.kube_controller_manager,
                apiserver=APISERVER,
                cluster_cidr=CLUSTER_CIDR,
                root_ca="there are no certificates in a simulation\n",
                sign=keys.sign,
                roles=self.roles,
            ),
            "kube-scheduler": partial(parts.kube_scheduler, apiserver=APISERVER, roles=self.roles),
            "addon-manager": partial(
                parts.addon_manager, apiserver=APISERVER, manifests=[manifests.coredns(DNS_ADDRESS)]
            ),
        }

    def _build_node(self, machine: Machine) -> None:
        network = self._plane.node(machine.name)
        proxier = iptables.Proxier(
            network,
            cluster_cidr=CLUSTER_CIDR,
            build_chain=self.roles.get("proxy.build_chain", iptables.build_chain),
        )
        runtime: list[SimulatedRuntime] = []  # one a boot; a restarted kubelet finds it

        async def containerd(host: Host) -> None:
            images = {"coredns": partial(parts.coredns, host=host, apiserver=APISERVER)}
            runtime[:] = [SimulatedRuntime(host, network, images)]
            await _idle(host)

        async def kubelet(host: Host) -> None:
            await parts.kubelet(
                host,
                apiserver=APISERVER,
                runtime=runtime[0],
                network=network,
                cluster_dns=DNS_ADDRESS,
            )

        machine.start("kernel", network.run)
        machine.start("containerd", containerd)
        machine.start("kubelet", kubelet)
        machine.start("kube-proxy", partial(parts.kube_proxy, apiserver=APISERVER, proxier=proxier))

    def _is_up(self) -> bool:
        nodes = self.objects("nodes")
        wanted = sum(name.startswith("node-") for name in self.hosts)
        return (
            len(nodes) == wanted
            and all(is_ready(node) for node in nodes)
            and (wanted == 0 or self.ready("deployment/coredns", "kube-system"))
        )

    def _stored(self, key: str, end: str = "") -> list[Object]:
        """A look into the store of the member that has come furthest."""
        running = [self.etcd[name] for name in self.etcd if self.hosts[name].state != "down"]
        if not running:
            return []
        store = max(running, key=lambda member: member.store.revision).store
        found = store.range(RangeRequest(key=key.encode(), range_end=end.encode()))
        return [_decoded(pair) for pair in found.kvs]


def _decoded(pair: KeyValue) -> Object:
    obj: Object = json.loads(pair.value)
    version = str(pair.mod_revision)
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": version}}


def as_text(body: Any) -> str:
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")


async def _idle(host: Host) -> None:
    await asyncio.Event().wait()

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
import weakref
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

from kube_edu import parts
from kube_edu.addons.manifests import COREDNS
from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.resources import by_plural, resolve
from kube_edu.client import ApiClient
from kube_edu.client.apply import plan
from kube_edu.client.kubectl import Kubectl
from kube_edu.client.ready import is_ready
from kube_edu.etcd import EtcdServer, RangeRequest
from kube_edu.host import Host
from kube_edu.kubelet.cri.simulated import SimulatedRuntime
from kube_edu.proxy import iptables
from kube_edu.sim import Machine, Network, Simulation
from kube_edu.sim.dataplane import DataPlane, NodeNetwork
from kube_edu.sim.curl import Answer, curl
from kube_edu.trace import Trace

CONTROL_PLANE = "control-1"
APISERVER = f"{CONTROL_PLANE}:{parts.APISERVER_PORT}"
SERVICE_CIDR = "10.96.0.0/16"
CLUSTER_CIDR = "10.244.0.0/16"
DNS_ADDRESS = "10.96.0.10"


class Output(str):
    """Text that shows itself as it would be printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Cluster:
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
        self.roles = dict(roles or {})
        parts.check_roles(self.roles)
        self.simulation = Simulation(seed)
        weakref.finalize(self, self.simulation.close)
        self.components: dict[str, Any] = {}
        """The running component objects, by "machine/process", for a look inside."""
        self._plane = DataPlane(self.simulation)
        self._members = [f"etcd-{n + 1}" for n in range(etcd_members)]
        self._build(nodes)
        if boot:
            self.run_until(self._is_up, timeout=120)

    # --- what you do with a cluster

    def apply(self, manifest: str, *, namespace: str = "", prune: str = "") -> Output:
        """`kubectl apply -f -`; with `prune`, a label selector, also delete what was applied
        before, matches it and is no longer in the manifest. Raises ApiError."""
        return Output("\n".join(self._call(self._kubectl.apply(manifest, namespace, prune))))

    def kubectl(self, command: str, stdin: str = "") -> Output:
        """What kubectl prints: `c.kubectl("get pods -o wide")`. A refusal is printed too."""
        return Output(self._call(self._kubectl.run(command, stdin)))

    def curl(self, source: str, url: str) -> Answer:
        """Fetch a URL from inside "pod/NAME" or from a node: the answer, and the hops on the
        way."""
        return self._call(curl(self, source, url))

    def get(self, thing: str, namespace: str = "default") -> Object | None:
        """The object that the store holds now for "deployment/web"; None if there is none. No
        time passes."""
        resource, name = resolve(thing)
        found = self._stored(resource.storage_key(namespace, name), exact=True)
        return found[0] if found else None

    def objects(self, plural: str, namespace: str = "") -> list[Object]:
        """All objects of a resource that the store holds now, sorted by key. No time passes."""
        resource = by_plural(plural)
        prefix = resource.storage_prefix
        return self._stored(f"{prefix}{namespace}/" if namespace else prefix, exact=False)

    def ready(self, thing: str, namespace: str = "default") -> bool:
        """Whether "deployment/web", "pod/x", "node/y", "service/z" … is all that it should be."""
        found = self.get(thing, namespace)
        if found is None:
            return False
        if found["kind"] == "Service":
            return is_ready(found, self.objects("endpointslices", namespace))
        return is_ready(found, [])

    # --- time

    @property
    def now(self) -> float:
        """Virtual seconds since the machines were switched on."""
        return self.simulation.now

    def run_for(self, seconds: float) -> None:
        self.simulation.run_for(seconds)

    def run_until(self, condition: Callable[[], bool], timeout: float = 60.0) -> None:
        """Let time pass until the condition holds; TimeoutError after `timeout` virtual seconds."""
        self.simulation.run_until(condition, timeout)

    def step(self) -> bool:
        """Go to the next instant at which anything happens."""
        return self.simulation.step()

    # --- failures

    def crash(self, name: str) -> None:
        """Cut the power of a machine ("node-2"), or kill a process ("control-1/kube-scheduler")."""
        machine, process = self._machine(name)
        machine.kill(process) if process else machine.crash()

    def restart(self, name: str) -> None:
        """Start a machine or a process again."""
        machine, process = self._machine(name)
        machine.revive(process) if process else machine.restart()

    def pause(self, name: str) -> None:
        """Freeze a machine, as a stalled virtual machine is."""
        self._machine(name)[0].pause()

    def resume(self, name: str) -> None:
        self._machine(name)[0].resume()

    def partition(self, *groups: list[str]) -> None:
        """Cut the network between groups of machines: `c.partition(["etcd-1"], ["etcd-2", …])`."""
        self.network.partition(*groups)

    def heal(self) -> None:
        """Make every link whole again."""
        self.network.heal()

    @property
    def hosts(self) -> dict[str, Machine]:
        """The cluster's machines by name; `.state` is "up", "down" or "paused"."""
        return {name: m for name, m in self.simulation.machines.items() if m is not self._laptop}

    @property
    def network(self) -> Network:
        return self.simulation.network

    @property
    def trace(self) -> Trace:
        return self.simulation.trace

    @property
    def etcd(self) -> dict[str, EtcdServer]:
        """The running etcd members by name."""
        return {
            name: self.components[f"{name}/etcd"]
            for name in self._members
            if self.simulation.machines[name].state != "down"
            and f"{name}/etcd" in self.components
        }

    # --- putting it together

    def _build(self, nodes: int) -> None:
        for number, name in enumerate(self._members):
            self._start(name, f"192.168.0.{20 + number}", etcd=partial(parts.etcd, members=self._members))
        control = {"apiserver": APISERVER, "roles": self.roles}
        self._start(
            CONTROL_PLANE, "192.168.0.10",
            **{
                "kube-apiserver": partial(
                    parts.kube_apiserver, etcd_members=self._members, service_cidr=SERVICE_CIDR
                ),
                "kube-controller-manager": partial(
                    parts.kube_controller_manager, cluster_cidr=CLUSTER_CIDR, **control
                ),
                "kube-scheduler": partial(parts.kube_scheduler, **control),
            },
        )  # fmt: skip
        for number in range(nodes):
            self._build_node(f"node-{number + 1}", f"192.168.{1 + number // 200}.{1 + number % 200}")
        self._laptop = self._start("laptop", "192.168.0.2", shell=_wait)
        host = self._laptop.processes["shell"].host
        self._admin = parts.api_client(host, APISERVER, "admin", "kubectl")
        self._kubectl = Kubectl(self._admin, self.roles.get("apply.plan", plan))

    def _build_node(self, name: str, address: str) -> None:
        self._start(name, address)
        network = self._plane.node(name)
        runtimes: list[SimulatedRuntime] = []

        async def containerd(host: Host) -> None:
            runtimes[:] = [SimulatedRuntime(host, network, self._images(host))]
            await runtimes[0].run()

        async def kubelet(host: Host) -> None:
            await parts.kubelet(
                host, apiserver=APISERVER, runtime=runtimes[0], network=network,
                cluster_dns=DNS_ADDRESS,
            )  # fmt: skip

        async def kube_proxy(host: Host) -> None:
            await parts.kube_proxy(
                host, apiserver=APISERVER, proxier=lambda host: iptables.Proxier(network)
            )

        self._start(
            name, address,
            **{"kernel": network.run, "containerd": containerd, "kubelet": kubelet,
               "kube-proxy": kube_proxy},
        )  # fmt: skip

    def _start(self, name: str, address: str, **processes: Callable[[Host], Any]) -> Machine:
        machine = self.simulation.machines.get(name) or self.simulation.machine(name, address)
        for process, main in processes.items():
            machine.start(process, main)
        return machine

    def _images(self, host: Host) -> dict[str, Behaviour]:
        """Images beyond the runtime's own: what runs in them is part of the cluster itself."""
        return {"coredns": partial(parts.coredns, host=host, apiserver=APISERVER)}

    def _is_up(self) -> bool:
        nodes = self.objects("nodes")
        wanted = sum(name.startswith("node-") for name in self.hosts)
        return (
            len(nodes) == wanted
            and all(is_ready(node, []) for node in nodes)
            and (wanted == 0 or self.ready("deployment/coredns", "kube-system"))
        )

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.simulation.call(coroutine, timeout=90)

    def _machine(self, name: str) -> tuple[Machine, str]:
        machine, _, process = name.partition("/")
        if machine not in self.hosts:
            raise ValueError(f"no host is called {machine!r}: there are {', '.join(self.hosts)}")
        processes = self.hosts[machine].processes
        if process and process not in processes:
            raise ValueError(f"{machine} runs no {process!r}: it runs {', '.join(processes)}")
        return self.hosts[machine], process

    def _stored(self, key: str, *, exact: bool) -> list[Object]:
        """A look into the store of the member that has come furthest."""
        members = list(self.etcd.values())
        if not members:
            return []
        store = max(members, key=lambda member: member.store.revision).store
        end = b"" if exact else prefix_end(key.encode())
        found = store.range(RangeRequest(key=key.encode(), range_end=end))
        return [_decoded(kv) for kv in found.kvs]


def _decoded(kv: KeyValue) -> Object:
    obj: Object = json.loads(kv.value)
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(kv.mod_revision)}}


async def _wait(host: Host) -> None:
    await asyncio.Event().wait()

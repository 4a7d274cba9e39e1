"""Nodes that fall silent: marked Unknown, tainted, their pods marked not ready
(upstream pkg/controller/nodelifecycle).

A kubelet shows that it lives by renewing its Lease. Upstream looks at all nodes every five
seconds; here each node has a timer that its heartbeats put off.
"""

from __future__ import annotations

import asyncio

from kube_edu.api import meta, podutil
from kube_edu.api.meta import Object
from kube_edu.client import ApiClient, Controller, EventRecorder, Informers
from kube_edu.host import Host

GRACE_PERIOD = 50.0  # --node-monitor-grace-period, since 1.32
STARTUP_GRACE_PERIOD = 60.0  # for a kubelet that has never posted a status
SECONDS_BETWEEN_EVICTIONS = 10.0  # --node-eviction-rate 0.1: nodes a second
UNHEALTHY_ZONE_THRESHOLD = 0.55

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
TAINTS_OF_CONDITIONS = {  # condition → status → taint
    "Ready": {"False": NOT_READY, "Unknown": UNREACHABLE},
    "MemoryPressure": {"True": "node.kubernetes.io/memory-pressure"},
    "DiskPressure": {"True": "node.kubernetes.io/disk-pressure"},
    "NetworkUnavailable": {"True": "node.kubernetes.io/network-unavailable"},
    "PIDPressure": {"True": "node.kubernetes.io/pid-pressure"},
}
OURS = [(taint, "NoSchedule") for row in TAINTS_OF_CONDITIONS.values() for taint in row.values()]
OURS += [(UNSCHEDULABLE, "NoSchedule"), (NOT_READY, "NoExecute"), (UNREACHABLE, "NoExecute")]


class NodeLifecycleController(Controller):
    name = "nodelifecycle"
    account = "node-controller"
    resource = "nodes"

    def __init__(self, client: ApiClient, host: Host, informers: Informers) -> None:
        super().__init__(client, host, informers)
        self.events = EventRecorder(client, host, "node-controller")
        self._heard: dict[str, float] = {}  # when each node last gave a sign, by our own clock
        self._next_eviction = 0.0
        self._all_silent = False
        informers("nodes").on_change(self._node_changed)
        informers("leases", "kube-node-lease").on_change(self._lease_changed)
        self._nodes = self.watch("nodes")
        self._pods = informers("pods")
        self._pods.add_index("node", podutil.by_node)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None:
                self._heard.pop(meta.name(old), None)
        elif old is None or _heartbeat(old) != _heartbeat(new):
            self._heard[meta.name(new)] = asyncio.get_running_loop().time()

    def _lease_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._heard[meta.name(new)] = asyncio.get_running_loop().time()

    async def reconcile(self, key: str) -> None:
        node = self._nodes.get(key)
        if node is None:
            return
        ready = meta.find_condition(node, "Ready")
        left = self._heard[key] + (GRACE_PERIOD if ready else STARTUP_GRACE_PERIOD)
        left -= asyncio.get_running_loop().time()
        if left > 0:
            self.queue.add_after(key, left)
        elif ready is None or ready["status"] != "Unknown":
            node = await self._mark_unknown(node)
        await self._taint(node)
        if left <= 0:
            for pod in self._pods.by_index("node", key):
                await self._mark_not_ready(pod)

    async def _mark_unknown(self, node: Object) -> Object:
        conditions = node.get("status", {}).get("conditions") or []
        for type in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure"):
            known = meta.find_condition(node, type)
            verb, reason = ("never posted", "NodeStatusNeverUpdated")
            if known is not None:
                verb, reason = ("stopped posting", "NodeStatusUnknown")
            condition = {
                **(known or {"type": type}),
                "status": "Unknown",
                "reason": reason,
                "message": f"Kubelet {verb} node status.",
            }
            conditions = meta.set_condition(conditions, condition, self.host.now())
        name, status = meta.name(node), {**node.get("status", {}), "conditions": conditions}
        node = await self.client.update({**node, "status": status}, subresource="status")
        message = f"Node {name} status is now: NodeNotReady"
        self.events.event(node, "Normal", "NodeNotReady", message)
        return node

    async def _mark_not_ready(self, pod: Object) -> None:
        """No one vouches for the pod any more: Services should not send it traffic."""
        if not podutil.is_ready(pod):
            return
        ready = {**(meta.find_condition(pod, "Ready") or {}), "status": "False"}
        conditions = meta.set_condition(pod["status"]["conditions"], ready, self.host.now())
        status = {**pod["status"], "conditions": conditions}
        await self.client.update({**pod, "status": status}, subresource="status")
        self.events.event(pod, "Warning", "NodeNotReady", "Node is not ready")

    async def _taint(self, node: Object) -> None:
        had = node["spec"].get("taints") or []
        wanted = _wanted_taints(node)
        evicting = [(key, effect) for key, effect in wanted if effect == "NoExecute"]
        if evicting and not self._may_evict(already=_has(had, *evicting[0])):
            wanted = [taint for taint in wanted if taint not in evicting]
            self.queue.add_after(meta.name(node), SECONDS_BETWEEN_EVICTIONS)
        kept = [
            taint
            for taint in had
            if (taint["key"], taint["effect"]) in wanted
            or (taint["key"], taint["effect"]) not in OURS
        ]
        since = meta.timestamp(self.host.now())
        added = [
            {"key": key, "effect": effect, "timeAdded": since}
            for key, effect in wanted
            if not _has(had, key, effect)
        ]
        if added or len(kept) < len(had):
            spec = {**node["spec"], "taints": kept + added}
            await self.client.update({**node, "spec": spec})

    def _may_evict(self, *, already: bool) -> bool:
        """Slowly, and no further when so many nodes are silent that something greater must be
        wrong. When all are, it may well be the control plane that is cut off: then none is given
        up, nor stays so (upstream's zone states, for the one zone there is)."""
        nodes = self._nodes.list()
        silent = sum(not meta.condition_is(node, "Ready") for node in nodes)
        self._note_disruption(nodes, all_silent=silent == len(nodes))
        if already or self._all_silent:
            return not self._all_silent
        if silent > 2 and silent / len(nodes) >= UNHEALTHY_ZONE_THRESHOLD:
            return False
        now = asyncio.get_running_loop().time()
        if now < self._next_eviction:
            return False
        self._next_eviction = now + SECONDS_BETWEEN_EVICTIONS
        return True

    def _note_disruption(self, nodes: list[Object], *, all_silent: bool) -> None:
        if all_silent != self._all_silent:
            self._all_silent = all_silent
            for node in nodes:
                self.queue.add(meta.name(node))


def _wanted_taints(node: Object) -> list[tuple[str, str]]:
    """Key and effect of the taints that a node's conditions ask for."""
    wanted = []
    for type, taints in TAINTS_OF_CONDITIONS.items():
        condition = meta.find_condition(node, type)
        taint = taints.get(condition["status"]) if condition is not None else None
        if taint is not None:
            wanted.append((taint, "NoSchedule"))
            if type == "Ready":
                wanted.append((taint, "NoExecute"))
    if node["spec"].get("unschedulable"):
        wanted.append((UNSCHEDULABLE, "NoSchedule"))
    return wanted


def _has(taints: list[Object], key: str, effect: str) -> bool:
    return any(taint["key"] == key and taint["effect"] == effect for taint in taints)


def _heartbeat(node: Object) -> str | None:
    ready = meta.find_condition(node, "Ready")
    return ready.get("lastHeartbeatTime") if ready is not None else None

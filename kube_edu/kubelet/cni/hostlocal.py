"""The addresses of one node's pods, handed out in turn.

Source: containernetworking/plugins, plugins/ipam/host-local. The next address is one after the last
that was given: who has just become free is not given at once, for others may not know yet that its
pod is gone.
"""

from __future__ import annotations

from collections import deque
from ipaddress import ip_network

from kube_edu.kubelet.cri import CriError


class HostLocal:
    """The address part of a `kube_edu.kubelet.cni.PodNetwork`."""

    def __init__(self) -> None:
        self.pods: dict[str, str] = {}
        """Which pod has an address."""
        self._range: deque[str] = deque()
        self._cidr = ""

    def set_pod_cidr(self, cidr: str) -> None:
        if cidr != self._cidr:
            self._cidr = cidr
            self._range = deque(map(str, ip_network(cidr).hosts()))
            self._range.popleft()  # the bridge's on a real node

    def attach(self, pod: str) -> str:
        for address in list(self._range):
            self._range.rotate(-1)
            if address not in self.pods:
                self.pods[address] = pod
                return address
        where = f"in range {self._cidr}" if self._cidr else "yet: the node has no podCIDR"
        raise CriError("FailedCreatePodSandBox", f"no IP addresses available {where}")

    def detach(self, address: str) -> None:
        self.pods.pop(address, None)

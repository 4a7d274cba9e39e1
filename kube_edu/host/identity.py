"""The names under which components call one another: the subjects of their certificates.

The table is kubeadm's (its `pki/` folder and kubeconfig files). In live mode each row becomes a
certificate; in the simulation the subject travels with the request directly.
"""

from __future__ import annotations

from dataclasses import dataclass

from kube_edu.host.http import Peer


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate subject: the user name (CN) and groups (O) that the API server will see."""

    common_name: str
    organizations: tuple[str, ...] = ()


IDENTITIES: dict[str, Identity] = {
    "admin": Identity("kubernetes-admin", ("kubeadm:cluster-admins",)),
    "super-admin": Identity("kubernetes-super-admin", ("system:masters",)),
    "apiserver-etcd-client": Identity("kube-apiserver-etcd-client"),
    "apiserver-kubelet-client": Identity(
        "kube-apiserver-kubelet-client", ("kubeadm:cluster-admins",)
    ),
    "controller-manager": Identity("system:kube-controller-manager"),
    "scheduler": Identity("system:kube-scheduler"),
    "kube-proxy": Identity("system:kube-proxy"),
    "coredns": Identity(
        "system:serviceaccount:kube-system:coredns",
        ("system:serviceaccounts", "system:serviceaccounts:kube-system"),
    ),
}

NOBODY = ""
"""The identity of a client that shows no certificate, but perhaps a token."""


def identity_of(name: str, host: str) -> Identity:
    """The subject for a row of the table, or a kubelet's or etcd member's own ("kubelet",
    "etcd"), which names its host."""
    if name == NOBODY:
        return Identity("")
    if name == "kubelet":
        return Identity(f"system:node:{host}", ("system:nodes",))
    if name == "etcd":
        return Identity(host)
    return IDENTITIES[name]


def peer_of(name: str, host: str, address: str) -> Peer:
    """What a server sees of a client that calls from `host` under the identity `name`."""
    identity = identity_of(name, host)
    return Peer(address, identity.common_name, identity.organizations)

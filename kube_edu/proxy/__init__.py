"""kube-proxy: on every node, what turns a Service's address into the address of a pod.

`model.py` says what there is to proxy, `iptables.py` writes it as rules for the kernel,
`userspace.py` does the same work with sockets of its own, `proxy.py` keeps either up to date.
`netfilter.py` is the other side of the rules: it walks a packet through them as a kernel does.
"""

from kube_edu.proxy.proxy import KubeProxy, Proxier

__all__ = ["KubeProxy", "Proxier"]

"""The store: etcd's v3 API over Raft.

From the inside out: `mvcc` has the keys in all their revisions, `lease` and `watch` what hangs on
them; `state` puts the three together as the state machine that Raft replicates; `driver` runs the
Raft member on its disk (`wal`) and network; `server` answers clients, and `client` is one.
"""

from kube_edu.etcd.client import EtcdClient
from kube_edu.etcd.errors import EtcdError
from kube_edu.etcd.server import EtcdServer

__all__ = ["EtcdClient", "EtcdError", "EtcdServer"]

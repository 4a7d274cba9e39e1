"""What a component is given: protocols for the machine it runs on.

A component never opens a socket or a file, reads a clock or draws from the global random
source. It gets a `Host` and asks that. `kube_edu.sim` has one implementation (virtual time,
in-memory network and disks), `kube_edu.live` the other (sockets with TLS, files with fsync);
no component knows which it has.

Time is the event loop's: `asyncio.sleep`, `asyncio.timeout`, `loop.time()`. `Host.now()` is
for the time stamps that are written into objects, and for nothing else.
"""

from kube_edu.host.disk import Disk
from kube_edu.host.http import (
    Document,
    Handler,
    HttpClient,
    Peer,
    Request,
    Response,
    Server,
    StreamError,
    decoded,
)
from kube_edu.host.identity import IDENTITIES, Identity, identity_of
from kube_edu.host.machine import Host

__all__ = [
    "IDENTITIES",
    "Disk",
    "Document",
    "Handler",
    "Host",
    "HttpClient",
    "Identity",
    "Peer",
    "Request",
    "Response",
    "Server",
    "StreamError",
    "decoded",
    "identity_of",
]

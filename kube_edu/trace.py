"""The one trace: what every component did, as plain events in the order in which it happened.

Figures are pure functions from a trace to a picture, checks pure functions from a trace to a
verdict. An event's kind is "component.what"; the table below is the whole vocabulary, and a
kind's fields are always the ones named there. Objects appear as "resource/namespace/name"
("pods/default/web-1", "nodes//node-1"), never as themselves.

kind               fields                                recorded by
net.partition      groups                                the simulation: links between groups cut
net.heal           -                                     the simulation: all links whole again
net.drop           source, target, message               the simulation: a datagram lost
host.start         -                                     a machine is on; its components start
host.crash         -                                     power cut: memory and unsynced bytes gone
process.kill       process                               one process ended at once (kill -9)
process.start      process                               and started again
host.pause         -                                     frozen, as by SIGSTOP
host.resume        -                                     thawed
disk.sync          path, bytes                           the disk: these bytes are durable now
raft.role          role, term                            etcd: follower, candidate, leader
raft.vote          term, candidate                       etcd: vote granted
raft.send          to, type, term, + the message's own   etcd: a Raft message left
raft.receive       source, type, term                    etcd: a Raft message arrived
raft.append        first, last, term                     etcd: entries of one term are on its disk
raft.commit        index, term                           etcd: commit index moved
etcd.apply         index, revision, op, keys             etcd: an entry applied to the store
etcd.watch         key, type, revision                   etcd: an event sent to a watcher
api.request        method, path, user, status            API server: a request answered
api.gate           verb, object, user, stages, status    API server: what the gate said to it
api.write          verb, object, rv, user                API server: an object changed in the store
api.watch          object, type, rv, user                API server: an event sent to a watcher
reconcile.start    controller, object                    a controller took a key from its queue
reconcile.end      controller, object, result            "done", "retry", "error: ..."
scheduler.filter   object, feasible, rejected            scheduler: nodes that fit; reasons by node
scheduler.score    object, scores                        scheduler: points by node
scheduler.bind     object, node                          scheduler: pod bound
kubelet.sync       object                                kubelet: a pod worker ran
kubelet.sandbox    object, address                       kubelet: pod sandbox with its address
kubelet.container  object, container, state, reason      kubelet: container changed state
kubelet.probe      object, container, probe, result      kubelet: a probe's verdict changed
proxy.rules        mode, services, endpoints, rules      kube-proxy: rule tables rewritten
proxy.error        mode, error                           kube-proxy: rules not accepted; tried again
dns.query          name, type, answer                    DNS: a question answered
packet.hop         packet, step, detail                  the data path: one hop of a packet
lab.step           what                                  a lab: what a student's function did
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, overload


class Event(NamedTuple):
    """One thing that happened: when (virtual seconds), where, what."""

    time: float
    host: str
    kind: str
    fields: dict[str, Any]

    def __str__(self) -> str:
        fields = "  ".join(f"{name}={value}" for name, value in self.fields.items() if value != "")
        return f"{self.time:10.4f}  {self.host:<10} {self.kind:<18} {fields}"


class Trace:
    """A list of events that only grows."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._events: list[Event] = []

    def record(self, host: str, kind: str, fields: dict[str, Any]) -> None:
        self._events.append(Event(self._clock(), host, kind, fields))

    def select(self, *kinds: str, host: str = "", since: float = 0.0, **fields: Any) -> list[Event]:
        """Events of these kinds ("raft." stands for all of them), on a host, from a time on,
        whose fields have these values."""
        return [
            event
            for event in self._events
            if event.time >= since
            and (not host or event.host == host)
            and (not kinds or any(event.kind == k or (k[-1] == "." and event.kind.startswith(k))
                                  for k in kinds))
            and all(event.fields.get(name) == value for name, value in fields.items())
        ]  # fmt: skip

    def digest(self) -> str:
        """A hash over every event: two runs are the same run if their digests are equal."""
        sha = hashlib.sha256()
        for event in self._events:
            sha.update(json.dumps(event, sort_keys=True, default=str).encode())
        return sha.hexdigest()

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        return self._events[index]

"""One run: a cluster, clients, and what happens to it, all of it from a seed; and its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from unittest import mock

from kube_edu.classroom.checkers import Violation, linearizability, raft_safety, revisions
from kube_edu.classroom.checkers import watch_guarantees as watches
from kube_edu.sim.disk import SimDisk
from tests.etcd.chaos.clients import Notes, compactor, leases, traffic, watcher
from tests.etcd.chaos.cluster import ChaosCluster
from tests.etcd.chaos.faults import FAULTS, Fault

CLIENTS = 4
WATCHERS = 2
ROUNDS = 6


@dataclass(slots=True)
class Run:
    cluster: ChaosCluster
    notes: Notes
    done: list[str]
    """What happened, in words."""


def run(seed: int, faults: Sequence[Fault] = FAULTS, disk: type[SimDisk] = SimDisk) -> Run:
    """Clients work while things happen; then all is repaired, and time passes until all is well.
    Small numbers make rare things happen often: snapshots, and progress notifications."""
    random = Random(seed)
    with (
        mock.patch("kube_edu.etcd.driver.SNAPSHOT_COUNT", random.choice([30, 100, 10_000])),
        mock.patch("kube_edu.etcd.driver.KEEP_ENTRIES", 10),
        mock.patch("kube_edu.etcd.server.PROGRESS_TICKS", 10),
    ):
        cluster = ChaosCluster(seed, random.choice([3, 3, 5]), disk)
        notes = Notes(cluster.sim)
        workers = {f"client-{n}": traffic for n in range(CLIENTS)}
        workers |= {f"watcher-{n}": watcher for n in range(WATCHERS)}
        workers |= {"leases": leases}
        if random.random() < 0.3:
            workers["compactor"] = compactor
        for name, work in workers.items():
            cluster.clients.start(name, partial(work, cluster, notes))
        done = []
        passes(cluster, random.uniform(1, 3))
        for _ in range(ROUNDS):
            fault = random.choice(faults)
            victim = cluster.leader() if random.random() < 0.5 else random.choice(cluster.names)
            done.append(f"{cluster.sim.now:.2f} s: {fault.__name__} ({victim})")
            fault(cluster, random, victim)
            passes(cluster, random.uniform(0.3, 3))
            if random.random() < 0.8:  # if not, one fault comes on top of another
                cluster.repair()
                passes(cluster, random.uniform(0.1, 2))
        cluster.repair()
        passes(cluster, 3)
        for name in workers:
            if not name.startswith("watcher"):
                cluster.clients.kill(name)
        passes(cluster, 8)
        cluster.sim.close()
        return Run(cluster, notes, done)


def passes(cluster: ChaosCluster, seconds: float) -> None:
    """Time passes; what changes is written down on the way."""
    while seconds > 0:
        cluster.sim.run_for(min(seconds, 0.5))
        seconds -= 0.5
        cluster.collect()


def verdict(run: Run) -> Violation | None:
    """The first promise that was broken."""
    cluster, notes = run.cluster, run.notes
    changes = watches.Changes(cluster.changes, notes.compacted)
    history, serializable = notes.history.operations, notes.serializable.operations
    checks = [
        lambda: linearizability.check(history),
        lambda: revisions.order(history),
        lambda: revisions.reads([*history, *serializable], changes),
        lambda: revisions.durable(history, changes),
        *(partial(watches.check, watched, changes) for watched in notes.watches),
        lambda: raft_safety.check(cluster.sim.trace),
        lambda: too_early(run),
        lambda: not_well(run),
    ]
    return next((found for check in checks if (found := check()) is not None), None)


def too_early(run: Run) -> Violation | None:
    """No key vanishes while its lease lives."""
    ends = {lease.key: lease.since + lease.ttl for lease in run.notes.leases}
    for number, event in enumerate(run.cluster.sim.trace):
        if event.kind == "etcd.apply" and event.fields["op"] == "lease_revoke":
            for key in event.fields["keys"]:
                if event.time < ends.get(key, 0):
                    reason = f"{key} is gone, and its lease lives until {ends[key]:.2f} s"
                    return Violation("leases", reason, number, event.time, event.host)
    return None


def not_well(run: Run) -> Violation | None:
    """In the end all members hold the same, keys of leases are gone, and watchers have seen all
    that they asked for."""
    cluster = run.cluster
    servers = cluster.members
    trace = cluster.sim.trace

    def broken(reason: str) -> Violation:
        return Violation("a good end", reason, len(trace), cluster.sim.now, "the cluster")

    if any(server.store.versions() != servers[0].store.versions() for server in servers):
        return broken("members hold different things")
    if not any(operation.answered for operation in run.notes.history.operations[-20:]):
        return broken("nothing was answered any more")
    left = servers[0].store.keys(b"lease", b"leasf")
    if left:
        return broken(f"keys outlived their leases: {left}")
    for watched in [w for w in run.notes.watches if w.host == "the client"]:
        if watched.received and watched.received[-1].response.canceled:
            continue
        seen = {event.kv.mod_revision for _, event in watched.events()}
        for event in cluster.changes:
            revision = event.kv.mod_revision
            asked = revision >= watched.first_revision > 0 and watched.wants(event)
            if asked and revision not in seen:
                return broken(f"a watcher never saw {watches.said(event)}")
    return None

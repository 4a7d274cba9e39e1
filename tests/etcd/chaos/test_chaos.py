"""What etcd promises, it promises under crashes, power cuts, partitions, pauses and bad disks.

Clients put, get, delete and swap, hold leases and watch, while all this happens to the members.
Afterwards all that they saw is checked: linearizability, revisions, durability, the nine
guarantees of watches, leases; and Raft's five promises on the trace. `make replay SEED=...`
repeats a run.
"""

from __future__ import annotations

import pytest

from kube_edu.etcd.wal import WalError
from tests.etcd.chaos.cluster import LyingDisk
from tests.etcd.chaos.faults import power_cut_of_all
from tests.etcd.chaos.run import run, verdict


def check(seed: int) -> None:
    this = run(seed)
    found = verdict(this)
    happened = "\n".join(this.done)
    assert found is None, f"seed {seed}: {found}\n{happened}\nmake replay SEED={seed}"


@pytest.mark.seeds(50)
def test_it_keeps_its_promises_whatever_happens(seed: int) -> None:
    check(seed)


@pytest.mark.nightly
@pytest.mark.seeds(1000)
def test_it_keeps_them_for_long(seed: int) -> None:
    check(seed)


def test_one_seed_is_one_run() -> None:
    first, second = run(3), run(3)
    assert first.cluster.sim.trace.digest() == second.cluster.sim.trace.digest()
    assert first.notes.history.operations == second.notes.history.operations


def test_much_happens_and_much_is_seen() -> None:
    """Else the checks would prove little."""
    runs = [run(seed) for seed in range(4)]
    for this in runs:
        answered = [op for op in this.notes.history.operations if op.answered]
        assert len(answered) > 100
        assert len(answered) < len(this.notes.history.operations)
        assert len({type(op.action) for op in answered}) == 4
        assert sum(1 for watched in this.notes.watches for _ in watched.events()) > 100
    kinds = {event.kind for this in runs for event in this.cluster.sim.trace}
    assert {"host.crash", "host.pause", "net.partition", "process.kill"} <= kinds


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 8])
def test_disks_that_lie_about_fsync_are_found_out(seed: int) -> None:
    """Nothing can be promised on such a disk: what shows here is that the checkers see it."""
    try:
        found = verdict(run(seed, [power_cut_of_all], LyingDisk))
    except WalError:
        return
    assert found is not None

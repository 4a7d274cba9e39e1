"""At most one leads, and soon another when it falls silent."""

from __future__ import annotations

import asyncio

import pytest

from kube_edu.client import LeaderElector
from kube_edu.host import Host
from tests.client.fakeapi import World


class Election(World):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.leaders: list[str] = []
        self.terms: list[str] = []
        self.rival = self.simulation.machine("rival", "192.168.0.21")
        for machine in (self.worker, self.rival):
            machine.start("candidate", self._stand)

    async def _stand(self, host: Host) -> None:
        async def lead() -> None:
            self.leaders.append(host.name)
            self.terms.append(host.name)
            try:
                await asyncio.Event().wait()
            finally:
                self.leaders.remove(host.name)

        await LeaderElector(self.client(host), host, "test").run(lead)

    @property
    def other(self) -> str:
        return "rival" if self.leaders == ["worker"] else "worker"


@pytest.mark.parametrize("seed", range(5))
def test_one_leads_and_the_other_takes_over_when_it_dies(seed: int) -> None:
    election = Election(seed)
    election.simulation.run_for(60)
    assert len(election.terms) == 1
    first, second = election.terms[0], election.other
    election.simulation.machines[first].crash()
    election.simulation.run_for(25)
    assert election.terms == [first, second]
    lease = election.api.get("leases", "test", "kube-system")
    assert lease["spec"]["leaseTransitions"] == 1
    assert lease["spec"]["holderIdentity"].startswith(second)
    assert lease["spec"]["leaseDurationSeconds"] == 15


@pytest.mark.parametrize("seed", range(5))
def test_a_leader_that_is_cut_off_stops_before_another_starts(seed: int) -> None:
    election = Election(seed)
    election.simulation.run_for(30)
    first, second = election.terms[0], election.other
    election.simulation.network.partition([first], ["control-1"])
    for _ in range(300):
        election.simulation.run_for(0.1)
        assert len(election.leaders) <= 1, f"two leaders with seed {seed}"
    assert election.leaders == [second]
    election.simulation.network.heal()
    election.simulation.run_for(60)
    assert election.leaders == [second]


def test_a_short_break_costs_the_leader_nothing() -> None:
    election = Election(7)
    election.simulation.run_for(30)
    election.simulation.network.partition([election.leaders[0]], ["control-1"])
    election.simulation.run_for(4)
    election.simulation.network.heal()
    election.simulation.run_for(60)
    assert len(election.terms) == 1


class Alone(World):
    """One candidate for a lease, and how often it came to lead."""

    def __init__(self) -> None:
        super().__init__(1)
        self.terms = 0

    def stand(self) -> None:
        self.worker.start("candidate", self._stand)

    async def _stand(self, host: Host) -> None:
        async def lead() -> None:
            self.terms += 1
            await asyncio.Event().wait()

        await LeaderElector(self.client(host), host, "test").run(lead)


def test_a_lease_that_was_deleted_is_made_again() -> None:
    world = Alone()
    world.stand()
    world.simulation.run_for(30)
    world.api.delete(world.api.get("leases", "test", "kube-system"))
    world.simulation.run_for(30)
    assert world.api.get("leases", "test", "kube-system")["spec"]["leaseTransitions"] == 0
    assert world.terms == 1, "the leader saw it in time"


def test_a_lease_that_nobody_holds_is_taken_at_once() -> None:
    world = Alone()
    metadata = {"name": "test", "namespace": "kube-system"}
    kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    world.api.create({**kind, "metadata": metadata, "spec": {}})
    world.stand()
    world.simulation.run_for(1)
    assert world.terms == 1

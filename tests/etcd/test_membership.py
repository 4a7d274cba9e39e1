"""Members come and go: the Cluster service, on the simulated network."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Any

import pytest

from kube_edu.etcd import EtcdClient, EtcdError, EtcdServer
from kube_edu.etcd.messages import PutRequest
from kube_edu.etcd.service_messages import (
    MemberAddRequest,
    MemberListRequest,
    MemberPromoteRequest,
    MemberRemoveRequest,
    MemberUpdateRequest,
    MoveLeaderRequest,
)
from kube_edu.host import Host
from tests.etcd.test_cluster import World


class Changing(World):
    """A world in which members come and go."""

    def do(self, coroutine: Awaitable[Any]) -> Any:
        async def work() -> Any:
            return await coroutine

        return self.sim.call(work())

    def refused(self, coroutine: Awaitable[Any]) -> str:
        with pytest.raises(EtcdError) as caught:
            self.do(coroutine)
        return str(caught.value)

    def join(self, name: str) -> None:
        """Start a member that was added before, on a machine of its own with an empty disk."""

        async def member(host: Host) -> None:
            endpoints = {each: f"{each}:2380" for each in [*self.names, name]}
            server = self.servers[name] = EtcdServer(host, endpoints, join=True)
            await host.serve(2379, server.handle, identity="etcd")
            await server.run()

        self.sim.machine(name, f"10.0.1.{len(self.sim.machines)}").start("etcd", member)

    def add(self, name: str, learner: bool = False, by: str = "") -> Any:
        server = self.servers[by or self.elect()]
        return self.do(
            server.cluster.member_add(MemberAddRequest((f"http://{name}:2380",), learner))
        )

    def id(self, name: str) -> int:
        return self.servers[name].state.member_id

    def members(self, at: str) -> list[tuple[str, bool]]:
        listed = self.do(self.servers[at].cluster.member_list(MemberListRequest(linearizable=True)))
        return [(member.name, member.isLearner) for member in listed.members]

    def voters(self, at: str) -> tuple[str, ...]:
        return self.servers[at].node.conf.voters


def test_a_member_is_added_joins_and_has_everything() -> None:
    world = Changing()
    world.put("a", "1")
    world.sim.run_for(2)
    for name in world.names:  # whoever is asked
        assert ("", False) not in world.members(name)
    follower = next(name for name in world.names if name != world.elect())
    answer = world.add("etcd-4", by=follower)
    assert (answer.member.name, answer.member.peerURLs) == ("", ("http://etcd-4:2380",))
    assert len(answer.members) == 4
    world.join("etcd-4")
    world.sim.run_for(5)
    assert world.members("etcd-4") == [(f"etcd-{n}", False) for n in range(1, 5)]
    assert world.get("a", "etcd-4") == "1"
    new, old = (world.servers[name].state.members for name in ("etcd-4", "etcd-1"))
    assert new.cluster_id == old.cluster_id
    world.put("b", "2", "etcd-4")
    assert world.get("b", "etcd-1") == "2"


def test_the_new_member_counts_for_the_majority() -> None:
    world = Changing()
    world.elect()
    world.sim.run_for(1)
    world.add("etcd-4")
    world.join("etcd-4")
    world.sim.run_for(5)
    leader = world.elect()
    down = [name for name in world.names if name != leader]
    for name in down:
        world.sim.machines[name].crash()
    with pytest.raises(EtcdError, match="timed out"):
        world.put("a", "1", leader)
    world.sim.machines[down[0]].restart()
    world.put("a", "2", leader, down[0])


def test_a_learner_has_the_log_does_not_vote_and_is_promoted_when_it_is_ready() -> None:
    world = Changing()
    leader = world.elect()
    for number in range(20):
        world.put("a", str(number))
    world.sim.run_for(1)
    added = world.add("etcd-4", learner=True).member
    promote = MemberPromoteRequest(added.ID)
    server = world.servers[leader]
    assert "in sync with leader" in world.refused(server.cluster.member_promote(promote))
    assert "too many learner" in world.refused(
        server.cluster.member_add(MemberAddRequest(("http://etcd-5:2380",), True))
    )
    world.join("etcd-4")
    world.sim.run_for(5)
    assert world.servers["etcd-4"].node.conf.learners == ("etcd-4",)
    assert world.get("a", "etcd-4", serializable=True) == "19"
    with pytest.raises(EtcdError, match="rpc not supported for learner"):
        world.get("a", "etcd-4")
    world.do(server.cluster.member_promote(promote))
    assert "can only promote a learner" in world.refused(server.cluster.member_promote(promote))
    world.sim.run_for(1)
    assert world.get("a", "etcd-4") == "19"
    assert world.members("etcd-4")[3] == ("etcd-4", False)


def test_a_removed_member_stops_and_the_others_do_without() -> None:
    world = Changing()
    leader = world.elect()
    world.put("a", "1")
    gone = next(name for name in world.names if name != leader)
    world.do(world.servers[leader].cluster.member_remove(MemberRemoveRequest(world.id(gone))))
    world.sim.run_for(5)
    with pytest.raises(EtcdError, match="server stopped"):
        world.get("a", gone)
    assert len(world.voters(leader)) == 2
    world.sim.machines[gone].restart()  # and does not come back
    world.sim.run_for(5)
    with pytest.raises(EtcdError, match="server stopped"):
        world.get("a", gone)
    world.put("a", "2", leader)


def test_the_leader_can_be_removed() -> None:
    world = Changing()
    leader = world.elect()
    world.put("a", "1")
    world.do(world.servers[leader].cluster.member_remove(MemberRemoveRequest(world.id(leader))))
    rest = [name for name in world.names if name != leader]
    world.elect(*rest)
    world.put("a", "2", *rest)
    assert world.voters(rest[0]) == tuple(sorted(rest))


def test_a_broken_member_is_replaced_at_its_address_under_another_name() -> None:
    """As etcd's guide to runtime reconfiguration says: remove it, then add it anew."""
    world = Changing()
    leader = world.elect()
    world.put("a", "1")
    broken = next(name for name in world.names if name != leader)
    world.sim.machines[broken].crash()
    world.sim.run_for(2)
    world.do(world.servers[leader].cluster.member_remove(MemberRemoveRequest(world.id(broken))))
    world.add(broken)
    machine = world.sim.machines.pop(broken)
    assert machine.state == "down"
    world.join(broken)
    world.sim.run_for(5)
    assert world.servers[broken].node.name == f"{broken}-2"
    assert world.get("a", broken) == "1"
    assert [name for name, _ in world.members(broken)][-1] == broken
    world.sim.machines[broken].restart()
    world.sim.run_for(3)
    assert world.servers[broken].node.name == f"{broken}-2"
    assert world.get("a", broken) == "1"


def test_a_member_moves_to_another_address() -> None:
    world = Changing()
    leader = world.elect()
    request = MemberUpdateRequest(world.id(leader), ("http://elsewhere:2380",))
    listed = world.do(world.servers[leader].cluster.member_update(request)).members
    assert [m.peerURLs for m in listed if m.ID == request.ID] == [("http://elsewhere:2380",)]


def test_the_leader_is_moved() -> None:
    world = Changing()
    leader = world.elect()
    world.put("a", "1")
    target = next(name for name in world.names if name != leader)
    move = MoveLeaderRequest(world.id(target))
    before = world.sim.now
    world.do(world.servers[leader].cluster.move_leader(move))
    assert world.sim.now - before < 0.5  # no election time-out
    assert world.elect() == target
    assert "not leader" in world.refused(world.servers[leader].cluster.move_leader(move))
    unknown = world.servers[target].cluster.move_leader(MoveLeaderRequest(7))
    assert "bad leader transferee" in world.refused(unknown)


def test_what_would_endanger_the_quorum_is_refused() -> None:
    world = Changing()
    leader = world.elect()
    world.sim.run_for(1)
    server = world.servers[leader]
    one, other = (name for name in world.names if name != leader)
    one_id = world.id(one)
    world.sim.machines[other].crash()
    world.sim.run_for(2)
    remove = server.cluster.member_remove
    assert "unhealthy cluster" in world.refused(remove(MemberRemoveRequest(one_id)))
    add = server.cluster.member_add
    new = MemberAddRequest(("http://etcd-4:2380",))
    assert "unhealthy cluster" in world.refused(add(new))
    for request, text in (
        (add(MemberAddRequest(("etcd-4",))), "given member URLs are invalid"),
        (add(MemberAddRequest((f"http://{one}:2380",))), "Peer URLs already exists"),
        (remove(MemberRemoveRequest(7)), "member not found"),
        (server.cluster.member_promote(MemberPromoteRequest(7)), "member not found"),
        (server.cluster.member_promote(MemberPromoteRequest(one_id)), "can only promote a learner"),
    ):
        assert text in world.refused(request)


def test_the_last_member_cannot_be_removed() -> None:
    world = Changing(members=1)
    leader = world.elect()
    request = MemberRemoveRequest(world.id(leader))
    assert "not enough started" in world.refused(
        world.servers[leader].cluster.member_remove(request)
    )


def test_one_member_grows_to_three_under_load_and_all_survive_a_power_cut() -> None:
    world = Changing(members=1)
    world.put("a", "0")
    done: list[int] = []

    async def write(host: Host) -> None:
        client: EtcdClient = world.client(host, "etcd-1")
        for number in range(1, 400):
            with contextlib.suppress(EtcdError):  # in doubt while the second one is not there yet
                await client.put(PutRequest(b"a", b"%d" % number))
                done.append(number)
            await asyncio.sleep(0.02)

    world.clients.start("writer", write)
    for name in ("etcd-2", "etcd-3"):
        world.add(name, by="etcd-1")
        world.join(name)
        world.sim.run_for(4)
    assert set(world.voters("etcd-3")) == {"etcd-1", "etcd-2", "etcd-3"}
    for name in ("etcd-1", "etcd-2", "etcd-3"):
        world.sim.machines[name].crash()
    last = done[-1]
    for name in ("etcd-1", "etcd-2", "etcd-3"):
        world.sim.machines[name].restart()
    world.clients.kill("writer")
    value = world.get("a", "etcd-2")
    assert value is not None
    assert int(value) >= last

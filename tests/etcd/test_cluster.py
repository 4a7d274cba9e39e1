"""A cluster of members on the simulated network: what it promises, and what it survives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any

import pytest

from kube_edu.etcd import EtcdClient, EtcdError, EtcdServer
from kube_edu.etcd.messages import (
    CompactionRequest,
    Compare,
    CompareTarget,
    LeaseGrantRequest,
    LeaseKeepAliveRequest,
    LeaseRevokeRequest,
    LeaseTimeToLiveRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    TxnRequest,
    WatchCreateRequest,
    WatchResponse,
)
from kube_edu.host import Host
from kube_edu.raft import Leader, Message, Voter
from kube_edu.sim import Simulation


class World:
    """Members etcd-1 ... and a machine of clients."""

    def __init__(self, seed: int = 1, members: int = 3, **options: Any) -> None:
        self.sim = Simulation(seed)
        self.names = [f"etcd-{number + 1}" for number in range(members)]
        self.servers: dict[str, EtcdServer] = {}
        self.options = options
        for number, name in enumerate(self.names):
            self.sim.machine(name, f"10.0.0.{number + 1}").start("etcd", self._member)
        self.clients = self.sim.machine("client", "10.0.0.100")
        self.results: list[Any] = []

    async def _member(self, host: Host) -> None:
        endpoints = {name: f"{name}:2380" for name in self.names}
        server = self.servers[host.name] = EtcdServer(host, endpoints, **self.options)
        await host.serve(2379, server.handle, identity="etcd")
        await server.run()

    def leader(self, *among: str) -> str:
        """The leader of the latest term among members that are up; "" if there is none."""
        leading = [
            name
            for name in among or self.servers
            if self.sim.machines[name].state == "up" and self.servers[name].node.leadership
        ]
        return max(leading, key=lambda name: self.servers[name].node.term, default="")

    def elect(self, *among: str) -> str:
        """Wait until one of these members leads, and the others of them know."""

        def settled() -> bool:
            leader = self.leader(*among)
            known = {self.servers[name].node.leader for name in among or self.servers}
            return bool(leader) and known == {leader}

        self.sim.run_until(settled, 10)
        return self.leader(*among)

    def client(self, host: Host, *members: str) -> EtcdClient:
        names = members or self.names
        return EtcdClient([host.connect(f"{n}:2379", identity="admin") for n in names])

    def call(
        self, work: Callable[[EtcdClient], Awaitable[Any]], *members: str, timeout: float = 30
    ) -> Any:
        """What a client's work returns or raises."""
        result: list[Any] = []

        async def main(host: Host) -> None:
            try:
                result.append((await work(self.client(host, *members)), None))
            except EtcdError as error:
                result.append((None, error))

        name = f"call-{len(self.clients.processes)}"
        self.clients.start(name, main)
        self.sim.run_until(lambda: bool(result), timeout)
        value, error = result[0]
        if error is not None:
            raise error
        return value

    def put(self, key: str, value: str, *members: str, lease: int = 0) -> Any:
        request = PutRequest(key.encode(), value.encode(), lease)
        return self.call(lambda client: client.put(request), *members)

    def get(self, key: str, *members: str, **options: Any) -> str | None:
        request = RangeRequest(key.encode(), **options)
        found = self.call(lambda client: client.range(request), *members).kvs
        return found[0].value.decode() if found else None

    def watch(self, request: WatchCreateRequest, *members: str) -> list[WatchResponse]:
        """Responses of a watch, as they come in while time passes."""
        seen: list[WatchResponse] = []

        async def main(host: Host) -> None:
            async for response in self.client(host, *members).watch(request):
                seen.append(response)

        self.clients.start(f"watch-{len(self.clients.processes)}", main)
        return seen


def events(responses: list[WatchResponse]) -> list[str]:
    return [
        f"{e.kv.mod_revision} {e.kv.key.decode()}={e.kv.value.decode()}"
        for response in responses
        for e in response.events
    ]


class TestReplication:
    def test_one_leader_is_elected_and_stays(self) -> None:
        world = World()
        leader = world.elect()
        term = world.servers[leader].node.term
        world.sim.run_for(30)
        assert {server.node.leader for server in world.servers.values()} == {leader}
        assert {server.node.term for server in world.servers.values()} == {term}

    def test_what_is_committed_is_applied_without_waiting_for_a_slow_disk(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = World()
        leader = world.elect()
        follower = next(name for name in world.names if name != leader)
        disk = world.sim.machines[follower].disks["etcd"]
        sync = disk.sync

        async def slow(path: str) -> None:
            await asyncio.sleep(5)
            await sync(path)

        monkeypatch.setattr(disk, "sync", slow)
        world.put("x", "1", leader)
        world.put("x", "2", leader)
        world.sim.run_for(6)  # the first is written here, and the second is not; others have both
        stored = world.servers[follower].store.get(b"x")
        assert stored is not None
        assert stored.value == b"2"

    def test_what_one_member_takes_all_members_have(self) -> None:
        world = World()
        world.put("a", "1", "etcd-1")
        world.put("b", "2", "etcd-2")
        for name in world.names:
            assert world.get("a", name) == "1"
            assert world.get("b", name, serializable=True) == "2"

    def test_a_write_is_on_a_majority_of_disks_when_it_is_answered(self) -> None:
        world = World()
        world.put("a", "1")
        for name in world.names:
            world.sim.machines[name].crash()
        for name in world.names:
            world.sim.machines[name].restart()
        assert world.get("a") == "1"

    def test_a_single_member_serves_alone(self) -> None:
        world = World(members=1)
        world.put("a", "1")
        world.sim.machines["etcd-1"].restart()
        assert world.get("a") == "1"

    def test_a_write_does_not_wait_for_the_next_heartbeat(self) -> None:
        world = World()
        leader = world.elect()
        world.put("a", "0", leader)
        for number in range(10):
            before = world.sim.now
            world.call(lambda c, n=number: c.put(PutRequest(b"a", b"%d" % n)), leader)
            applied = world.sim.trace.select("etcd.apply", since=before, host=leader)[0]
            assert applied.time - before < 0.02

    def test_transactions_compare_and_swap(self) -> None:
        world = World()
        absent = Compare(target=CompareTarget.CREATE, key=b"lock", create_revision=0)
        mine = RequestOp(request_put=PutRequest(b"lock", b"me"))
        take = TxnRequest((absent,), (mine,))
        assert world.call(lambda client: client.txn(take), "etcd-1").succeeded
        assert not world.call(lambda client: client.txn(take), "etcd-2").succeeded

    def test_errors_are_etcds_own(self) -> None:
        world = World()
        world.put("a", "1")
        for request, code, text in (
            (RangeRequest(b"a", revision=99), "OutOfRange", "is a future revision"),
            (RangeRequest(), "InvalidArgument", "key is not provided"),
        ):
            with pytest.raises(EtcdError, match=text) as caught:
                world.call(lambda client, r=request: client.range(r))
            assert caught.value.code == code
        with pytest.raises(EtcdError, match="request is too large"):
            world.put("a", "x" * 2_000_000)
        with pytest.raises(EtcdError, match="has been compacted"):
            world.call(lambda client: client.compact(CompactionRequest(2)))
            world.call(lambda client: client.compact(CompactionRequest(2)))


class TestFailures:
    def test_a_write_that_a_dying_leader_took_is_in_doubt_and_never_done_twice(self) -> None:
        world = World()
        leader = world.elect()
        world.sim.machines[leader].crash()
        rest = [name for name in world.names if name != leader]
        with pytest.raises(EtcdError, match="timed out, possibly due to previous leader failure"):
            world.put("a", "1", *rest)

    def test_the_leader_crashes_and_the_others_go_on(self) -> None:
        world = World()
        leader = world.elect()
        world.put("a", "1")
        world.sim.machines[leader].crash()
        rest = [name for name in world.names if name != leader]
        world.elect(*rest)
        world.put("a", "2", *rest)
        world.sim.machines[leader].restart()
        world.sim.run_for(3)
        assert world.get("a", leader, serializable=True) == "2"

    def test_a_minority_answers_neither_writes_nor_reads(self) -> None:
        world = World()
        leader = world.elect()
        world.put("a", "1")
        rest = [name for name in world.names if name != leader]
        world.sim.network.partition([leader], rest)
        with pytest.raises(EtcdError, match="timed out"):
            world.put("a", "lost?", leader)
        with pytest.raises(EtcdError, match="timed out"):
            world.get("a", leader)
        assert world.get("a", leader, serializable=True) == "1"  # old, and allowed to be
        world.put("a", "2", *rest)
        world.sim.network.heal()
        world.sim.run_for(3)
        assert world.get("a", leader) == "2"

    def test_a_deposed_leader_does_not_answer_from_its_old_state(self) -> None:
        world = World()
        leader = world.elect()
        world.put("a", "1")
        rest = [name for name in world.names if name != leader]
        world.sim.machines[leader].pause()
        world.elect(*rest)
        world.put("a", "2", *rest)
        world.sim.machines[leader].resume()
        assert world.get("a", leader) == "2"

    def test_a_failed_sync_stops_the_member_and_nobody_else(self) -> None:
        world = World()
        leader = world.elect()
        world.sim.machines[leader].disks["etcd"].fail_syncs = True
        rest = [name for name in world.names if name != leader]
        with pytest.raises(EtcdError):
            world.put("a", "1", leader)
        world.put("a", "2", *rest)
        with pytest.raises(EtcdError, match="server stopped"):
            world.get("a", leader, serializable=True)

    def test_a_member_that_was_away_for_long_gets_a_snapshot(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kube_edu.etcd.driver.SNAPSHOT_COUNT", 50)
        monkeypatch.setattr("kube_edu.etcd.driver.KEEP_ENTRIES", 10)
        world = World()
        leader = world.elect()
        away = next(name for name in world.names if name != leader)
        world.sim.machines[away].crash()

        async def many(client: EtcdClient) -> None:
            for number in range(120):
                await client.put(PutRequest(b"%d" % (number % 7), b"%d" % number))

        rest = [name for name in world.names if name != away]
        world.call(many, *rest)
        world.sim.machines[away].restart()
        world.sim.run_for(3)
        stores = [world.servers[name].store for name in (away, leader)]
        assert stores[0].versions() == stores[1].versions()
        assert len(world.sim.machines[leader].disks["etcd"].read("member/wal")) < 20_000
        for name in world.names:  # and all of them come back from what is on their disks
            world.sim.machines[name].restart()
        world.put("x", "y")
        world.sim.run_for(1)
        assert world.servers[away].store.versions() == world.servers[leader].store.versions()


class TestWatches:
    def test_a_watch_goes_on_through_the_loss_of_its_member(self) -> None:
        world = World()
        leader = world.elect()
        others = [name for name in world.names if name != leader]
        seen = world.watch(WatchCreateRequest(b"a", b"b"), leader, *others)
        world.put("a", "1")
        world.sim.machines[leader].kill("etcd")
        world.put("a", "2", *others)
        world.put("ab", "3", *others)
        world.sim.run_for(3)
        assert events(seen) == ["2 a=1", "3 a=2", "4 ab=3"]
        assert [response.created for response in seen].count(True) == 1

    def test_a_member_without_a_leader_sends_its_watchers_elsewhere(self) -> None:
        world = World()
        leader = world.elect()
        others = [name for name in world.names if name != leader]
        seen = world.watch(WatchCreateRequest(b"a"), leader, *others)
        world.put("a", "1")
        world.sim.network.partition([leader], others)
        world.elect(*others)
        world.put("a", "2", *others)
        world.sim.run_for(8)
        assert events(seen) == ["2 a=1", "3 a=2"]

    def test_a_watch_below_the_compacted_revision_ends_and_says_so(self) -> None:
        world = World()
        for number in range(5):
            world.put("a", str(number))
        world.call(lambda client: client.compact(CompactionRequest(4)))
        seen = world.watch(WatchCreateRequest(b"a", start_revision=2))
        world.sim.run_for(1)
        assert [(r.created, r.canceled, r.compact_revision) for r in seen] == [
            (True, False, 0),
            (False, True, 4),
        ]


class TestLeases:
    def test_keys_vanish_when_nobody_keeps_the_lease_alive(self) -> None:
        world = World()
        world.call(lambda client: client.lease_grant(LeaseGrantRequest(TTL=5, ID=7)))
        world.put("a", "1", lease=7)
        world.put("b", "1", lease=7)
        seen = world.watch(WatchCreateRequest(b"a", b"c"))
        world.sim.run_for(4)
        assert world.get("a") == "1"
        world.sim.run_for(3)
        assert world.get("a") is None
        assert [len(response.events) for response in seen] == [0, 2]

    def test_a_lease_lives_as_long_as_it_is_kept_alive_whichever_member_is_asked(self) -> None:
        world = World()
        granted = world.call(lambda client: client.lease_grant(LeaseGrantRequest(TTL=3)))
        world.put("a", "1", lease=granted.ID)
        for round in range(9):
            name = world.names[round % 3]
            keep = LeaseKeepAliveRequest(granted.ID)
            assert world.call(lambda client, k=keep: client.lease_keep_alive(k), name).TTL == 3
            world.sim.run_for(1.5)
        assert world.get("a") == "1"
        about = world.call(lambda c: c.lease_time_to_live(LeaseTimeToLiveRequest(granted.ID, True)))
        assert (about.grantedTTL, about.keys) == (3, (b"a",))
        world.call(lambda client: client.lease_revoke(LeaseRevokeRequest(granted.ID)))
        assert world.get("a") is None
        assert world.call(lambda client: client.lease_keep_alive(keep)).TTL == 0

    def test_a_new_leader_gives_leases_their_full_time_again_and_ends_them_then(self) -> None:
        world = World()
        world.call(lambda client: client.lease_grant(LeaseGrantRequest(TTL=6, ID=7)))
        world.put("a", "1", lease=7)
        leader = world.elect()
        world.sim.run_for(4)
        world.sim.machines[leader].crash()
        rest = [name for name in world.names if name != leader]
        world.sim.run_for(4)
        assert world.get("a", *rest) == "1"
        world.sim.run_for(6)
        assert world.get("a", *rest) is None

    def test_a_deposed_leader_does_not_keep_a_lease_alive_that_the_new_one_counts(self) -> None:
        """It cannot answer while it is cut off; nor may it answer by itself once it is back, as
        long as what it knows is no longer what counts."""
        world = World()
        leader = world.elect()
        world.call(lambda client: client.lease_grant(LeaseGrantRequest(TTL=8, ID=7)))
        world.put("a", "1", lease=7)
        rest = [name for name in world.names if name != leader]
        world.sim.network.partition([leader], rest)
        kept: list[int] = []

        async def keep(host: Host) -> None:
            client = world.client(host, leader)
            kept.append((await client.lease_keep_alive(LeaseKeepAliveRequest(7))).TTL)

        world.clients.start("keep", keep)
        world.elect(*rest)
        world.sim.run_for(2)
        assert not kept
        world.sim.network.heal()
        world.sim.run_until(lambda: bool(kept), 8)
        now = world.sim.now
        assert kept == [8]
        gone = "lease_revoke"
        world.sim.run_until(lambda: bool(world.sim.trace.select("etcd.apply", op=gone)), 12)
        assert world.sim.trace.select("etcd.apply", op=gone)[0].time >= now + 7.5


class TestRoles:
    def test_a_students_rule_takes_the_place_of_ours(self) -> None:
        def never(voter: Voter, request: Message) -> bool:
            return False

        world = World(roles={"raft.grant_vote": never})
        world.sim.run_for(10)
        assert world.leader() == ""

    def test_a_leader_that_counts_only_itself_loses_what_it_acknowledged(self) -> None:
        def alone(leader: Leader) -> int:
            return leader.match[max(leader.match, key=leader.match.__getitem__)]

        world = World(roles={"raft.commit_index": alone})
        leader = world.elect()
        rest = [name for name in world.names if name != leader]
        world.sim.network.partition([leader], rest)
        world.put("a", "acknowledged", leader)
        world.sim.machines[leader].crash()
        world.elect(*rest)
        assert world.get("a", *rest) is None


def test_one_seed_is_one_run() -> None:
    def digest() -> str:
        world = World(seed=5)
        world.put("a", "1")
        world.sim.machines["etcd-2"].restart()
        world.sim.run_for(5)
        return world.sim.trace.digest()

    assert digest() == digest()


@pytest.mark.parametrize("seed", range(20))
def test_no_acknowledged_write_is_lost(seed: int) -> None:
    """Clients write while members crash, hang and lose one another on a bad network; in the end
    all members hold the same, and every key at least its last acknowledged value."""
    world = World(seed)
    random = Random(seed)
    sim = world.sim
    sim.network.change(loss=0.05, duplicate=0.05, reorder=0.1)
    acknowledged: dict[bytes, int] = {}

    async def write(number: int, host: Host) -> None:
        client, key = world.client(host), b"key-%d" % number
        for value in range(1, 10_000):
            try:
                await client.put(PutRequest(key, b"%d" % value))
                acknowledged[key] = value
            except EtcdError:
                pass  # in doubt
            await asyncio.sleep(0.03)

    for number in range(3):
        world.clients.start(f"writer-{number}", partial(write, number))
    for _ in range(12):
        sim.run_for(random.uniform(0.2, 3))
        name = random.choice(world.names)
        machine = sim.machines[name]
        action = random.choice(["crash", "pause", "partition", "all"])
        if action == "all":
            for each in world.names:
                sim.machines[each].crash()
        elif action == "partition":
            sim.network.partition([name], [n for n in world.names if n != name])
        else:
            getattr(machine, action)()
        sim.run_for(random.uniform(0.1, 3))
        for each in world.names:
            state = sim.machines[each].state
            if state != "up":
                sim.machines[each].resume() if state == "paused" else sim.machines[each].restart()
        sim.network.heal()
        sim.network.change(loss=0.05, duplicate=0.05, reorder=0.1)
    sim.network.heal()
    for number in range(3):
        world.clients.kill(f"writer-{number}")
    sim.run_for(10)

    assert len(acknowledged) == 3, f"seed {seed}: nothing got through"
    for key, value in acknowledged.items():
        found = world.get(key.decode())
        assert found is not None, f"seed {seed}: {key!r} is lost"
        assert int(found) >= value, f"seed {seed}: {key!r} fell back"
    stores = [world.servers[name].store for name in world.names]
    assert stores[0].versions() == stores[1].versions() == stores[2].versions(), f"seed {seed}"

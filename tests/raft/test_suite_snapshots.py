"""The scenarios of MIT 6.5840's Raft suite, written anew: snapshots (part D)."""

from __future__ import annotations

import pytest

from tests.raft.servers import ELECTION, Servers

INTERVAL = 10
"""Applied entries between two snapshots."""


def check_log_sizes(servers: Servers) -> None:
    """Logs are cut: what a member keeps does not grow with what it has seen."""
    for server in servers.servers.values():
        if server.node is not None and server.connected:
            assert len(server.entries) <= 3 * INTERVAL, f"{server.name} keeps too much"


def snapshots(
    seed: int, *, rounds: int, away: bool = False, crash: bool = False, reliable: bool = True
) -> None:
    """Commands come in bursts. In every round another member misses one, by being cut off
    (`away`) or by a power cut (`crash`), and has to be brought up to date."""
    servers = Servers(seed, 3, reliable=reliable, snapshot_every=INTERVAL)
    random = servers.random
    servers.agree(3)
    leader = servers.leader()
    for round in range(rounds):
        victim, sender = servers.others(leader)[0], leader
        if round % 3 == 1:
            victim, sender = leader, servers.others(leader)[0]
        if away:
            servers.disconnect(victim)
            servers.agree(2)
        if crash:
            servers.crash(victim)
            servers.agree(2)
        for _ in range(random.randrange(INTERVAL // 2, 2 * INTERVAL)):
            servers.propose(sender)
        servers.agree(3 if victim == leader and not (away or crash) else 2)
        check_log_sizes(servers)
        if away:  # it may need a snapshot now
            servers.connect(victim)
        if crash:
            servers.start(victim)
        if away or crash:
            servers.agree(3)
        leader = servers.leader()
    servers.agree(3)
    check_log_sizes(servers)
    assert servers["a"].snapshot.index, "nobody took a snapshot"


@pytest.mark.seeds(100)
def test_snapshot_basic(seed: int) -> None:
    snapshots(seed, rounds=10)


@pytest.mark.seeds(100)
def test_snapshot_install(seed: int) -> None:
    snapshots(seed, rounds=8, away=True)


@pytest.mark.seeds(100)
def test_snapshot_install_unreliable(seed: int) -> None:
    snapshots(seed, rounds=6, away=True, reliable=False)


@pytest.mark.seeds(100)
def test_snapshot_install_crash(seed: int) -> None:
    snapshots(seed, rounds=8, crash=True)


@pytest.mark.seeds(100)
def test_snapshot_install_un_crash(seed: int) -> None:
    """On a bad network."""
    snapshots(seed, rounds=6, crash=True, reliable=False)


@pytest.mark.seeds(100)
def test_snapshot_all_crash(seed: int) -> None:
    servers = Servers(seed, 3, reliable=False, snapshot_every=INTERVAL)
    servers.agree(3)
    for _ in range(4):
        for _ in range(servers.random.randrange(INTERVAL // 2, 2 * INTERVAL)):
            for name in servers.leading():
                servers.propose(name)
        last = servers.agree(3)
        servers.crash(*servers.names)
        servers.run_for(ELECTION / 10)
        servers.start(*servers.names)
        servers.agree(3)
        assert servers.have(last) == list(servers.names)


@pytest.mark.seeds(100)
def test_snapshot_init(seed: int) -> None:
    """A member that comes back from a snapshot alone keeps it, and crashes again."""
    servers = Servers(seed, 3, snapshot_every=INTERVAL)
    for _ in range(INTERVAL + 1):
        servers.agree(3)
    servers.restart(*servers.names)
    servers.agree(3)
    servers.restart(*servers.names)
    servers.agree(3)
    assert all(len(servers[name].commands) == INTERVAL + 3 for name in servers.names)

"""The scenarios of MIT 6.5840's Raft suite, written anew: crashes, bad networks, and both while
clients go on (part C)."""

from __future__ import annotations

import pytest

from tests.raft.servers import ELECTION, TICK, Servers, every


@pytest.mark.seeds(100)
def test_persist_1(seed: int) -> None:
    """What was agreed upon outlives the crash of all, of the leader, and of a follower."""
    servers = Servers(seed, 3)
    servers.agree(3)
    servers.restart(*servers.names)
    servers.agree(3)

    leader = servers.leader()
    servers.restart(leader)
    servers.agree(3)

    leader = servers.leader()
    servers.crash(leader)
    servers.agree(2)
    servers.start(leader)
    servers.run_for(ELECTION)

    follower = servers.others(servers.leader())[0]
    servers.crash(follower)
    servers.agree(2)
    servers.start(follower)
    servers.agree(3)


@pytest.mark.seeds(100)
def test_persist_2(seed: int) -> None:
    """Majorities that overlap in one member only."""
    servers = Servers(seed, 5)
    for _ in range(2):
        servers.agree(5)
        leader = servers.leader()
        ring = (servers.names * 2)[servers.names.index(leader) :]
        one, two, three, four = list(ring[1:5])
        servers.crash(one, two)
        servers.agree(3)
        servers.crash(leader, three, four)
        servers.start(one, two)
        servers.run_for(ELECTION)
        servers.start(three)
        servers.agree(3)
        servers.start(four, leader)
    servers.agree(5)


@pytest.mark.seeds(100)
def test_persist_3(seed: int) -> None:
    """A leader and a follower crash; the follower comes back to one who knows nothing of it."""
    servers = Servers(seed, 3)
    servers.agree(3)
    leader = servers.leader()
    one, other = servers.others(leader)
    servers.disconnect(other)
    servers.agree(2)
    servers.crash(leader, one)
    servers.connect(other)
    servers.start(leader)
    servers.agree(2)
    servers.start(one)
    servers.agree(3)


@pytest.mark.seeds(100)
def test_figure_8(seed: int) -> None:
    """Leaders crash before or after they have told the others: now and then an entry of an earlier
    term is on a majority, and goes all the same (Figure 8 of the paper)."""
    servers = Servers(seed, 5)
    random = servers.random
    servers.agree(1)
    for _ in range(15):
        for name in servers.names:
            servers.propose(name)
        servers.run_for(random.uniform(0, 0.02))
        servers.crash(*servers.leading())
        down = [name for name in servers.names if servers[name].node is None]
        while len(down) > 2:
            servers.start(down.pop(random.randrange(len(down))))
        for _ in range(200):
            servers.run_for(TICK / 10)
            if servers.leading():
                break
    servers.start(*(name for name in servers.names if servers[name].node is None))
    servers.agree(5)


@pytest.mark.seeds(100)
def test_unreliable_agree(seed: int) -> None:
    """Many commands at once on a network that loses a tenth and delays the rest."""
    servers = Servers(seed, 5, reliable=False)
    for _ in range(15):
        for _ in range(4):
            for name in servers.names:
                servers.propose(name)
        servers.agree(1)
    servers.reliable = True
    servers.agree(5)
    assert len(servers.chosen) >= 31


@pytest.mark.seeds(100)
def test_figure_8_unreliable(seed: int) -> None:
    """Leaders are cut off, and answers come late: those of one term in the middle of another."""
    servers = Servers(seed, 5, reliable=False)
    random = servers.random
    servers.agree(1)
    for round in range(100):
        servers.reordering = round >= 30
        leader = ""
        for name in servers.names:
            if servers.propose(name) and servers[name].connected:
                leader = name
        quick = random.random() < 0.9
        servers.run_for(random.uniform(0, 0.013 if quick else ELECTION / 2))
        if leader and random.random() < 0.5:
            servers.disconnect(leader)
        if sum(servers[name].connected for name in servers.names) < 3:
            servers.connect(random.choice(servers.names))
    servers.connect(*servers.names)
    servers.reordering = False
    servers.agree(5)


def churn(servers: Servers) -> None:
    """Members come and go while clients write; what a client saw committed stays committed."""
    random = servers.random
    waiting: list[bytes] = []
    seen: list[bytes] = []

    def client() -> None:
        """Propose to whoever takes it, and look what has become of earlier commands."""
        seen.extend(command for command in waiting if servers.have(command))
        waiting[:] = [command for command in waiting if command not in seen]
        command = servers.command()
        for name in servers.names:
            if servers.propose(name, command):
                waiting.append(command)

    for offset in (0.0, 0.01, 0.02):
        every(0.1 + offset, 30, servers, client)
    for _ in range(10):
        if random.random() < 0.2:
            servers.disconnect(random.choice(servers.names))
        if random.random() < 0.5:
            name = random.choice(servers.names)
            if servers[name].node is None:
                servers.start(name)
            servers.connect(name)
        if random.random() < 0.2:
            servers.crash(random.choice(servers.names))
        servers.run_for(0.7 * ELECTION / 2)
    servers.reliable = True
    servers.start(*(name for name in servers.names if servers[name].node is None))
    servers.connect(*servers.names)
    servers.run_for(ELECTION)  # the clients have finished
    servers.agree(5)
    for name in servers.names:
        lost = [command for command in seen if command not in servers[name].commands]
        assert not lost, f"{name} lacks {lost}, which clients saw committed"


@pytest.mark.seeds(100)
def test_reliable_churn(seed: int) -> None:
    churn(Servers(seed, 5))


@pytest.mark.seeds(100)
def test_unreliable_churn(seed: int) -> None:
    churn(Servers(seed, 5, reliable=False))

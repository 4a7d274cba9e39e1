"""The scenarios of MIT 6.5840's Raft suite, written anew: elections (part A)."""

from __future__ import annotations

import pytest

from tests.raft.servers import ELECTION, Servers


@pytest.mark.seeds(100)
def test_initial_election(seed: int) -> None:
    servers = Servers(seed, 3)
    leader = servers.leader()
    servers.run_for(0.2)
    term = servers.term()
    assert term >= 1
    servers.run_for(2 * ELECTION)
    assert servers.term() == term, "an election without a failure"
    assert servers.leading() == [leader]


@pytest.mark.seeds(100)
def test_re_election(seed: int) -> None:
    servers = Servers(seed, 3)
    first = servers.leader()

    servers.disconnect(first)
    servers.leader()
    servers.connect(first)  # its return disturbs nobody for long
    second = servers.leader()

    other = servers.others(second)[0]
    servers.disconnect(second, other)
    servers.run_for(2 * ELECTION)
    assert servers.leading() == [], "one of three leads"

    servers.connect(other)
    servers.leader()
    servers.connect(second)
    servers.leader()


@pytest.mark.seeds(100)
def test_many_elections(seed: int) -> None:
    servers = Servers(seed, 7)
    servers.leader()
    for _ in range(5):
        away = servers.random.sample(servers.names, 3)
        servers.disconnect(*away)
        assert servers.leader() not in away
        servers.connect(*away)
    servers.leader()

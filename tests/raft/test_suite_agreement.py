"""The scenarios of MIT 6.5840's Raft suite, written anew: agreement on a log (part B)."""

from __future__ import annotations

import pytest

from kube_edu.raft import MessageType
from tests.raft.servers import ELECTION, Servers

REQUESTS = (
    MessageType.MsgApp,
    MessageType.MsgHeartbeat,
    MessageType.MsgVote,
    MessageType.MsgPreVote,
)


@pytest.mark.seeds(100)
def test_basic_agree(seed: int) -> None:
    servers = Servers(seed, 3)
    for number in range(3):
        assert len(servers.chosen) == number, "something was committed before it was proposed"
        servers.agree(3)


@pytest.mark.seeds(100)
def test_rpc_bytes(seed: int) -> None:
    """Each command goes to each follower once."""
    servers = Servers(seed, 3)
    servers.agree(3)
    before, size = servers.bytes_sent, 5000
    for _ in range(10):
        servers.agree(3, retry=False, command=servers.command(size))
    assert servers.bytes_sent - before <= 2 * 10 * (size + 10)


@pytest.mark.seeds(100)
def test_follower_failure(seed: int) -> None:
    servers = Servers(seed, 3)
    servers.agree(3)
    leader = servers.leader()
    one, other = servers.others(leader)
    servers.disconnect(one)
    servers.agree(2)
    servers.run_for(ELECTION)
    servers.agree(2)
    servers.disconnect(other)
    for name in servers.leading():
        command = servers.command()
        servers.propose(name, command)
        servers.run_for(2 * ELECTION)
        assert not servers.have(command), "committed without a majority"


@pytest.mark.seeds(100)
def test_leader_failure(seed: int) -> None:
    servers = Servers(seed, 3)
    servers.agree(3)
    first = servers.leader()
    servers.disconnect(first)
    servers.agree(2)
    servers.run_for(ELECTION)
    servers.agree(2)
    servers.disconnect(servers.leader())
    commands = [servers.command() for _ in servers.names]
    for name, command in zip(servers.names, commands, strict=True):
        servers.propose(name, command)
    servers.run_for(2 * ELECTION)
    assert not any(map(servers.have, commands)), "committed without a majority"


@pytest.mark.seeds(100)
def test_fail_agree(seed: int) -> None:
    """A follower that was away catches up."""
    servers = Servers(seed, 3)
    servers.agree(3)
    away = servers.others(servers.leader())[0]
    servers.disconnect(away)
    for _ in range(2):
        servers.agree(2)
    servers.run_for(ELECTION)
    for _ in range(2):
        servers.agree(2)
    servers.connect(away)
    servers.agree(3)
    servers.run_for(ELECTION)
    servers.agree(3)


@pytest.mark.seeds(100)
def test_fail_no_agree(seed: int) -> None:
    """Too many are away, and nothing is decided until they are back."""
    servers = Servers(seed, 5)
    servers.agree(5)
    leader = servers.leader()
    away = servers.others(leader)[:3]
    servers.disconnect(*away)
    lost = servers.command()
    assert servers.propose(leader, lost)
    servers.run_for(2 * ELECTION)
    assert not servers.have(lost), "committed without a majority"
    servers.connect(*away)
    servers.leader()
    servers.agree(5)


@pytest.mark.seeds(100)
def test_concurrent_starts(seed: int) -> None:
    """Commands that come at once are all kept, unless the leader changes in between."""
    for attempt in range(5):
        servers = Servers(seed + 1_000_000 * attempt, 3)
        leader = servers.leader()
        node = servers[leader].node
        assert node is not None
        term = node.term
        commands = [servers.command() for _ in range(5)]
        for command in commands:
            assert servers.propose(leader, command)
        servers.run_for(ELECTION)
        if node.term == term:
            assert servers.chosen == commands
            return
    raise AssertionError("the term changes too often")


@pytest.mark.seeds(100)
def test_rejoin(seed: int) -> None:
    """A leader that was cut off has entries that nobody else has; so has the next one."""
    servers = Servers(seed, 3)
    servers.agree(3)
    first = servers.leader()
    servers.disconnect(first)
    for _ in range(3):
        servers.propose(first)
    servers.agree(2)
    second = servers.leader()
    servers.disconnect(second)
    servers.connect(first)
    servers.agree(2)
    servers.connect(second)
    servers.agree(3)
    assert len(servers.chosen) == 4, "what a leader took while it was cut off was committed"


@pytest.mark.seeds(100)
def test_backup(seed: int) -> None:
    """Long logs that disagree are brought together quickly."""
    servers = Servers(seed, 5)
    servers.agree(5)

    first = servers.leader()
    with_first = servers.others(first)[0]
    rest = servers.others(first, with_first)
    servers.disconnect(*rest)  # two that decide nothing ...
    for _ in range(50):
        servers.propose(first)
    servers.run_for(ELECTION / 2)

    servers.only(*rest)  # ... and three that do
    for _ in range(50):
        servers.agree(3, retry=True)

    second = servers.leader()
    away = next(name for name in rest if name != second)
    servers.disconnect(away)  # two of these three decide nothing either
    for _ in range(50):
        servers.propose(second)
    servers.run_for(ELECTION / 2)

    servers.only(first, with_first, away)  # the first two, with one who knows more than they
    for _ in range(50):
        servers.agree(3, retry=True)

    servers.connect(*servers.names)
    servers.agree(5)


@pytest.mark.seeds(100)
def test_count(seed: int) -> None:
    """Few messages for an election, few for a command, few for nothing."""
    servers = Servers(seed, 3)

    def requests() -> int:
        return sum(servers.sent[kind] for kind in REQUESTS)

    servers.leader()
    assert requests() <= 40, "too many for an election"
    servers.agree(3)
    leader = servers.leader()
    before = servers.sent[MessageType.MsgApp]
    for _ in range(10):
        assert servers.propose(leader)
    servers.run_for(0.05)
    assert len(servers.chosen) == 11
    # each of ten commands to two followers, and word of what is committed
    assert servers.sent[MessageType.MsgApp] - before <= 2 * 2 * 10 + 2
    before = requests()
    servers.run_for(1)
    assert requests() - before <= 2 * 11, "too many while nothing happens"

"""The suite catches the classic mistakes: each of these rules is wrong, and some scenario says so
within a few seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from kube_edu.raft import Leader, Log, Message, MessageType, Rules, SafetyError, Voter
from kube_edu.raft.rules import grant_vote
from tests.raft.servers import Servers
from tests.raft.talk import Talk
from tests.raft.test_suite_agreement import test_rejoin as rejoin
from tests.raft.test_suite_persistence import test_figure_8 as figure_8
from tests.raft.test_suite_persistence import test_figure_8_unreliable as figure_8_unreliable


def double_vote(voter: Voter, request: Message) -> bool:
    """Votes for everyone who asks in a term (against section 5.2)."""
    return grant_vote(replace(voter, vote=""), request)


def no_up_to_date_check(voter: Voter, request: Message) -> bool:
    """Looks at no log (against section 5.4.1)."""
    return grant_vote(replace(voter, last_index=0, last_term=0), request)


def commits_older_terms(leader: Leader) -> int:
    """Counts the copies of entries of any term (against section 5.4.2)."""
    copies = sorted(leader.match.values(), reverse=True)
    return max(leader.commit, copies[len(copies) // 2])


def never_truncates(log: Log, request: Message) -> bool:
    """Keeps what conflicts (against Figure 2, AppendEntries, 3)."""
    if log.term(request.index) != request.log_term:
        return False
    log.append([entry for entry in request.entries if entry.index > log.last_index])
    return True


def always_truncates(log: Log, request: Message) -> bool:
    """Cuts off what an overtaken request does not have (against Figure 2, AppendEntries, 3)."""
    if log.term(request.index) != request.log_term:
        return False
    log.append(request.entries)
    return True


def figure_8_as_drawn(seed: int) -> None:
    """The one run of the paper's Figure 8, (a) to (d), with entries sent one by one."""
    options = {"pre_vote": False, "check_quorum": False, "max_size_per_msg": 1}
    talk = Talk("abcde", seed, rules=Servers.rules, **options).campaign("a")
    talk["a"].propose(b"old")
    talk.work("a")
    talk.settle(lambda message: message.to == "b")
    talk.isolate("a", "b")  # (b): e leads, and tells nobody what it has in that place
    talk["e"].campaign()
    talk.work("e")
    talk.settle(lambda message: message.type is not MessageType.MsgApp)
    talk.isolate("e").start("a")  # (c): a leads again, and its old entry gets to a majority
    for _ in range(2):  # the first time to learn of e's term
        talk["a"].campaign()
        talk.work("a")
        # c and d get the old entry, but not the one of the new term behind it
        talk.settle(lambda message: message.to == "a" or talk[message.to].log.last_index < 2)
    assert talk.leaders() == ["a", "e"]
    talk.isolate("a").start("e")  # (d): e may overwrite it
    for _ in range(2):
        talk.campaign("e")
    assert talk.leaders() == ["a", "e"]
    applied = talk.applied["a"]
    assert applied == talk.applied["e"][: len(applied)], "what a applied, e has overwritten"


WRONG = {
    double_vote: ("grant_vote", figure_8),
    no_up_to_date_check: ("grant_vote", figure_8),
    commits_older_terms: ("commit_index", figure_8_as_drawn),
    never_truncates: ("append_entries", rejoin),
    always_truncates: ("append_entries", figure_8_unreliable),
}


@pytest.mark.parametrize("rule", WRONG, ids=lambda rule: str(rule.__name__))
def test_a_wrong_rule_is_caught(
    rule: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, scenario = WRONG[rule]
    scenario(0)  # with ours all is well
    monkeypatch.setattr(Servers, "rules", Rules(**{name: rule}))
    assert any(_fails(scenario, seed) for seed in range(100)), f"nobody notices {rule.__doc__}"


def _fails(scenario: Callable[[int], None], seed: int) -> bool:
    try:
        scenario(seed)
    except (AssertionError, SafetyError):
        return True
    return False

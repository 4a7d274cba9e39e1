"""The suite catches the classic mistakes: each of these rules is wrong, and some scenario says so
within a few seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kube_edu.raft import Leader, Log, Message, Rules, SafetyError, Voter
from kube_edu.raft.rules import grant_vote
from tests.raft.servers import Servers
from tests.raft.test_conversations import FOLDER, conversation
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
    """The one run of the paper's Figure 8, in which a leader must not count such copies."""
    written = (FOLDER / "figure-8.txt").read_text()
    assert conversation(written, Servers.rules) == written


WRONG = {
    double_vote: ("grant_vote", figure_8),
    no_up_to_date_check: ("grant_vote", figure_8),
    commits_older_terms: ("commit_index", figure_8_as_drawn),
    never_truncates: ("append_entries", rejoin),
    always_truncates: ("append_entries", figure_8_unreliable),
}


@pytest.mark.parametrize("rule", WRONG, ids=lambda rule: str(rule.__name__))
def test_a_wrong_rule_is_caught(rule: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
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

"""The numbered rules beyond the core: sections 6 to 8 of the Raft paper (extended version), and
those of Ongaro's thesis that etcd follows.

Not here: chunks of a snapshot (Figure 13, rules 2 to 4), for one message holds all of it; and that
a command is done once though its client asks twice (section 8), which etcd leaves to clients.
"""

from __future__ import annotations

from random import Random

import pytest

from kube_edu.raft import (
    ConfChange,
    ConfChangeError,
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfState,
    Entry,
    Message,
    MessageType,
    RaftNode,
    Role,
    Snapshot,
)
from tests.raft.talk import Talk

ADD, LEARN, REMOVE = (
    ConfChangeType.AddNode,
    ConfChangeType.AddLearnerNode,
    ConfChangeType.RemoveNode,
)


def change(*singles: tuple[ConfChangeType, str]) -> ConfChange:
    return ConfChange(changes=tuple(ConfChangeSingle(kind, node) for kind, node in singles))


def with_change(talk: Talk, *singles: tuple[ConfChangeType, str]) -> Talk:
    """A proposes it, and all is delivered."""
    assert talk["a"].propose_conf_change(change(*singles))
    talk.work("a")
    return talk.settle()


class TestMembership:
    """Section 6; thesis, chapter 4."""

    def joint(self) -> Talk:
        """A joint configuration: of a, b, c and of a, d, e."""
        talk = Talk("abc", pre_vote=False, check_quorum=False).campaign("a")
        talk.join("d")
        talk.join("e")
        singles = change((ADD, "d"), (ADD, "e"), (REMOVE, "b"), (REMOVE, "c")).changes
        explicit = ConfChange(ConfChangeTransition.JointExplicit, singles)
        assert talk["a"].propose_conf_change(explicit)
        talk.work("a")
        talk.settle().tick("a", times=2)
        assert all(len(node.conf.halves) == 2 for node in talk.nodes.values())
        return talk

    def test_6_entries_go_to_the_members_of_both_configurations(self) -> None:
        talk = self.joint().propose("a", b"x")
        assert all(b"x" in dict(talk.applied[name]).values() for name in "abcde")

    @pytest.mark.parametrize("away", ["bc", "de"])
    def test_6_commitment_takes_a_majority_of_each(self, away: str) -> None:
        talk = self.joint().isolate(*away)
        commit = talk["a"].log.commit
        talk.propose("a", b"x")
        assert talk["a"].log.commit == commit
        talk.isolate(away[0]).tick("a", times=2)
        assert talk["a"].log.commit == commit + 1

    @pytest.mark.parametrize("candidate", "abcde")
    def test_6_any_of_them_may_lead_with_a_majority_of_each(self, candidate: str) -> None:
        assert candidate in self.joint().campaign(candidate).leaders()

    @pytest.mark.parametrize("away", ["abc", "ade"])
    def test_6_no_one_is_elected_by_one_half_alone(self, away: str) -> None:
        talk = self.joint().isolate(*away)
        candidate = next(name for name in "abcde" if name not in away)
        assert candidate not in talk.campaign(candidate).leaders()

    def test_6_the_joint_configuration_ends_with_an_entry_of_its_own(self) -> None:
        talk = self.joint()
        assert talk["a"].propose_conf_change(ConfChange())
        talk.work("a")
        assert talk.settle()["a"].conf == ConfState(voters=("a", "d", "e"))

    def test_4_3_or_by_itself_as_soon_as_it_is_in_force(self) -> None:
        talk = Talk("abc").campaign("a")
        talk.join("d")
        with_change(talk, (ADD, "d"), (REMOVE, "c"))
        assert talk["a"].conf == ConfState(voters=("a", "b", "d"))

    def test_4_1_one_change_at_a_time(self) -> None:
        talk = Talk("abc").campaign("a")
        assert talk["a"].propose_conf_change(change((REMOVE, "b")))
        assert not talk["a"].propose_conf_change(change((REMOVE, "c")))

    def test_4_1_a_new_leader_waits_until_older_entries_are_applied(self) -> None:
        """Any of them may be a change."""
        talk = Talk("abc", pre_vote=False, check_quorum=False).campaign("a")
        talk["a"].propose(b"x")
        talk.work("a")
        talk.settle(lambda message: message.to == "b")
        talk["b"].campaign()
        talk.work("b")
        talk.settle(lambda message: message.type is not MessageType.MsgAppResp)
        assert talk.leaders() == ["b"]
        assert not talk["b"].propose_conf_change(change((REMOVE, "c")))
        talk.tick("b").settle()
        assert talk["b"].propose_conf_change(change((REMOVE, "c")))

    def test_4_1_nobody_stands_for_election_with_a_change_that_it_has_not_applied(self) -> None:
        """The price of a configuration that is in force once applied, as in etcd."""
        node = RaftNode("b", "abc", random=Random(1))
        entry = Entry(1, 1, change=change((REMOVE, "b")))
        node.step(Message(MessageType.MsgApp, "b", "a", 1, entries=(entry,), commit=1))
        node.campaign()
        assert node.role is Role.FOLLOWER

    def test_4_1_what_is_impossible_is_refused_before_it_is_proposed(self) -> None:
        talk = Talk("a").campaign("a")
        with pytest.raises(ConfChangeError, match="no voters left"):
            talk["a"].propose_conf_change(change((REMOVE, "a")))

    def test_4_2_1_a_learner_gets_the_log_and_counts_for_nothing(self) -> None:
        talk = Talk("abc").campaign("a").propose("a", b"x")
        talk.join("d")
        with_change(talk, (LEARN, "d"))
        assert talk.applied["d"] == talk.applied["a"]
        talk.isolate("b", "c")
        commit = talk["a"].log.commit
        talk.propose("a", b"y")
        assert talk["a"].log.commit == commit
        assert talk.campaign("d")["d"].role is Role.FOLLOWER

    def test_4_2_2_a_leader_that_is_removed_steps_down_once_that_is_committed(self) -> None:
        talk = Talk("abc").campaign("a")
        talk["a"].propose_conf_change(change((REMOVE, "a")))
        assert talk.leaders() == ["a"]
        talk.work("a")
        talk.settle()
        assert talk["a"].role is Role.FOLLOWER
        talk.tick("b", "c", times=40)
        assert talk.leaders()[0] in "bc"
        assert talk.campaign("a")["a"].role is Role.FOLLOWER

    def test_4_2_3_who_hears_a_leader_disregards_requests_for_votes(self) -> None:
        """So a member that was removed, and does not know it, disturbs nobody."""
        talk = Talk("abc", pre_vote=False).campaign("a")
        with_change(talk, (REMOVE, "c"))
        talk["c"].conf = ConfState(("a", "b", "c"))  # it has not heard of it
        talk.tick("a").campaign("c")
        assert (talk.leaders(), talk["a"].term) == (["a"], 1)


class TestSnapshots:
    """Section 7."""

    def test_a_member_too_far_behind_gets_a_snapshot_and_then_the_rest(self) -> None:
        talk = Talk("abc").campaign("a").isolate("c")
        talk.propose("a", *(b"%d" % i for i in range(14)))
        talk["a"].compact(b"state at 15", keep=2)
        assert talk["a"].log.first_index == 14
        talk.propose("a", *(b"%d" % i for i in range(5)))
        talk.isolate().tick("a", times=3)
        assert talk.applied["c"][0] == (15, b"snapshot")
        assert talk.applied["c"][1:] == talk.applied["a"][15:]
        assert talk.snapshots["c"].data == b"state at 15"

    def test_a_lost_snapshot_is_sent_again_once_the_driver_says_so(self) -> None:
        talk = Talk("abc").campaign("a").isolate("c")
        talk.propose("a", *(b"%d" % i for i in range(20)))
        talk["a"].compact(b"all of it")
        talk.isolate()
        talk["a"].tick()
        talk.work("a")
        talk.settle(lambda m: m.type is not MessageType.MsgSnap)
        assert talk["c"].log.last_index == 1
        talk.tick("a", times=3)
        assert talk["c"].log.last_index == 1
        talk["a"].report_snapshot("c", arrived=False)
        talk.tick("a", times=3)
        assert talk["c"].log.last_index == 21

    def test_a_member_restarts_from_its_snapshot_and_the_entries_behind_it(self) -> None:
        talk = Talk("abc").campaign("a").propose("a", b"1")
        talk.snapshots["b"] = talk["b"].compact(b"")
        talk.propose("a", b"2", b"3")
        node = talk.start("b")
        assert node.log.first_index == 3
        assert talk.applied["b"] == [(3, b"2"), (4, b"3")]

    def snapshot(self, index: int, term: int, sent_in: int = 2) -> Message:
        data = Snapshot(b"state", index, term, ConfState(("a", "b", "d")))
        return Message(MessageType.MsgSnap, "a", "b", sent_in, snapshot=data)

    def follower(self, *terms: int) -> Talk:
        talk = Talk("abc")
        talk.disk["a"] = [Entry(term, index) for index, term in enumerate(terms, 1)]
        talk.start("a")
        return talk

    def test_rule_1_one_of_an_older_term_is_refused(self) -> None:
        talk = self.follower(1, 1)
        talk.tell(self.snapshot(2, 1))
        [answer] = talk.tell(self.snapshot(9, 1, sent_in=1))
        assert (answer.term, talk["a"].log.last_index) == (2, 2)

    def test_rule_5_one_that_is_older_than_what_is_committed_changes_nothing(self) -> None:
        talk = self.follower(1, 1, 1)
        talk.tell(self.snapshot(3, 1))
        [answer] = talk.tell(self.snapshot(2, 1))
        assert (answer.index, talk["a"].log.first_index) == (3, 1)

    def test_rule_6_entries_behind_it_stay_if_the_log_has_its_last_entry(self) -> None:
        talk = self.follower(1, 1, 1)
        talk.tell(self.snapshot(2, 1))
        assert (talk["a"].log.last_index, talk["a"].log.commit) == (3, 2)
        assert talk.snapshots["a"].index == 0

    def test_rule_7_else_the_whole_log_goes(self) -> None:
        talk = self.follower(1, 1, 1)
        talk.tell(self.snapshot(2, 2))
        assert (talk["a"].log.first_index, talk["a"].log.last_index) == (3, 2)
        assert talk.disk["a"] == []

    def test_rule_8_state_machine_and_configuration_are_those_of_the_snapshot(self) -> None:
        talk = self.follower(1)
        talk.tell(self.snapshot(5, 2))
        assert talk.applied["a"] == [(5, b"snapshot")]
        assert talk["a"].conf.voters == ("a", "b", "d")

    def test_7_every_member_takes_them_for_itself(self) -> None:
        talk = Talk("abc").campaign("a").propose("a", b"1", b"2")
        talk["b"].compact(b"")
        assert [talk[name].log.first_index for name in "abc"] == [1, 4, 1]


class TestClients:
    """Section 8; thesis, sections 6.2 and 6.4."""

    def test_8_a_leader_begins_its_term_with_an_empty_entry(self) -> None:
        talk = Talk("abc").campaign("a")
        assert talk["a"].log.entries(1) == [Entry(1, 1)]

    def test_6_2_a_leader_that_hears_no_majority_steps_down(self) -> None:
        talk = Talk("abc").campaign("a").isolate("a")
        talk.tick("a", times=21)
        assert talk["a"].role is not Role.LEADER
        assert talk["a"].leader == ""

    def test_6_4_step_3_the_leader_asks_a_majority_before_it_lets_a_read_happen(self) -> None:
        talk = Talk("abc").campaign("a").propose("a", b"x")
        talk["a"].read_index(b"read-1")
        talk.work("a")
        assert talk.reads["a"] == {}
        talk.settle()
        assert talk.reads["a"] == {b"read-1": 2}

    def test_6_4_a_follower_asks_the_leader(self) -> None:
        talk = Talk("abc").campaign("a").propose("a", b"x")
        assert talk["b"].read_index(b"r")
        talk.work("b")
        talk.settle()
        assert talk.reads["b"] == {b"r": 2}

    def test_6_4_a_leader_that_was_replaced_unknowingly_answers_nothing(self) -> None:
        talk = Talk("abc").campaign("a").isolate("a")
        talk.tick("b", "c", times=40)
        talk["a"].read_index(b"stale")
        talk.work("a")
        talk.settle()
        talk.isolate().tick("a", "b", "c", times=3)
        assert talk.reads["a"] == {}

    def test_6_4_step_1_a_new_leader_waits_until_it_knows_what_is_committed(self) -> None:
        talk = Talk("abc").campaign("a").propose("a", b"x")
        talk.isolate("a")
        talk["b"].campaign()
        talk["b"].election_elapsed = talk["c"].election_elapsed = 10  # the lease has run out
        talk.work("b")
        talk.settle(lambda m: m.type is not MessageType.MsgAppResp)
        assert talk["b"].role is Role.LEADER
        talk["b"].read_index(b"early")
        talk.work("b")
        talk.settle(lambda m: m.type is not MessageType.MsgAppResp)
        assert talk.reads["b"] == {}
        talk.tick("b", times=2)
        assert talk.reads["b"] == {b"early": 3}

    def test_6_4_a_single_member_answers_at_once(self) -> None:
        talk = Talk("a").campaign("a")
        talk["a"].read_index(b"r")
        talk.work("a")
        assert talk.reads["a"] == {b"r": 1}

    def test_6_4_step_2_the_read_is_at_the_commit_index_of_when_it_came(self) -> None:
        talk = Talk("abc").campaign("a").propose("a", b"x")
        talk["a"].read_index(b"r")
        talk.propose("a", b"y")
        talk.work("a")
        talk.settle()
        assert talk.reads["a"] == {b"r": 2}

    def test_6_4_one_round_serves_all_reads_before_it(self) -> None:
        talk = Talk("abc").campaign("a")
        for context in (b"1", b"2", b"3"):
            talk["a"].read_index(context)
        talk.work("a")
        talk.settle(lambda message: message.context in (b"", b"3"))
        assert list(talk.reads["a"]) == [b"1", b"2", b"3"]

    def test_6_4_1_within_a_lease_no_round_is_needed(self) -> None:
        talk = Talk("abc", lease_reads=True).campaign("a")
        talk["a"].read_index(b"first")
        talk.work("a")
        talk.settle().isolate("a")
        talk["a"].read_index(b"second")
        talk.work("a")
        assert talk.reads["a"] == {b"first": 1, b"second": 1}

    def test_6_4_1_the_lease_ends_before_anybody_else_could_be_elected(self) -> None:
        talk = Talk("abc", lease_reads=True).campaign("a")
        talk["a"].read_index(b"first")
        talk.work("a")
        talk.settle().isolate("a").tick("a", times=9)
        talk["a"].read_index(b"late")
        talk.work("a")
        assert b"late" not in talk.reads["a"]

    def test_6_4_1_a_leader_that_hands_over_has_no_lease(self) -> None:
        talk = Talk("abc", lease_reads=True).campaign("a")
        talk["a"].read_index(b"first")
        talk.work("a")
        talk.settle()
        talk["a"].transfer_leadership("b")
        talk["a"].read_index(b"second")
        assert talk["a"].read_states == []


class TestTransfer:
    """Thesis, section 3.10."""

    def test_step_1_the_leader_takes_no_more_commands(self) -> None:
        talk = Talk("abc").campaign("a").isolate("b")
        assert talk["a"].transfer_leadership("b")
        assert not talk["a"].propose(b"x")
        assert not talk["a"].propose_conf_change(change((REMOVE, "c")))

    def test_step_2_the_other_gets_the_whole_log_first(self) -> None:
        talk = Talk("abc").campaign("a").isolate("b").propose("a", b"x").isolate()
        talk["a"].transfer_leadership("b")
        assert all(m.type is not MessageType.MsgTimeoutNow for m in talk["a"].messages)
        talk.work("a")
        assert talk.settle().leaders() == ["b"]
        assert b"x" in dict(talk.applied["b"]).values()

    def test_step_3_it_stands_at_once_and_no_lease_is_in_its_way(self) -> None:
        talk = Talk("abc").campaign("a").tick(times=3)
        talk["a"].transfer_leadership("c")
        talk.work("a")
        assert talk.settle().roles() == "a:follower@2 b:follower@2 c:leader@2"

    def test_it_is_called_off_after_an_election_time_out(self) -> None:
        talk = Talk("abc").campaign("a").isolate("b")
        talk["a"].transfer_leadership("b")
        talk.tick("a", "c", times=11)
        assert talk["a"].propose(b"x")

    def test_any_member_may_ask_for_it(self) -> None:
        talk = Talk("abc").campaign("a")
        assert talk["b"].transfer_leadership("c")
        talk.work("b")
        assert talk.settle().leaders() == ["c"]

    def test_nothing_comes_of_a_transfer_to_oneself_or_a_stranger(self) -> None:
        talk = Talk("abc").campaign("a")
        assert not talk["a"].transfer_leadership("a")
        assert not talk["a"].transfer_leadership("z")


class TestPreVote:
    """Thesis, section 9.6."""

    def ask(self, term: int, index: int = 9) -> Message:
        return Message(MessageType.MsgPreVote, "b", "c", term, log_term=1, index=index)

    def test_a_candidate_asks_before_it_begins_a_term(self) -> None:
        node = RaftNode("a", "abc", random=Random(1))
        node.campaign()
        assert (node.role, node.term, node.vote) == (Role.PRE_CANDIDATE, 0, "")
        assert {m.type for m in node.messages} == {MessageType.MsgPreVote}
        assert {m.term for m in node.messages} == {1}

    def test_the_answer_binds_nobody(self) -> None:
        talk = Talk("abc")
        [answer] = talk.tell(self.ask(term=1))
        assert not answer.reject
        assert (talk["b"].term, talk["b"].vote) == (0, "")

    def test_yes_only_for_a_log_that_is_up_to_date(self) -> None:
        talk = Talk("abc", check_quorum=False).campaign("a").propose("a", b"x")
        assert talk.tell(self.ask(term=2, index=1))[0].reject
        assert not talk.tell(self.ask(term=2, index=2))[0].reject

    def test_and_only_from_who_has_not_heard_a_leader_for_an_election_time_out(self) -> None:
        talk = Talk("abc").campaign("a")
        assert talk.tell(self.ask(term=2)) == []
        talk.isolate("a").tick("b", times=10)
        assert not talk.tell(self.ask(term=2))[0].reject

    def test_one_that_is_refused_by_a_majority_follows_again(self) -> None:
        talk = Talk("abc").campaign("a").isolate("c").propose("a", b"x").isolate("a")
        talk["b"].election_elapsed = talk["c"].election_elapsed = 10
        talk["c"].campaign()
        talk.work("c")
        talk.settle()
        for _ in range(2):
            talk["c"].step(Message(MessageType.MsgPreVoteResp, "c", "a", 1, reject=True))
        assert (talk["c"].role, talk["c"].term) == (Role.FOLLOWER, 1)

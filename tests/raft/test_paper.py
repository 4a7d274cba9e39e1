"""The numbered rules of the Raft paper (extended version), Figure 2 and after."""

from random import Random

import pytest

from kube_edu.raft import Entry, HardState, Log, Message, MessageType, RaftNode, Role, SafetyError
from kube_edu.raft.rules import Leader, Voter, append_entries, commit_index, grant_vote
from tests.raft.talk import Talk


def vote(term: int = 2, index: int = 0, log_term: int = 0, source: str = "b") -> Message:
    return Message(MessageType.MsgVote, "a", source, term, log_term=log_term, index=index)


def append(index: int, log_term: int, *entries: Entry, commit: int = 0, term: int = 2) -> Message:
    return Message(
        MessageType.MsgApp, "a", "b", term,
        index=index, log_term=log_term, entries=entries, commit=commit,
    )  # fmt: skip


def member(*terms: int, term: int = 1, voted: str = "") -> Talk:
    """Member a of a, b, c, with a log whose entries have these terms."""
    talk = Talk("abc")
    talk.disk["a"] = [Entry(t, i) for i, t in enumerate(terms, 1)]
    talk.hard["a"] = HardState(term, voted)
    talk.start("a")
    return talk


class TestRequestVote:
    def test_1_reply_false_if_the_term_is_older(self) -> None:
        assert not grant_vote(Voter(3, "", 0, 0), vote(term=2))
        [answer] = member(term=3).tell(vote(term=2))
        assert (answer.type, answer.reject, answer.term) == (MessageType.MsgVoteResp, True, 3)

    def test_2_grant_if_free_and_the_log_is_up_to_date(self) -> None:
        talk = member(term=1)
        [answer] = talk.tell(vote(term=2))
        assert not answer.reject
        assert talk.hard["a"] == HardState(2, "b", 0)

    def test_2_one_vote_a_term_and_the_same_again_for_the_same_candidate(self) -> None:
        talk = member(term=1)
        assert not talk.tell(vote(source="b"))[0].reject
        assert talk.tell(vote(source="c"))[0].reject
        assert not talk.tell(vote(source="b"))[0].reject

    @pytest.mark.parametrize(
        ("theirs", "granted"),
        [((2, 3), True), ((2, 4), True), ((3, 1), True), ((2, 2), False), ((1, 9), False)],
    )
    def test_5_4_1_up_to_date_means_later_last_term_then_longer(
        self, theirs: tuple[int, int], granted: bool
    ) -> None:
        request = vote(term=4, log_term=theirs[0], index=theirs[1])
        assert grant_vote(Voter(4, "", last_index=3, last_term=2), request) is granted

    def test_a_vote_is_on_disk_before_it_is_sent(self) -> None:
        node = RaftNode("a", "abc", random=Random(0))
        node.step(vote(term=2))
        ready = node.ready()
        assert ready.must_sync
        assert ready.hard_state == HardState(2, "b", 0)
        assert [message.type for message in ready.messages] == [MessageType.MsgVoteResp]

    def test_a_vote_outlives_a_restart(self) -> None:
        talk = member(term=1)
        talk.tell(vote(source="b"))
        talk.start("a")
        assert talk.tell(vote(source="c"))[0].reject


class TestAppendEntries:
    def test_1_reply_to_an_older_term_with_the_newer_one(self) -> None:
        [answer] = member(1, 1, term=3).tell(append(2, 1, Entry(2, 3), term=2))
        assert answer.term == 3

    def test_2_reject_when_the_entry_before_is_missing_or_of_another_term(self) -> None:
        assert member(1, 1).tell(append(3, 1, Entry(2, 4)))[0].reject
        assert member(1, 1).tell(append(2, 2, Entry(2, 3)))[0].reject

    def test_3_a_conflicting_entry_and_all_behind_it_go(self) -> None:
        log = Log([Entry(1, 1), Entry(1, 2), Entry(1, 3)])
        assert append_entries(log, append(1, 1, Entry(2, 2)))
        assert log.entries(1) == [Entry(1, 1), Entry(2, 2)]

    def test_3_but_nothing_goes_when_nothing_conflicts(self) -> None:
        log = Log([Entry(1, 1), Entry(1, 2), Entry(1, 3)])
        assert append_entries(log, append(0, 0, Entry(1, 1)))
        assert log.last_index == 3

    def test_4_new_entries_are_appended(self) -> None:
        log = Log([Entry(1, 1)])
        assert append_entries(log, append(0, 0, Entry(1, 1), Entry(2, 2), Entry(2, 3)))
        assert log.entries(1) == [Entry(1, 1), Entry(2, 2), Entry(2, 3)]

    def test_5_commit_no_further_than_the_last_new_entry(self) -> None:
        talk = member(1, 1, 1)
        talk.tell(append(1, 1, Entry(1, 2), commit=9))
        assert talk["a"].log.commit == 2

    def test_entries_are_on_disk_before_the_answer_is_sent(self) -> None:
        node = RaftNode("a", "abc", random=Random(0))
        node.step(append(0, 0, Entry(2, 1)))
        ready = node.ready()
        assert ready.must_sync
        assert ready.entries == [Entry(2, 1)]
        assert ready.messages[-1].type is MessageType.MsgAppResp

    def test_a_committed_entry_is_never_overwritten(self) -> None:
        log = Log([Entry(1, 1), Entry(1, 2)])
        log.commit_to(2)
        with pytest.raises(SafetyError, match="entry 2 is committed"):
            log.append([Entry(2, 2)])


class TestAllServers:
    def test_committed_entries_are_applied_in_order_once(self) -> None:
        talk = member(1, 1, 1)
        talk.tell(append(3, 1, commit=2))
        talk.tell(append(3, 1, commit=3))
        assert [index for index, _ in talk.applied["a"]] == [1, 2, 3]

    def test_a_newer_term_makes_a_follower_of_anyone(self) -> None:
        talk = Talk("abc").campaign("a")
        talk.tell(Message(MessageType.MsgAppResp, "a", "b", term=9))
        assert (talk["a"].role, talk["a"].term) == (Role.FOLLOWER, 9)

    def test_5_1_a_term_outlives_a_restart(self) -> None:
        talk = member(term=1)
        talk.tell(Message(MessageType.MsgHeartbeat, "a", "b", term=7))
        assert talk.start("a").term == 7

    def test_5_5_requests_that_are_lost_are_sent_until_they_are_answered(self) -> None:
        talk = Talk("abc").campaign("a").isolate("c").propose("a", b"x")
        talk.tick("a", "b", times=30).isolate().tick("a", times=2)
        assert talk.applied["c"] == talk.applied["a"]


class TestCandidates:
    def test_1_a_new_term_a_vote_for_itself_a_new_time_out_and_questions_to_all(self) -> None:
        node = RaftNode("a", "abc", random=Random(0), pre_vote=False)
        node.election_elapsed = 15
        node.campaign()
        assert (node.term, node.vote, node.election_elapsed) == (1, "a", 0)
        assert [(m.type, m.to) for m in node.messages] == [
            (MessageType.MsgVote, "b"),
            (MessageType.MsgVote, "c"),
        ]

    def test_2_a_majority_of_votes_makes_a_leader(self) -> None:
        talk = Talk("abcde", pre_vote=False).isolate("d", "e")
        assert talk.campaign("a").leaders() == ["a"]


class TestLeaders:
    def test_1_heartbeats_keep_others_from_standing_for_election(self) -> None:
        talk = Talk("abc", pre_vote=False, check_quorum=False).campaign("a").tick(times=100)
        assert (talk.leaders(), talk["a"].term) == (["a"], 1)

    def test_2_a_command_is_applied_once_a_majority_has_it(self) -> None:
        talk = Talk("abc").campaign("a").isolate("b", "c").propose("a", b"x")
        assert talk.applied["a"] == [(1, b"")]
        talk.isolate("b").tick("a", times=2)
        assert talk.applied["a"] == [(1, b""), (2, b"x")]

    def test_3_entries_are_sent_from_next_index_on_until_the_logs_agree(self) -> None:
        talk = member(1, 1, 1, term=2)
        talk.campaign("a")  # and finds the logs of b and c empty
        leadership = talk["a"].leadership
        assert leadership is not None
        assert [(p.match, p.next) for p in leadership.progress.values()] == [(4, 5)] * 3

    def test_what_it_knows_of_others_begins_anew_with_each_term(self) -> None:
        talk = Talk("abc", pre_vote=False).campaign("a").propose("a", b"x").isolate("a")
        talk["b"].campaign()
        talk["c"].election_elapsed = 10
        talk.work("b")
        talk.settle(lambda message: message.type is not MessageType.MsgApp)
        leadership = talk["b"].leadership
        assert leadership is not None
        progress = leadership.progress["c"]
        assert (progress.match, progress.next) == (0, 3)


class TestElections:
    def test_5_2_a_follower_that_hears_nothing_stands_for_election(self) -> None:
        talk = Talk("abc")
        talk.tick("a", times=20)
        assert talk["a"].role is Role.LEADER

    def test_5_2_time_outs_are_drawn_between_one_and_two_election_times(self) -> None:
        drawn = {RaftNode("a", "abc", random=Random(seed)).election_timeout for seed in range(200)}
        assert drawn == set(range(10, 20))

    def test_5_2_a_candidate_follows_a_leader_of_its_own_term(self) -> None:
        talk = Talk("abc", pre_vote=False)
        talk["a"].campaign()
        talk["a"].step(Message(MessageType.MsgHeartbeat, "a", "b", term=1))
        assert (talk["a"].role, talk["a"].leader) == (Role.FOLLOWER, "b")

    def test_5_2_a_split_vote_is_tried_again_in_a_new_term(self) -> None:
        talk = Talk("ab", pre_vote=False)
        for name in "ab":
            talk[name].campaign()
            talk.work(name)
        talk.settle()
        assert talk.leaders() == []
        talk.tick(times=40)
        assert len(talk.leaders()) == 1
        assert talk["a"].term > 1

    def test_5_2_a_majority_of_all_is_needed_not_of_those_that_answer(self) -> None:
        talk = Talk("abcde").isolate("c", "d", "e")
        talk.tick(times=60)
        assert talk.leaders() == []


class TestCommitment:
    def log(self, *terms: int) -> Log:
        return Log([Entry(term, index) for index, term in enumerate(terms, 1)])

    def test_5_3_an_entry_is_committed_when_a_majority_has_it(self) -> None:
        match = {"a": 3, "b": 2, "c": 0, "d": 0, "e": 2}
        assert commit_index(Leader(1, 0, match, self.log(1, 1, 1))) == 2

    def test_5_4_2_entries_of_earlier_terms_are_not_committed_by_counting(self) -> None:
        """Figure 8 (c): entry 2 of term 2 is on a majority, and can still be overwritten."""
        log = self.log(1, 2, 4)
        assert commit_index(Leader(4, 1, {"a": 3, "b": 2, "c": 2, "d": 1, "e": 1}, log)) == 1
        assert commit_index(Leader(4, 1, {"a": 3, "b": 3, "c": 3, "d": 1, "e": 1}, log)) == 3

    def test_an_even_number_of_members_needs_more_than_half(self) -> None:
        assert commit_index(Leader(1, 0, {"a": 1, "b": 1, "c": 0, "d": 0}, self.log(1))) == 0

    def test_a_leader_counts_itself_only_once_the_entry_is_on_its_disk(self) -> None:
        talk = Talk("abc").campaign("a")
        node = talk["a"]
        node.propose(b"x")
        node.step(Message(MessageType.MsgAppResp, "a", "b", 1, index=2))
        assert node.log.commit == 1
        talk.work("a")
        assert node.log.commit == 2

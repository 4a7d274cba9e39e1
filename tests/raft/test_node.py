"""What members do, and what they do when messages are lost, doubled or late."""

from kube_edu.raft import Entry, HardState, Message, MessageType, Role
from tests.raft.talk import Talk


def test_a_command_is_applied_everywhere_without_waiting_for_a_heartbeat() -> None:
    talk = Talk("abc").campaign("a")
    talk.propose("a", b"x=1", b"x=2")
    for name in "abc":
        assert talk.applied[name] == [(1, b""), (2, b"x=1"), (3, b"x=2")]


def test_a_single_member_leads_itself_and_commits_only_what_is_on_its_disk() -> None:
    talk = Talk("a")
    node = talk["a"]
    node.campaign()
    assert node.role is Role.LEADER
    assert node.log.commit == 0
    ready = node.ready()
    assert ready.must_sync
    assert not ready.committed
    node.advance(ready)
    assert node.log.commit == 1


def test_only_a_leader_takes_proposals() -> None:
    talk = Talk("abc").campaign("a")
    assert not talk["b"].propose(b"x")
    assert talk["b"].leader == "a"


def test_a_follower_that_was_away_is_brought_up_to_date_at_the_next_heartbeat() -> None:
    talk = Talk("abc").campaign("a").isolate("c")
    talk.propose("a", *(b"%d" % i for i in range(20)))
    assert talk["c"].log.last_index == 1
    talk.isolate().tick("a", times=2)
    assert talk.applied["c"] == talk.applied["a"]


def test_logs_that_disagree_are_repaired_a_term_at_a_time_not_an_entry_at_a_time() -> None:
    """The fast back-up of the end of section 5.3."""
    talk = Talk("abc", pre_vote=False, check_quorum=False)
    common = [Entry(1, index) for index in range(1, 4)]
    talk.disk["a"] = common + [Entry(4, index) for index in range(4, 11)]
    talk.disk["b"] = common + [Entry(2, index) for index in range(4, 31)]
    talk.disk["c"] = list(talk.disk["a"])
    for name in "abc":
        talk.hard[name] = HardState(term=4)
        talk.start(name)
    talk.campaign("a")
    answers = [line for line in talk.said if line.startswith("b -> a MsgAppResp")]
    assert answers[:2] == [
        "b -> a MsgAppResp term 5, no, not after 10, try 10/2",
        "b -> a MsgAppResp term 5, yes up to 11",
    ]
    assert talk.disk["b"] == talk.disk["a"]


def test_a_lost_append_is_noticed_and_sent_again() -> None:
    talk = Talk("abc").campaign("a")
    talk["a"].propose(b"lost")
    talk.work("a")
    talk.settle(lambda m: not (m.to == "c" and m.type is MessageType.MsgApp))
    talk.propose("a", b"next")  # finds the gap
    assert talk.applied["c"] == talk.applied["a"]


def test_a_follower_that_denies_what_it_had_is_asked_once_a_heartbeat() -> None:
    """Its disk has lied about a sync: there is no use in asking again and again."""
    talk = Talk("abcde").campaign("a").isolate("c", "d", "e").propose("a", b"1", b"2", b"3")
    del talk.disk["b"][1:]
    talk.start("b")
    talk["a"].propose(b"4")
    talk.work("a")
    for _ in range(5):
        talk.said.clear()
        talk.tick("a")
        assert len(talk.said) <= 8


def test_doubled_and_overtaken_messages_change_nothing() -> None:
    talk = Talk("abc", seed=3).campaign("a")
    for step in range(60):
        before = len(talk.wire)
        talk["a"].propose(b"%d" % step)
        talk.work("a")
        talk.wire += talk.wire[before:]
        talk.random.shuffle(talk.wire)
        for _ in range(talk.random.randrange(8)):
            if talk.wire:
                message = talk.wire.pop()
                talk[message.to].step(message)
                talk.work(message.to)
    talk.settle().tick(times=3)
    assert talk.applied["a"] == talk.applied["b"] == talk.applied["c"]
    assert [data for _, data in talk.applied["a"]] == [b"", *(b"%d" % i for i in range(60))]


def test_a_member_that_returns_with_prevote_disturbs_nobody() -> None:
    talk = Talk("abc").campaign("a").isolate("c")
    talk.tick(times=60)
    assert talk["c"].role is Role.PRE_CANDIDATE
    talk.isolate().tick(times=5)
    assert talk.roles() == "a:leader@1 b:follower@1 c:follower@1"


def test_without_prevote_it_returns_with_a_later_term_and_unseats_the_leader() -> None:
    talk = Talk("abc", pre_vote=False, check_quorum=False).campaign("a").isolate("c")
    talk.tick(times=60)
    term = talk["c"].term
    assert term > 1
    talk.isolate().tick("a", times=1)
    assert talk["a"].role is Role.FOLLOWER
    assert talk["a"].term == term


def test_a_leader_that_hears_no_majority_steps_down() -> None:
    talk = Talk("abc").campaign("a").isolate("a")
    talk.tick("a", times=21)
    assert talk["a"].role is not Role.LEADER
    assert talk["a"].leader == ""


def test_a_follower_that_hears_its_leader_votes_for_nobody_else() -> None:
    talk = Talk("abc").campaign("a")
    talk.tick("a")
    request = Message(MessageType.MsgVote, "b", "c", term=9, index=99, log_term=9)
    assert talk.tell(request) == []
    assert talk["b"].term == 1


def test_the_old_leader_learns_of_the_new_term() -> None:
    talk = Talk("abc").campaign("a").isolate("a")
    talk.tick("b", "c", times=40)
    assert talk.leaders()[1:] or talk.leaders()[0] in "bc"
    talk.isolate().tick("a", "b", "c", times=2)
    assert len(talk.leaders()) == 1
    assert talk["a"].role is Role.FOLLOWER


def test_the_conversation_depends_on_nothing_but_the_seed() -> None:
    def run() -> list[str]:
        talk = Talk("abcde", seed=7)
        talk.tick(times=40)
        return talk.said

    assert run() == run()

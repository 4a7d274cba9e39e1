"""How a member answers others: candidates that ask for its vote (sections 5.2, 5.4.1), and the
leader's entries and snapshots (sections 5.3, 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube_edu.raft.messages import Message, MessageType
from kube_edu.raft.readonly import ReadState
from kube_edu.raft.rules import Voter

if TYPE_CHECKING:
    from kube_edu.raft.node import RaftNode

VOTE_RESPONSES = {
    MessageType.MsgVote: MessageType.MsgVoteResp,
    MessageType.MsgPreVote: MessageType.MsgPreVoteResp,
}
FROM_LEADER = (MessageType.MsgApp, MessageType.MsgHeartbeat, MessageType.MsgSnap)


def answer_vote_request(node: RaftNode, message: Message) -> None:
    log = node.log
    voter = Voter(node.term, node.vote, log.last_index, log.last_term)
    granted = node.rules.grant_vote(voter, message)
    if granted and message.type is MessageType.MsgVote:
        node.vote = message.source
        node.election_elapsed = 0
    term = message.term if granted else node.term  # a pre-vote is about one that has not begun
    node.send(VOTE_RESPONSES[message.type], message.source, term, reject=not granted)


def answer_older_term(node: RaftNode, message: Message) -> None:
    """Tell a member that is behind (section 5.1). It must learn of the newer term, for with
    PreVote or CheckQuorum it could not get there by an election of its own."""
    if message.type in FROM_LEADER:
        node.send(MessageType.MsgAppResp, message.source)
    elif message.type in VOTE_RESPONSES:
        node.send(VOTE_RESPONSES[message.type], message.source, reject=True)


def follow(node: RaftNode, message: Message) -> None:
    """A message of this term from its leader, or what another asks to pass on to that."""
    kind = message.type
    if kind in FROM_LEADER:
        node.hear_leader(message.source)
        if kind is MessageType.MsgApp:
            _take_entries(node, message)
        elif kind is MessageType.MsgHeartbeat:
            node.log.commit_to(message.commit)
            node.send(MessageType.MsgHeartbeatResp, message.source, context=message.context)
        else:
            _take_snapshot(node, message)
    elif kind is MessageType.MsgReadIndexResp:
        node.read_states.append(ReadState(message.index, message.context))
    elif kind is MessageType.MsgTimeoutNow:
        node.campaign(transfer=True)


def _take_entries(node: RaftNode, message: Message) -> None:
    log = node.log
    if message.index < log.commit:  # an old one: all up to the commit index matches anyway
        node.send(MessageType.MsgAppResp, message.source, index=log.commit)
    elif node.rules.append_entries(log, message):
        last = message.index + len(message.entries)
        log.commit_to(min(message.commit, last))
        node.send(MessageType.MsgAppResp, message.source, index=last)
    else:
        hint = log.find_conflict_by_term(message.index, message.log_term)
        node.send(
            MessageType.MsgAppResp,
            message.source,
            reject=True,
            index=message.index,
            reject_hint=hint,
            log_term=log.term(hint),
        )


def _take_snapshot(node: RaftNode, message: Message) -> None:
    assert message.snapshot is not None
    snapshot, log = message.snapshot, node.log
    if snapshot.index > log.commit:
        if log.term(snapshot.index) == snapshot.term:
            log.commit_to(snapshot.index)  # it has all these entries: nothing to restore
        else:
            node.restore(snapshot)
    node.send(MessageType.MsgAppResp, message.source, index=log.commit)

"""One Raft member: a state machine that does no I/O.

Messages and ticks go in (`step`, `tick`, `propose`, `read_index`), and `ready` says what to
write, send and apply; `advance` says that it was done. Whoever drives it owns the clock, the disk
and the network, so that a run can be stepped by hand, drawn, and repeated.

After "In Search of an Understandable Consensus Algorithm" (Ongaro and Ousterhout; sections cited
are those of the extended version) and etcd's raft.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from kube_edu.raft import follower
from kube_edu.raft.configuration import changed
from kube_edu.raft.leader import Leadership
from kube_edu.raft.log import Log
from kube_edu.raft.messages import (
    ConfChange,
    ConfState,
    Entry,
    HardState,
    Message,
    MessageType,
    Snapshot,
)
from kube_edu.raft.readonly import ReadState
from kube_edu.raft.ready import Ready, Role, SoftState
from kube_edu.raft.rules import Rules

ANSWER_TO = {
    Role.CANDIDATE: MessageType.MsgVoteResp,
    Role.PRE_CANDIDATE: MessageType.MsgPreVoteResp,
}

MAX_SIZE_PER_MSG = 512 * 1024
"""Bytes of entries in one append message, but always at least one entry (etcd's defaults)."""

MAX_INFLIGHT_MSGS = 256
"""Append messages on their way to one member before the leader waits for an answer."""

CAMPAIGN_TRANSFER = b"CampaignTransfer"
"""The context of a vote request that the old leader wished for: no lease stands against it."""


class RaftNode:
    """A member of a cluster, by `name`; `members` are the names of all voters, itself included.
    Without any it waits for a leader to tell it: so begins a member that joins later.

    `hard_state`, `snapshot` and `entries` are what its disk holds, for a member that comes back;
    its state machine is then the one of the snapshot, and so is the list of members.

    `lease_reads` saves linearizable reads their round of heartbeats, and trusts the clocks.
    """

    def __init__(
        self,
        name: str,
        members: Sequence[str],
        *,
        random: Random,
        election_ticks: int = 10,
        pre_vote: bool = True,
        check_quorum: bool = True,
        lease_reads: bool = False,
        max_size_per_msg: int = MAX_SIZE_PER_MSG,
        max_inflight_msgs: int = MAX_INFLIGHT_MSGS,
        hard_state: HardState | None = None,
        snapshot: Snapshot | None = None,
        entries: Sequence[Entry] = (),
        rules: Rules | None = None,
    ) -> None:
        if lease_reads and not check_quorum:
            raise ValueError("a lease is the promise of CheckQuorum: it cannot do without")
        self.name = name
        self.election_ticks = election_ticks
        self.pre_vote = pre_vote
        self.check_quorum = check_quorum
        self.lease_reads = lease_reads
        self.max_size_per_msg = max_size_per_msg
        self.max_inflight_msgs = max_inflight_msgs
        self.rules = rules or Rules()

        saved = hard_state or HardState()
        self.term = saved.term
        self.vote = saved.vote
        self.log = Log(entries, snapshot)
        self.log.commit_to(saved.commit)
        self.conf = snapshot.conf if snapshot and snapshot.index else ConfState(tuple(members))

        self.role = Role.FOLLOWER
        self.leader = ""
        self.votes: dict[str, bool] = {}
        self.leadership: Leadership | None = None  # while it leads

        self.election_elapsed = 0
        self._random = random
        self.election_timeout = self.rules.election_timeout(random, election_ticks)

        self.messages: list[Message] = []
        self.read_states: list[ReadState] = []
        self._new_snapshot: Snapshot | None = None
        self._saved_hard = saved
        self._saved_soft = self.soft_state

    # -- what the driver calls ----------------------------------------------------------------

    def tick(self) -> None:
        """The clock moved by one tick."""
        self.election_elapsed += 1
        if self.leadership is None:
            if self.election_elapsed >= self.election_timeout:
                self.campaign()
            return
        if self.election_elapsed >= self.election_ticks:
            self.election_elapsed = 0
            self.leadership.transferee = ""  # it had its time
            if self.check_quorum and not self.leadership.heard_of_majority():
                self._become_follower(self.term, "")
                return
        self.leadership.tick()

    def step(self, message: Message) -> None:
        """A message arrived: it may be old, or doubled; or from a stranger, for others may know of
        a new configuration before this member does (section 6)."""
        if message.term > self.term:
            if not self._meet_newer_term(message):
                return
        elif message.term < self.term:
            follower.answer_older_term(self, message)
            return
        if message.type in follower.VOTE_RESPONSES:
            follower.answer_vote_request(self, message)
        elif self.leadership is not None:
            self.leadership.step(message)
        elif message.type is ANSWER_TO.get(self.role):
            self._count_vote(message.source, not message.reject)
        else:
            follower.follow(self, message)

    def propose(self, data: bytes) -> bool:
        """Put a command into the log. Only a leader can, and not while it hands over its office:
        False if it cannot."""
        return self.leadership is not None and self.leadership.propose(data)

    def propose_conf_change(self, change: ConfChange) -> bool:
        """Put a change of the configuration into the log: False from anyone but a leader, and
        while an earlier change is under way. Raises ConfChangeError."""
        return self.leadership is not None and self.leadership.propose_change(change)

    def apply_conf_change(self, entry: Entry) -> ConfState:
        """The driver applies a committed change: it is in force now. (etcd leaves it to the
        application as well, which may refuse a change by not calling this.)"""
        assert entry.change is not None
        if entry.index > self.log.snapshot.index:  # else a snapshot has brought it already
            self.conf = changed(self.conf, entry.change)
            if self.leadership is not None:
                if self.name in self.conf.voting:
                    self.leadership.reconfigure()
                else:
                    self._become_follower(self.term, "")
        return self.conf

    def transfer_leadership(self, to: str) -> bool:
        """Ask that another member shall lead (thesis, section 3.10). False if it is clear that
        nothing comes of it."""
        if self.leadership is not None:
            return self.leadership.transfer(to)
        if self.leader:
            self.messages.append(Message(MessageType.MsgTransferLeader, self.leader, to, self.term))
        return bool(self.leader)

    def read_index(self, context: bytes) -> bool:
        """Ask for a linearizable read; `ready` will have a ReadState with this `context`. It may
        be lost on the way to the leader, so ask again after a while, under another context.
        False if there is nobody to ask."""
        if self.leadership is not None:
            self.leadership.read(self.name, context)
        elif self.leader:
            self.send(MessageType.MsgReadIndex, self.leader, context=context)
        return bool(self.leader)

    def campaign(self, transfer: bool = False) -> None:
        """Stand for election; with PreVote, ask first whether one would be elected, so that a
        member that was cut off does not disturb the others by its term when it comes back. With
        `transfer`, the leader has asked for it: then there is no need to ask."""
        if self.leadership is not None or self.name not in self.conf.voting:
            return
        log = self.log
        if any(entry.change for entry in log.entries(log.applied + 1, log.commit)):
            return  # who votes is about to change
        if self.pre_vote and not transfer:
            self._become(Role.PRE_CANDIDATE)
            self._ask_for_votes(MessageType.MsgPreVote, self.term + 1)
        else:
            self._campaign_for_real(CAMPAIGN_TRANSFER if transfer else b"")

    def report_snapshot(self, member: str, arrived: bool) -> None:
        """The driver's word on a MsgSnap that it was given to send."""
        if self.leadership is not None:
            self.leadership.report_snapshot(member, arrived)

    def compact(self, data: bytes, keep: int = 0) -> Snapshot:
        """`data` is the state machine as it is, with all that is applied: forget the log up to
        there, but for the last `keep` entries. Returns the snapshot, which the driver saves."""
        index = self.log.applied
        snapshot = Snapshot(data, index, self.log.term(index), self.conf)
        self.log.compact(snapshot, keep)
        return snapshot

    def has_ready(self) -> bool:
        """Whether `ready` would have anything to do."""
        log = self.log
        return bool(
            self.messages
            or log.stable < log.last_index
            or log.applied < log.commit
            or self.read_states
            or self._new_snapshot
            or self._hard_changed()
            or self._soft_changed()
        )

    def ready(self) -> Ready:
        """What is to be done now. Messages and ticks may come in while the driver is at it, but
        the next `ready` comes after `advance`."""
        entries = self.log.entries(self.log.stable + 1)
        voted = (self.term, self.vote) != (self._saved_hard.term, self._saved_hard.vote)
        restoring = self._new_snapshot is not None
        committed = [] if restoring else self.log.entries(self.log.applied + 1, self.log.commit)
        ready = Ready(
            soft_state=self.soft_state if self._soft_changed() else None,
            hard_state=self.hard_state if self._hard_changed() else None,
            snapshot=self._new_snapshot,
            entries=entries,
            messages=self.messages,
            committed=committed,
            read_states=self.read_states,
            must_sync=bool(entries) or voted or restoring,
        )
        self.messages, self.read_states, self._new_snapshot = [], [], None
        return ready

    def advance(self, ready: Ready) -> None:
        """All that this object asked for is done."""
        if ready.hard_state is not None:
            self._saved_hard = ready.hard_state
        if ready.soft_state is not None:
            self._saved_soft = ready.soft_state
        if ready.snapshot is not None:
            self.log.applied_to(ready.snapshot.index)
        if ready.committed:
            self.log.applied_to(ready.committed[-1].index)
        if ready.entries:
            self.log.stable_to(ready.entries[-1])
            if self.leadership is not None:
                self.leadership.written()
        if self.leadership is not None:
            self.leadership.leave_joint()

    @property
    def hard_state(self) -> HardState:
        return HardState(self.term, self.vote, self.log.commit)

    @property
    def soft_state(self) -> SoftState:
        return SoftState(self.leader, self.role)

    def _hard_changed(self) -> bool:
        saved = self._saved_hard
        return self.term != saved.term or self.log.commit != saved.commit or self.vote != saved.vote

    def _soft_changed(self) -> bool:
        return self.role is not self._saved_soft.role or self.leader != self._saved_soft.leader

    # -- terms and elections (section 5.2) ----------------------------------------------------

    def _meet_newer_term(self, message: Message) -> bool:
        """A message from a later term: this member's own is over. False to ignore it."""
        in_lease = self.check_quorum and self.leader and self.election_elapsed < self.election_ticks
        wished = message.context == CAMPAIGN_TRANSFER
        if message.type in follower.VOTE_RESPONSES and in_lease and not wished:
            return False  # there is a leader, and it was heard of just now (section 6, end)
        if message.type is MessageType.MsgPreVote:
            return True  # a question about a term that has not begun
        if message.type is MessageType.MsgPreVoteResp and not message.reject:
            return True  # and the answer
        self._become_follower(
            message.term, message.source if message.type in follower.FROM_LEADER else ""
        )
        return True

    def _campaign_for_real(self, context: bytes = b"") -> None:
        self.term += 1
        self.vote = self.name
        self._become(Role.CANDIDATE)
        self._ask_for_votes(MessageType.MsgVote, self.term, context)

    def _ask_for_votes(self, kind: MessageType, term: int, context: bytes = b"") -> None:
        last, log_term = self.log.last_index, self.log.last_term
        for member in self.conf.voting:
            if member != self.name:
                self.send(kind, member, term, index=last, log_term=log_term, context=context)
        self._count_vote(self.name, True)

    def _count_vote(self, member: str, granted: bool) -> None:
        self.votes.setdefault(member, granted)
        if self.conf.agreed([voter for voter, yes in self.votes.items() if yes]):
            if self.role is Role.PRE_CANDIDATE:
                self._campaign_for_real()
            else:
                self._become(Role.LEADER)
                assert self.leadership is not None
                # so that older entries can be committed along with it (sections 5.4.2 and 8)
                self.leadership.append()
        elif not self.conf.agreed([v for v in self.conf.voting if self.votes.get(v, True)]):
            self._become_follower(self.term, "")  # even if all the rest said yes

    def _become(self, role: Role) -> None:
        self.role = role
        self.leader = self.name if role is Role.LEADER else ""
        self.election_elapsed = 0
        self.election_timeout = self.rules.election_timeout(self._random, self.election_ticks)
        self.votes = {}
        self.leadership = Leadership(self) if role is Role.LEADER else None

    def _become_follower(self, term: int, leader: str) -> None:
        if term != self.term:
            self.term, self.vote = term, ""
        self._become(Role.FOLLOWER)
        self.leader = leader

    # -- for the other parts of this package --------------------------------------------------

    def hear_leader(self, leader: str) -> None:
        if self.role is not Role.FOLLOWER:
            self._become_follower(self.term, leader)
        self.leader = leader
        self.election_elapsed = 0

    def restore(self, snapshot: Snapshot) -> None:
        """Begin anew from the leader's snapshot."""
        self.log.restore(snapshot)
        self.conf = snapshot.conf
        self._new_snapshot = snapshot

    def send(self, kind: MessageType, to: str, term: int | None = None, **fields: Any) -> None:
        """Put a message with the next `ready`."""
        term = self.term if term is None else term
        self.messages.append(Message(kind, to, self.name, term, **fields))

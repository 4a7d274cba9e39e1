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

from kube_edu.raft.leader import Leadership
from kube_edu.raft.log import Log
from kube_edu.raft.messages import Entry, HardState, Message, MessageType, Snapshot
from kube_edu.raft.readonly import ReadState
from kube_edu.raft.ready import Ready, Role, SoftState
from kube_edu.raft.rules import Rules, Voter

FROM_LEADER = (MessageType.MsgApp, MessageType.MsgHeartbeat, MessageType.MsgSnap)
VOTE_REQUESTS = (MessageType.MsgVote, MessageType.MsgPreVote)


class RaftNode:
    """A member of a cluster, by `name`; `members` are the names of all, itself included.

    `hard_state`, `snapshot` and `entries` are what its disk holds, for a member that comes back;
    its state machine is then the one of the snapshot.
    """

    def __init__(
        self,
        name: str,
        members: Sequence[str],
        *,
        random: Random,
        election_ticks: int = 10,
        heartbeat_ticks: int = 1,
        pre_vote: bool = True,
        check_quorum: bool = True,
        hard_state: HardState | None = None,
        snapshot: Snapshot | None = None,
        entries: Sequence[Entry] = (),
        rules: Rules | None = None,
    ) -> None:
        self.name = name
        self.members = tuple(members)
        self.election_ticks = election_ticks
        self.heartbeat_ticks = heartbeat_ticks
        self.pre_vote = pre_vote
        self.check_quorum = check_quorum
        self.rules = rules or Rules()

        saved = hard_state or HardState()
        self.term = saved.term
        self.vote = saved.vote
        self.log = Log(entries, snapshot)
        self.log.commit_to(saved.commit)

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
            if self.check_quorum and not self.leadership.heard_of_majority():
                self._become_follower(self.term, "")
                return
        self.leadership.tick()

    def step(self, message: Message) -> None:
        """A message arrived: it may be old, or doubled, or from a stranger."""
        if message.source not in self.members:
            return
        if message.term > self.term:
            if not self._meet_newer_term(message):
                return
        elif message.term < self.term:
            self._answer_older_term(message)
            return
        if message.type in VOTE_REQUESTS:
            self._handle_vote_request(message)
        elif self.leadership is not None:
            self.leadership.step(message)
        else:
            self._step_follower(message)

    def propose(self, data: bytes) -> bool:
        """Put a command into the log. Only a leader can: False from anyone else."""
        if self.leadership is None:
            return False
        self.leadership.append(data)
        return True

    def read_index(self, context: bytes) -> bool:
        """Ask for a linearizable read; `ready` will have a ReadState with this `context`. It may
        be lost on the way to the leader, so ask again after a while, under another context.
        False if there is nobody to ask."""
        if self.leadership is not None:
            self.leadership.read(self.name, context)
        elif self.leader:
            self.send(MessageType.MsgReadIndex, self.leader, context=context)
        return bool(self.leader)

    def campaign(self) -> None:
        """Stand for election; with PreVote, ask first whether one would be elected, so that a
        member that was cut off does not disturb the others by its term when it comes back."""
        if self.leadership is not None:
            return
        if self.pre_vote:
            self._become(Role.PRE_CANDIDATE)
            self._ask_for_votes(MessageType.MsgPreVote, self.term + 1)
        else:
            self._campaign_for_real()

    def report_snapshot(self, member: str, arrived: bool) -> None:
        """The driver's word on a MsgSnap that it was given to send."""
        if self.leadership is not None:
            self.leadership.report_snapshot(member, arrived)

    def compact(self, index: int, data: bytes, keep: int = 0) -> Snapshot:
        """`data` is the state machine as of the applied entry `index`: forget the log up to
        there, but for the last `keep` entries. Returns the snapshot, which the driver saves."""
        snapshot = Snapshot(data, index, self.log.term(index))
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
        hard = self.hard_state if self._hard_changed() else None
        voted = hard is not None and (hard.term, hard.vote) != (
            self._saved_hard.term,
            self._saved_hard.vote,
        )
        restoring = self._new_snapshot is not None
        committed = [] if restoring else self.log.entries(self.log.applied + 1, self.log.commit)
        ready = Ready(
            soft_state=self.soft_state if self._soft_changed() else None,
            hard_state=hard,
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
            self.log.applied = ready.snapshot.index
        if ready.committed:
            self.log.applied = ready.committed[-1].index
        if ready.entries:
            self.log.stable_to(ready.entries[-1])
            if self.leadership is not None:
                self.leadership.written()

    @property
    def hard_state(self) -> HardState:
        return HardState(self.term, self.vote, self.log.commit)

    @property
    def soft_state(self) -> SoftState:
        return SoftState(self.leader, self.role)

    @property
    def quorum(self) -> int:
        return len(self.members) // 2 + 1

    def _hard_changed(self) -> bool:
        saved = self._saved_hard
        return self.term != saved.term or self.log.commit != saved.commit or self.vote != saved.vote

    def _soft_changed(self) -> bool:
        return self.role is not self._saved_soft.role or self.leader != self._saved_soft.leader

    # -- terms and elections (section 5.2) ----------------------------------------------------

    def _meet_newer_term(self, message: Message) -> bool:
        """A message from a later term: this member's own is over. False to ignore it."""
        in_lease = self.check_quorum and self.leader and self.election_elapsed < self.election_ticks
        if message.type in VOTE_REQUESTS and in_lease:
            return False  # there is a leader, and it was heard of just now (section 6, end)
        if message.type is MessageType.MsgPreVote:
            return True  # a question about a term that has not begun
        if message.type is MessageType.MsgPreVoteResp and not message.reject:
            return True  # and the answer
        self._become_follower(message.term, message.source if message.type in FROM_LEADER else "")
        return True

    def _answer_older_term(self, message: Message) -> None:
        """Tell a member that is behind (section 5.1). It must learn of the newer term, for with
        PreVote or CheckQuorum it could not get there by an election of its own."""
        if message.type in FROM_LEADER:
            self.send(MessageType.MsgAppResp, message.source)
        elif message.type is MessageType.MsgVote:
            self.send(MessageType.MsgVoteResp, message.source, reject=True)
        elif message.type is MessageType.MsgPreVote:
            self.send(MessageType.MsgPreVoteResp, message.source, reject=True)

    def _handle_vote_request(self, message: Message) -> None:
        log = self.log
        voter = Voter(self.term, self.vote, log.last_index, log.last_term)
        granted = self.rules.grant_vote(voter, message)
        if message.type is MessageType.MsgVote:
            if granted:
                self.vote = message.source
                self.election_elapsed = 0
            self.send(MessageType.MsgVoteResp, message.source, reject=not granted)
        else:
            term = message.term if granted else self.term
            self.send(MessageType.MsgPreVoteResp, message.source, term=term, reject=not granted)

    def _campaign_for_real(self) -> None:
        self.term += 1
        self.vote = self.name
        self._become(Role.CANDIDATE)
        self._ask_for_votes(MessageType.MsgVote, self.term)

    def _ask_for_votes(self, kind: MessageType, term: int) -> None:
        self.votes = {}
        last, log_term = self.log.last_index, self.log.last_term
        for member in self.members:
            if member != self.name:
                self.send(kind, member, term=term, index=last, log_term=log_term)
        self._count_vote(self.name, True)

    def _count_vote(self, member: str, granted: bool) -> None:
        self.votes.setdefault(member, granted)
        yes = sum(self.votes.values())
        if yes >= self.quorum:
            if self.role is Role.PRE_CANDIDATE:
                self._campaign_for_real()
            else:
                self._become(Role.LEADER)
                assert self.leadership is not None
                # so that older entries can be committed along with it (sections 5.4.2 and 8)
                self.leadership.append(b"")
        elif len(self.votes) - yes >= self.quorum:
            self._become_follower(self.term, "")

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

    # -- a follower's side (section 5.3) ------------------------------------------------------

    def _step_follower(self, message: Message) -> None:
        kind = message.type
        if kind in FROM_LEADER:
            self._hear_leader(message.source)
            if kind is MessageType.MsgApp:
                self._handle_append(message)
            elif kind is MessageType.MsgHeartbeat:
                self.log.commit_to(message.commit)
                context = message.context
                self.send(MessageType.MsgHeartbeatResp, message.source, context=context)
            else:
                self._handle_snapshot(message)
        elif kind is MessageType.MsgReadIndexResp:
            self.read_states.append(ReadState(message.index, message.context))
        elif (kind is MessageType.MsgVoteResp and self.role is Role.CANDIDATE) or (
            kind is MessageType.MsgPreVoteResp and self.role is Role.PRE_CANDIDATE
        ):
            self._count_vote(message.source, not message.reject)

    def _hear_leader(self, leader: str) -> None:
        if self.role is not Role.FOLLOWER:
            self._become_follower(self.term, leader)
        self.leader = leader
        self.election_elapsed = 0

    def _handle_append(self, message: Message) -> None:
        log = self.log
        if message.index < log.commit:  # an old one: all up to the commit index matches anyway
            self.send(MessageType.MsgAppResp, message.source, index=log.commit)
        elif self.rules.append_entries(log, message):
            last = message.index + len(message.entries)
            log.commit_to(min(message.commit, last))
            self.send(MessageType.MsgAppResp, message.source, index=last)
        else:
            hint = log.find_conflict_by_term(message.index, message.log_term)
            self.send(
                MessageType.MsgAppResp,
                message.source,
                reject=True,
                index=message.index,
                reject_hint=hint,
                log_term=log.term(hint),
            )

    def _handle_snapshot(self, message: Message) -> None:
        assert message.snapshot is not None
        snapshot, log = message.snapshot, self.log
        if snapshot.index > log.commit:
            if log.term(snapshot.index) == snapshot.term:
                log.commit_to(snapshot.index)  # it has all these entries: nothing to restore
            else:
                log.restore(snapshot)
                self._new_snapshot = snapshot
        self.send(MessageType.MsgAppResp, message.source, index=log.commit)

    def send(self, kind: MessageType, to: str, term: int | None = None, **fields: Any) -> None:
        """Put a message with the next `ready`."""
        term = self.term if term is None else term
        self.messages.append(Message(kind, to, self.name, term, **fields))

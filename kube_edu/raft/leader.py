"""What a member does while it leads (sections 5.3, 5.4, 6 and 8), and what it must know for it.

A new leader begins with a new `Leadership`, and forgets it with the office: this is Figure 2's
"volatile state on leaders: reinitialized after election".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kube_edu.raft.configuration import changed
from kube_edu.raft.messages import ConfChange, Entry, Message, MessageType
from kube_edu.raft.progress import Progress, ProgressState
from kube_edu.raft.readonly import PendingRead, ReadOnly, ReadState
from kube_edu.raft.rules import Leader

if TYPE_CHECKING:
    from kube_edu.raft.node import RaftNode


class Leadership:
    """One term in office of one member."""

    def __init__(self, node: RaftNode) -> None:
        self._node = node
        self._log = node.log
        self.progress: dict[str, Progress] = {}
        self.transferee = ""
        """Who shall lead instead; "" if nobody does."""

        self._others: list[str] = []
        self._pending_change = node.log.last_index  # an older entry may hold one
        self._reads = ReadOnly()
        self._early_reads: list[PendingRead] = []
        self._clock = 0  # ticks in office
        self._lease_end = 0  # in ticks; see `_holds_lease`
        self._lease_allowed = node.lease_reads
        self._follow_configuration()
        self.progress[node.name].match = node.log.stable

    def propose(self, data: bytes) -> bool:
        """A command for the log; not while another member is about to lead."""
        if not self.transferee:
            self.append(data)
        return not self.transferee

    def append(self, data: bytes = b"", change: ConfChange | None = None) -> None:
        """A new entry, for everyone."""
        self._log.append([Entry(self._node.term, self._log.last_index + 1, data, change)])
        self._broadcast_append()

    def written(self) -> None:
        """The leader's own disk is up to date: that counts for the majority too."""
        if self.progress[self._node.name].accepted(self._log.stable):
            self._commit()

    def tick(self) -> None:
        self._clock += 1
        self._broadcast_heartbeat(self._reads.last_context)

    def heard_of_majority(self) -> bool:
        """Whether a majority spoke since the last call (CheckQuorum). A leader that is cut off
        steps down, so that its clients look elsewhere (thesis, section 6.2)."""
        active = [self._node.name]
        for member in self._others:
            if self.progress[member].recent_active:
                active.append(member)
            self.progress[member].recent_active = False
        return self._node.conf.agreed(active)

    def step(self, message: Message) -> None:
        if message.type is MessageType.MsgTransferLeader:
            self.transfer(message.source)
            return
        progress = self.progress.get(message.source)
        if progress is None:
            return
        progress.recent_active = True
        if message.type is MessageType.MsgAppResp:
            self._handle_append_response(progress, message)
        elif message.type is MessageType.MsgHeartbeatResp:
            self._handle_heartbeat_response(progress, message)
        elif message.type is MessageType.MsgReadIndex:
            self.read(message.source, message.context)

    # -- replication (section 5.3) ------------------------------------------------------------

    def _handle_append_response(self, progress: Progress, message: Message) -> None:
        if message.reject:
            next_index = self._node.rules.next_index(self._log, message)
            if progress.rejected(message.index, next_index):
                self._send_append(message.source)
            return
        was_paused = progress.paused
        told = progress.accepted(message.index) and self._commit()
        if was_paused and not told:
            self._send_append(message.source)
        while progress.next <= self._log.last_index and self._send_append(message.source):
            pass
        if message.source == self.transferee:
            self._hand_over()

    def _handle_heartbeat_response(self, progress: Progress, message: Message) -> None:
        progress.probe_sent = False
        if progress.paused and progress.inflight:
            progress.inflight.popleft()  # its answer may be lost: make room for one
        if progress.match < self._log.last_index:
            self._send_append(message.source)
        conf = self._node.conf
        for read in self._reads.acknowledged(message.source, message.context, conf.agreed):
            self._lease_end = max(self._lease_end, read.asked + self._node.election_ticks - 1)
            self._answer(read)

    def _send_append(self, member: str) -> bool:
        """Send a member what it lacks, or just the commit index; False if it is not its turn."""
        progress, log = self.progress[member], self._log
        if progress.paused:
            return False
        previous = progress.next - 1
        if previous < log.first_index - 1:
            self._node.send(MessageType.MsgSnap, member, snapshot=log.snapshot)
            progress.become_snapshot(log.snapshot.index)
            return True
        entries = log.entries(progress.next, max_bytes=self._node.max_size_per_msg)
        self._node.send(
            MessageType.MsgApp,
            member,
            index=previous,
            log_term=log.term(previous),
            entries=tuple(entries),
            commit=log.commit,
        )
        progress.sent(previous + len(entries))
        return True

    def _broadcast_append(self) -> None:
        for member in self._others:
            self._send_append(member)

    def _broadcast_heartbeat(self, context: bytes) -> None:
        for member in self._others:
            # never past what the member is known to have: its log may differ from there on
            commit = min(self.progress[member].match, self._log.commit)
            self._node.send(MessageType.MsgHeartbeat, member, commit=commit, context=context)

    def report_snapshot(self, member: str, arrived: bool) -> None:
        """The driver's word on a MsgSnap that it was given to send."""
        progress = self.progress.get(member)
        if progress is not None and progress.state is ProgressState.SNAPSHOT:
            if not arrived:
                progress.pending_snapshot = 0
            progress.become_probe()
            progress.probe_sent = True  # until it answers a heartbeat

    # -- commitment (section 5.4.2) -----------------------------------------------------------

    def _commit(self) -> bool:
        """Move the commit index if the rule says so, and tell the others at once."""
        if not self._log.commit_to(min(map(self._committed_by, self._node.conf.halves))):
            return False
        self._broadcast_append()
        if self._early_reads and self._committed_in_this_term():
            reads, self._early_reads = self._early_reads, []
            for read in reads:
                self.read(read.source, read.context)
        return True

    def _committed_by(self, voters: Sequence[str]) -> int:
        """What is committed if these alone decide; in a joint configuration each half does."""
        node = self._node
        match = {voter: self.progress[voter].match for voter in voters}
        return node.rules.commit_index(Leader(node.term, self._log.commit, match, self._log))

    def _committed_in_this_term(self) -> bool:
        return self._log.term(self._log.commit) == self._node.term

    # -- linearizable reads (section 8) -------------------------------------------------------

    def read(self, source: str, context: bytes) -> None:
        read = PendingRead(source, self._log.commit, context, self._clock)
        if not self._committed_in_this_term():
            self._early_reads.append(read)  # it does not know yet what is committed
        elif self._node.conf.agreed([self._node.name]) or self._holds_lease:
            self._answer(read)
        else:
            self._reads.add(read, self._node.name)
            self._broadcast_heartbeat(context)

    @property
    def _holds_lease(self) -> bool:
        """Whether it is too early for anybody else to lead: a majority answered a question asked
        less than an election time-out ago, and votes for nobody until that is over (CheckQuorum).

        Only as right as the clocks: a leader that was frozen, or a follower that forgot in a crash
        whom it heard, break the promise (thesis, section 6.4.1). So leases are off by default.
        """
        return self._lease_allowed and self._clock < self._lease_end

    def _answer(self, read: PendingRead) -> None:
        if read.source == self._node.name:
            self._node.read_states.append(ReadState(read.index, read.context))
        else:
            self._node.send(
                MessageType.MsgReadIndexResp, read.source, index=read.index, context=read.context
            )

    # -- who is a member (section 6) ----------------------------------------------------------

    def propose_change(self, change: ConfChange) -> bool:
        """A change of the configuration for the log; False while another may be under way."""
        if self.transferee or self._pending_change > self._log.applied:
            return False
        changed(self._node.conf, change)  # or it is refused now
        self._pending_change = self._log.last_index + 1
        self.append(change=change)
        return True

    def leave_joint(self) -> None:
        """Propose the end of a joint configuration that ends by itself."""
        if self._node.conf.auto_leave and self._pending_change <= self._log.applied:
            self.propose_change(ConfChange())

    def reconfigure(self) -> None:
        """Another configuration is in force: fewer may be needed to commit, and new members need
        the log."""
        self._follow_configuration()
        if not self._commit():
            self._broadcast_append()

    def _follow_configuration(self) -> None:
        known, voting = self.progress, self._node.conf.voting
        self.progress = {}
        for member in self._node.conf.members:
            self.progress[member] = known.get(member) or Progress(
                self._node.max_inflight_msgs,
                next=self._log.last_index + 1,
                recent_active=bool(known),  # who comes later is given time to answer
            )
        self._others = [member for member in self.progress if member != self._node.name]
        self._lease_end = 0  # another majority counts
        if self.transferee not in voting:
            self.transferee = ""

    # -- another leader (thesis, section 3.10) ------------------------------------------------

    def transfer(self, member: str) -> bool:
        """Hand the office to a member that votes, once it has the whole log. Meanwhile there are
        no proposals, and after an election time-out it is called off."""
        if member == self._node.name or member not in self._node.conf.voting:
            return False
        self.transferee = member
        self._lease_allowed = False  # who is told to stand does not wait until it is over
        self._node.election_elapsed = 0
        if not self._hand_over():
            self._send_append(member)
        return True

    def _hand_over(self) -> bool:
        complete = self.progress[self.transferee].match == self._log.last_index
        if complete:
            self._node.send(MessageType.MsgTimeoutNow, self.transferee)
        return complete

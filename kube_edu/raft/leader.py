"""What a member does while it leads (sections 5.3, 5.4 and 8), and what it must know for it.

A new leader begins with a new `Leadership`, and forgets it with the office: this is Figure 2's
"volatile state on leaders: reinitialized after election".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube_edu.raft.messages import Entry, Message, MessageType
from kube_edu.raft.progress import Progress, ProgressState
from kube_edu.raft.readonly import PendingRead, ReadOnly, ReadState
from kube_edu.raft.rules import Leader

if TYPE_CHECKING:
    from kube_edu.raft.node import RaftNode

MAX_MESSAGE_BYTES = 512 * 1024
"""Entries in one append message (etcd: maxSizePerMsg), but always at least one."""


class Leadership:
    """One term in office of one member."""

    def __init__(self, node: RaftNode) -> None:
        self._node = node
        self._log = node.log
        next_index = node.log.last_index + 1
        self.progress = {member: Progress(next=next_index) for member in node.members}
        self.progress[node.name].match = node.log.stable
        self._others = [member for member in node.members if member != node.name]
        self._reads = ReadOnly()
        self._early_reads: list[PendingRead] = []
        self._heartbeat_elapsed = 0

    def append(self, data: bytes) -> None:
        """A new entry, for everyone."""
        self._log.append([Entry(self._node.term, self._log.last_index + 1, data)])
        self._broadcast_append()

    def written(self) -> None:
        """The leader's own disk is up to date: that counts for the majority too."""
        if self.progress[self._node.name].accepted(self._log.stable):
            self._commit()

    def tick(self) -> None:
        self._heartbeat_elapsed += 1
        if self._heartbeat_elapsed >= self._node.heartbeat_ticks:
            self._heartbeat_elapsed = 0
            self._broadcast_heartbeat(self._reads.last_context)

    def heard_of_majority(self) -> bool:
        """Whether a majority spoke since the last call (CheckQuorum). A leader that is cut off
        steps down, so that its clients look elsewhere (thesis, section 6.2)."""
        active = 1
        for member in self._others:
            active += self.progress[member].recent_active
            self.progress[member].recent_active = False
        return active >= self._node.quorum

    def step(self, message: Message) -> None:
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
            # skip the entries of terms that the follower cannot have (end of section 5.3)
            hint = self._log.find_conflict_by_term(message.reject_hint, message.log_term)
            if progress.rejected(message.index, hint):
                self._send_append(message.source)
            return
        was_paused = progress.paused
        told = progress.accepted(message.index) and self._commit()
        if was_paused and not told:
            self._send_append(message.source)
        while progress.next <= self._log.last_index and self._send_append(message.source):
            pass

    def _handle_heartbeat_response(self, progress: Progress, message: Message) -> None:
        progress.probe_sent = False
        if progress.paused and progress.inflight:
            progress.inflight.popleft()  # its answer may be lost: make room for one
        if progress.match < self._log.last_index:
            self._send_append(message.source)
        for read in self._reads.acknowledged(message.source, message.context, self._node.quorum):
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
        entries = log.entries(progress.next, max_bytes=MAX_MESSAGE_BYTES)
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
        progress = self.progress[member]
        if progress.state is ProgressState.SNAPSHOT:
            if not arrived:
                progress.pending_snapshot = 0
            progress.become_probe()
            progress.probe_sent = True  # until it answers a heartbeat

    # -- commitment (section 5.4.2) -----------------------------------------------------------

    def _commit(self) -> bool:
        """Move the commit index if the rule says so, and tell the others at once."""
        node = self._node
        match = {member: progress.match for member, progress in self.progress.items()}
        index = node.rules.commit_index(Leader(node.term, self._log.commit, match, self._log))
        if not self._log.commit_to(index):
            return False
        self._broadcast_append()
        if self._early_reads and self._committed_in_this_term():
            reads, self._early_reads = self._early_reads, []
            for read in reads:
                self.read(read.source, read.context)
        return True

    def _committed_in_this_term(self) -> bool:
        return self._log.term(self._log.commit) == self._node.term

    # -- linearizable reads (section 8) -------------------------------------------------------

    def read(self, source: str, context: bytes) -> None:
        read = PendingRead(source, self._log.commit, context)
        if not self._committed_in_this_term():
            self._early_reads.append(read)  # it does not know yet what is committed
        elif self._node.quorum == 1:
            self._answer(read)
        else:
            self._reads.add(read, self._node.name)
            self._broadcast_heartbeat(context)

    def _answer(self, read: PendingRead) -> None:
        if read.source == self._node.name:
            self._node.read_states.append(ReadState(read.index, read.context))
        else:
            self._node.send(
                MessageType.MsgReadIndexResp, read.source, index=read.index, context=read.context
            )

"""What a leader knows of each member's log (etcd raft: tracker/progress.go)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum


class ProgressState(Enum):
    PROBE = "probe"  # looking for where the logs agree: one message at a time
    REPLICATE = "replicate"  # they agree: send as entries come, without waiting
    SNAPSHOT = "snapshot"  # a snapshot is on its way: wait for it to arrive


@dataclass(slots=True)
class Progress:
    """`match` is the last entry known to be the same there, `next` the next one to send (the
    paper's matchIndex and nextIndex)."""

    max_inflight: int
    match: int = 0
    next: int = 1
    state: ProgressState = ProgressState.PROBE
    recent_active: bool = False
    """Heard of since the last quorum check."""

    probe_sent: bool = False
    pending_snapshot: int = 0
    inflight: deque[int] = field(default_factory=deque)
    """The last index of each append message that is not answered yet."""

    @property
    def paused(self) -> bool:
        if self.state is ProgressState.PROBE:
            return self.probe_sent
        if self.state is ProgressState.REPLICATE:
            return len(self.inflight) >= self.max_inflight
        return True

    def become_probe(self) -> None:
        self.next = max(self.match, self.pending_snapshot) + 1
        self._become(ProgressState.PROBE)

    def become_replicate(self) -> None:
        self.next = self.match + 1
        self._become(ProgressState.REPLICATE)

    def become_snapshot(self, index: int) -> None:
        self._become(ProgressState.SNAPSHOT)
        self.pending_snapshot = index

    def _become(self, state: ProgressState) -> None:
        self.state = state
        self.probe_sent = False
        self.pending_snapshot = 0
        self.inflight.clear()

    def sent(self, last: int) -> None:
        """An append message that ends with this index has left."""
        if self.state is ProgressState.REPLICATE:
            if last >= self.next:
                self.next = last + 1
                self.inflight.append(last)
        else:
            self.probe_sent = True

    def accepted(self, index: int) -> bool:
        """The member has everything up to here; False if that was known."""
        while self.inflight and self.inflight[0] <= index:
            self.inflight.popleft()
        if index < self.match:
            return False
        advanced = index > self.match
        self.match = index
        self.next = max(self.next, index + 1)
        if self.state is ProgressState.PROBE or (
            self.state is ProgressState.SNAPSHOT and index >= self.pending_snapshot
        ):
            self.become_replicate()
        return advanced

    def rejected(self, index: int, next_index: int) -> bool:
        """The member lacks the entry `index` that an append built on; `next_index` is the one to
        send next. False if there is no use in that: the answer is an old one, or the member has
        lost what it once had, and would say so again (after the next heartbeat it may)."""
        if index <= self.match:
            return False
        if self.state is ProgressState.REPLICATE:
            self.become_probe()
            return True
        if self.next - 1 != index:
            return False
        self.next = max(min(index, next_index), self.match + 1)
        self.probe_sent = False
        return True

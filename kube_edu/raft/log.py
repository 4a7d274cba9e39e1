"""The replicated log of one member (section 5.3), with its beginning cut off (section 7)."""

from __future__ import annotations

from collections.abc import Sequence

from kube_edu.raft.messages import Entry, Snapshot


class SafetyError(Exception):
    """A member was about to break one of Raft's promises; it stops instead."""


class Log:
    """Entries from `first_index` on; what came before them is in the snapshot.

        snapshot.index   applied   commit              last_index
              |             |         |                    |
        ......[-------------+---------+-------+------------]
                                           stable: on disk up to here

    `commit` may be ahead of `stable`: a majority without this member is enough.
    """

    def __init__(self, entries: Sequence[Entry] = (), snapshot: Snapshot | None = None) -> None:
        self.snapshot = snapshot or Snapshot()
        self.commit = self.snapshot.index
        self.applied = self.snapshot.index
        self._entries = [entry for entry in entries if entry.index > self.snapshot.index]
        self.first_index = self.snapshot.index + 1  # of the oldest entry that is still here
        self._term_before = self.snapshot.term  # of the entry before that
        self.stable = self.last_index

    @property
    def last_index(self) -> int:
        return self.first_index + len(self._entries) - 1

    @property
    def last_term(self) -> int:
        return self.term(self.last_index)

    def term(self, index: int) -> int:
        """The term of an entry; 0 for one that this log does not have (or no longer)."""
        position = index - self.first_index
        if 0 <= position < len(self._entries):
            return self._entries[position].term
        return self._term_before if position == -1 else 0

    def entries(self, first: int, last: int | None = None, max_bytes: int = 0) -> list[Entry]:
        """Entries `first` to `last`, both included; with `max_bytes`, only as many from the front
        as fit into that, but at least one."""
        start = max(first - self.first_index, 0)
        end = len(self._entries) if last is None else last + 1 - self.first_index
        found = self._entries[start:end]
        if max_bytes:
            size = 0
            for count, entry in enumerate(found):
                size += len(entry.data)
                if size > max_bytes and count > 0:
                    return found[:count]
        return found

    def append(self, entries: Sequence[Entry]) -> None:
        """Put entries behind their predecessor; whatever was in their place goes."""
        if not entries:
            return
        first = entries[0].index
        if first <= self.commit:
            raise SafetyError(f"entry {first} is committed and must not change")
        if first > self.last_index + 1:
            raise SafetyError(f"entry {first} would leave a gap behind {self.last_index}")
        del self._entries[first - self.first_index :]
        self._entries.extend(entries)
        self.stable = min(self.stable, first - 1)

    def commit_to(self, index: int) -> bool:
        """Move the commit index forward; False if it is there already."""
        if index <= self.commit:
            return False
        if index > self.last_index:
            raise SafetyError(f"commit {index} is past the last entry {self.last_index}")
        self.commit = index
        return True

    def stable_to(self, last: Entry) -> None:
        """Entries up to this one are on disk, unless they were replaced in the meantime."""
        if self.term(last.index) == last.term:
            self.stable = max(self.stable, last.index)

    def applied_to(self, index: int) -> None:
        """The state machine has everything up to here."""
        self.applied = max(self.applied, index)

    def find_conflict_by_term(self, index: int, term: int) -> int:
        """The last index, from `index` down, whose entry has at most this term: where two logs
        may agree at the latest, if one has `term` at `index` (the fast back-up at the end of
        section 5.3)."""
        index = min(index, self.last_index)
        while index >= self.first_index and self.term(index) > term:
            index -= 1
        return index

    def compact(self, snapshot: Snapshot, keep: int) -> None:
        """The snapshot stands for the entries up to its index; of these, keep the last few, for
        members that are only a little behind."""
        self.snapshot = snapshot
        offset = max(snapshot.index - keep + 1, self.first_index)
        self._term_before = self.term(offset - 1)
        del self._entries[: offset - self.first_index]
        self.first_index = offset

    def restore(self, snapshot: Snapshot) -> None:
        """Begin anew from another member's snapshot."""
        self.snapshot = snapshot
        self._entries = []
        self.first_index, self._term_before = snapshot.index + 1, snapshot.term
        self.commit = self.stable = snapshot.index

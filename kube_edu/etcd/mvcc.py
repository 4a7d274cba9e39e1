"""The keys of the store, in every revision that is kept (etcd: server/mvcc).

Each change of the store has a number, its revision; a transaction's changes share one. The store
begins at revision 1, and nothing but a write moves it. Reads of the present and of the past work
alike, down to the revision that was last compacted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from operator import attrgetter
from typing import Any

from sortedcontainers import SortedDict

from kube_edu.etcd import errors
from kube_edu.etcd import messages as rpc

FROM_KEY = b"\0"
"""As `range_end`: all keys from `key` on."""

SORT_KEYS = {
    rpc.SortTarget.KEY: attrgetter("key"),
    rpc.SortTarget.VERSION: attrgetter("version"),
    rpc.SortTarget.CREATE: attrgetter("create_revision"),
    rpc.SortTarget.MOD: attrgetter("mod_revision"),
    rpc.SortTarget.VALUE: attrgetter("value"),
}


class Store:
    """Ordered keys, each with its versions.

    Changes are made between reads, and `commit` gives them their revision:

        store.put(PutRequest(b"a", b"1")); store.commit()
    """

    def __init__(self) -> None:
        self.revision = 1
        self.compact_revision = -1  # so that one at 0 is the first, as in etcd
        self._current = SortedDict()  # from a key to its KeyValue
        self._versions = SortedDict()  # to all of them, oldest first; a deletion has version 0
        self._changes: list[tuple[rpc.Event, ...]] = []  # one a revision, with the previous values
        self._first_change = 2  # the revision of _changes[0]
        self._pending: list[rpc.Event] = []

    # -- reads --------------------------------------------------------------------------------

    def range(self, request: rpc.RangeRequest) -> rpc.RangeResponse:
        """Keys and values; raises EtcdError for a revision that is gone or yet to come.

        `count` is of all keys in the interval, whatever the limit and the filters.
        """
        self.check_revision(request.revision)
        limit, count = request.limit, 0
        whole = needs_all(request)
        found: list[rpc.KeyValue] = []
        if request.revision <= 0 or (request.revision == self.revision and not self._pending):
            keys = self.keys(request.key, request.range_end)
            count = len(keys)
            if limit > 0 and not whole:
                keys = keys[: limit + 1]
            if not request.count_only:
                found = [self._current[key] for key in keys]
        else:
            found = list(self._range_at(request.key, request.range_end, request.revision))
            count = len(found)
        if request.count_only:
            return rpc.RangeResponse(count=count)
        if whole:
            found = arrange(found, request)
        more = 0 < limit < len(found)
        if more:
            found = found[:limit]
        if request.keys_only:
            found = [replace(kv, value=b"") for kv in found]
        return rpc.RangeResponse(kvs=tuple(found), more=more, count=count)

    def get(self, key: bytes) -> rpc.KeyValue | None:
        """A key as it is now."""
        found: rpc.KeyValue | None = self._current.get(key)
        return found

    def keys(self, key: bytes, range_end: bytes) -> list[bytes]:
        """The keys of an interval that exist now, in order."""
        if not range_end:
            return [key] if key in self._current else []
        return interval(self._current, key, range_end)

    def check_revision(self, revision: int) -> None:
        if revision > self.revision:
            raise errors.future_revision()
        if 0 < revision < self.compact_revision:
            raise errors.compacted()

    def changes(self, revision: int) -> Iterator[tuple[rpc.Event, ...]]:
        """The events of every revision from this one on, which must not be compacted."""
        for position in range(max(revision - self._first_change, 0), len(self._changes)):
            yield self._changes[position]

    def _range_at(self, key: bytes, range_end: bytes, revision: int) -> Iterator[rpc.KeyValue]:
        keys = interval(self._versions, key, range_end) if range_end else [key]
        for each in keys:
            versions = self._versions.get(each, [])
            position = bisect_right(versions, revision, key=attrgetter("mod_revision"))
            if position and versions[position - 1].version:
                yield versions[position - 1]

    # -- writes -------------------------------------------------------------------------------

    def put(self, request: rpc.PutRequest) -> rpc.PutResponse:
        """Set a key. The checks of `check_put` come first."""
        key, previous = request.key, self._current.get(request.key)
        value, lease = request.value, request.lease
        if previous is not None:
            value = previous.value if request.ignore_value else value
            lease = previous.lease if request.ignore_lease else lease
        revision = self.revision + 1
        created = previous.create_revision if previous else revision
        version = previous.version + 1 if previous else 1
        kv = rpc.KeyValue(key, created, revision, version, value, lease)
        self._current[key] = kv
        self._record(kv, rpc.Event(rpc.EventType.PUT, kv, previous))
        return rpc.PutResponse(prev_kv=previous if request.prev_kv else None)

    def check_put(self, request: rpc.PutRequest) -> None:
        """A put that keeps the value or lease needs a key that has one."""
        if (request.ignore_value or request.ignore_lease) and request.key not in self._current:
            raise errors.key_not_found()

    def delete(self, keys: Iterable[bytes]) -> list[rpc.KeyValue]:
        """Delete those of these keys that exist, and return what they were."""
        deleted = []
        for key in keys:
            previous = self._current.pop(key, None)
            if previous is None:
                continue
            tombstone = rpc.KeyValue(key, mod_revision=self.revision + 1)
            self._record(tombstone, rpc.Event(rpc.EventType.DELETE, tombstone, previous))
            deleted.append(previous)
        return deleted

    def commit(self) -> tuple[rpc.Event, ...]:
        """End of a request: its changes, if any, become the next revision. Returns them."""
        events = tuple(self._pending)
        if events:
            self.revision += 1
            self._changes.append(events)
            self._pending.clear()
        return events

    def _record(self, kv: rpc.KeyValue, event: rpc.Event) -> None:
        self._versions.setdefault(kv.key, []).append(kv)
        self._pending.append(event)

    # -- compaction and snapshots -------------------------------------------------------------

    def compact(self, revision: int) -> None:
        """Forget what nobody can see who reads at this revision or later."""
        if revision <= self.compact_revision:
            raise errors.compacted()
        if revision > self.revision:
            raise errors.future_revision()
        self.compact_revision = revision
        past = self._changes[: max(revision - self._first_change + 1, 0)]
        for key in dict.fromkeys(event.kv.key for events in past for event in events):
            versions = self._versions[key]
            keep = bisect_right(versions, revision, key=attrgetter("mod_revision")) - 1
            if not versions[keep].version and versions[keep].mod_revision < revision:
                keep += 1  # what was visible then is a deletion: gone altogether
            del versions[:keep]
            if not versions:
                del self._versions[key]
        if past:
            # the events of `revision` itself may still be watched, but no longer what was before
            last = tuple(replace(event, prev_kv=None) for event in past[-1])
            self._changes[: len(past)] = [last]
            self._first_change = revision

    def versions(self) -> list[rpc.KeyValue]:
        """Every version that is kept, those that make up the changes in their order: all that a
        snapshot needs."""
        first = self._first_change
        old = [kv for kvs in self._versions.values() for kv in kvs if kv.mod_revision < first]
        return old + [event.kv for events in self._changes for event in events]

    @classmethod
    def restore(cls, revision: int, compacted: int, versions: Iterable[rpc.KeyValue]) -> Store:
        """The store that had these versions."""
        store = cls()
        store.revision, store.compact_revision = revision, compacted
        store._first_change = max(compacted, 2)
        changes: list[list[rpc.Event]] = [[] for _ in range(store._first_change, revision + 1)]
        for kv in versions:
            previous = store._current.get(kv.key) if kv.mod_revision > compacted else None
            if kv.version:
                store._current[kv.key] = kv
            else:
                store._current.pop(kv.key, None)
            store._versions.setdefault(kv.key, []).append(kv)
            if kv.mod_revision >= store._first_change:
                kind = rpc.EventType.PUT if kv.version else rpc.EventType.DELETE
                changes[kv.mod_revision - store._first_change].append(rpc.Event(kind, kv, previous))
        store._changes = [tuple(events) for events in changes]
        return store


def interval(keys: Any, key: bytes, range_end: bytes) -> list[bytes]:
    """The keys of a SortedDict that lie in [key, range_end)."""
    end = None if range_end == FROM_KEY else range_end
    return list(keys.irange(key, end, inclusive=(True, False)))


def needs_all(request: rpc.RangeRequest) -> bool:
    """Whether the limit can only be applied after sorting and filtering."""
    return bool(
        request.sort_order is not rpc.SortOrder.NONE
        or request.sort_target is not rpc.SortTarget.KEY
        or request.min_mod_revision
        or request.max_mod_revision
        or request.min_create_revision
        or request.max_create_revision
    )


def arrange(kvs: list[rpc.KeyValue], request: rpc.RangeRequest) -> list[rpc.KeyValue]:
    """Filter and sort (etcd: server/etcdserver/apply.go, Range)."""
    min_mod, max_mod = request.min_mod_revision, request.max_mod_revision
    min_create, max_create = request.min_create_revision, request.max_create_revision
    kept = [
        kv
        for kv in kvs
        if kv.mod_revision >= min_mod
        and (not max_mod or kv.mod_revision <= max_mod)
        and kv.create_revision >= min_create
        and (not max_create or kv.create_revision <= max_create)
    ]
    descend = request.sort_order is rpc.SortOrder.DESCEND
    return sorted(kept, key=SORT_KEYS[request.sort_target], reverse=descend)

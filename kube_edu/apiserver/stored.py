"""Objects and changes as the API server keeps them: as JSON, and decoded on demand.

A pod of 3 KiB takes 22 KiB as Python objects, so what is held for long is held as the bytes that
etcd has (they are the very same bytes where the store is in this process). The resourceVersion is
the revision at which the key was last written; it is not stored, but put in on reading
(apiserver, pkg/storage/etcd3/store.go and pkg/storage/cacher/caching_object.go).
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from kube_edu.api.meta import Object
from kube_edu.etcd.messages import KeyValue
from kube_edu.host import Document

KEEP_DECODED = 1000
"""Objects that were decoded lately stay so: all who ask share one."""

_METADATA = b'"metadata":{'


class Stored(Document):
    """One state of one object."""

    __slots__ = ("_decoder", "_object", "key", "revision", "value")

    def __init__(self, key: str, value: bytes, revision: int, decoder: Decoder) -> None:
        self.key = key
        self.value = value
        self.revision = revision
        self._decoder = decoder
        self._object: Object | None = None

    def decoded(self) -> Object:
        """The object, shared by all who ask: never change it."""
        if self._object is None:
            self._object = with_revision(json.loads(self.value), self.revision)
            self._decoder.keep(self)
        return self._object

    def encoded(self) -> bytes:
        start = self.value.find(_METADATA) + len(_METADATA)
        if self.value.count(b"{", 0, start) != 2:  # written by another hand, in another order
            return to_json(self.decoded())
        rest = self.value[start:]
        comma = b"" if rest.startswith(b"}") else b","
        version = b'"resourceVersion":"%d"' % self.revision
        return b"".join((self.value[:start], version, comma, rest))

    def at(self, revision: int) -> Stored:
        """The same, with the revision of its deletion."""
        return Stored(self.key, self.value, revision, self._decoder)

    def forget(self) -> None:
        self._object = None


class Decoder:
    """Remembers which objects are decoded, and lets the oldest of them go."""

    def __init__(self) -> None:
        self._kept: deque[Stored] = deque()

    def stored(self, kv: KeyValue) -> Stored:
        return Stored(kv.key.decode(), kv.value, kv.mod_revision, self)

    def keep(self, stored: Stored) -> None:
        self._kept.append(stored)
        if len(self._kept) > KEEP_DECODED:
            self._kept.popleft().forget()


class StoredList(Document):
    """A list of objects, which are encoded as they are."""

    def __init__(self, head: Object, items: Sequence[Stored]) -> None:
        self._head = head
        self.items = items

    @property
    def metadata(self) -> Object:
        meta: Object = self._head["metadata"]
        return meta

    def decoded(self) -> Object:
        return {**self._head, "items": [item.decoded() for item in self.items]}

    def encoded(self) -> bytes:
        head = to_json(self._head)[:-1]
        return head + b',"items":[' + b",".join([item.encoded() for item in self.items]) + b"]}\n"


class Event(Document):
    """One event of a watch, encoded once for all who get it."""

    def __init__(self, type: str, stored: Stored) -> None:
        self.type = type
        self.stored = stored

    @cached_property
    def reference(self) -> str:
        """How the trace names the object, without its resource: "default/web-1", "/node-1"."""
        namespace, _, name = self.stored.key.split("/", 3)[3].rpartition("/")
        return f"{namespace}/{name}"

    def decoded(self) -> Object:
        return {"type": self.type, "object": self.stored.decoded()}

    def encoded(self) -> bytes:
        return self._encoded

    @cached_property
    def _encoded(self) -> bytes:
        return b'{"type":"%b","object":%b}\n' % (self.type.encode(), self.stored.encoded())


class Change:
    """One change of one key: what stands there now, and what stood there before."""

    def __init__(self, key: str, revision: int, now: Stored | None, before: Stored | None) -> None:
        self.key = key
        self.revision = revision
        self.now = now
        self.before = before
        self._events: dict[str, Event] = {}

    def event(self, type: str) -> Event:
        """This change as an event, the same one for everybody. DELETED shows the last state, with
        the revision of this change."""
        event = self._events.get(type)
        if event is None:
            stored = self.now
            if type == "DELETED" or stored is None:
                assert self.before is not None
                stored = self.before.at(self.revision)
            event = self._events[type] = Event(type, stored)
        return event


def encode(obj: Object) -> bytes:
    """What is stored. The metadata come first, where the revision is put in on reading."""
    meta = {k: v for k, v in obj.get("metadata", {}).items() if k != "resourceVersion"}
    whole: Object = {k: obj[k] for k in ("kind", "apiVersion") if k in obj}
    whole["metadata"] = meta
    return to_json(whole | {k: v for k, v in obj.items() if k != "metadata"})


def with_revision(obj: Object, revision: int) -> Object:
    meta = {**obj.get("metadata", {}), "resourceVersion": str(revision)}
    return {**obj, "metadata": meta}


def revision_of(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])


def to_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()

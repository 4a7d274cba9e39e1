"""Every watcher hears of what its selectors select, however watchers and changes are filed; and a
list of any revision that the ring reaches is what stood there."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from itertools import pairwise
from random import Random

import pytest

from kube_edu.api.meta import Object
from kube_edu.api.selectors import FieldSelector, LabelSelector
from kube_edu.apiserver.selection import Selection
from kube_edu.apiserver.storage import Storage
from kube_edu.apiserver.stored import Change, Decoder
from kube_edu.apiserver.watchcache import WatchCache
from kube_edu.apiserver.watchers import Audience, Watcher
from kube_edu.etcd.messages import DeleteRangeRequest, KeyValue, PutRequest
from tests.apiserver.fakes import LocalEtcd, pod

PREFIX = "/registry/pods/"
SCOPES = [PREFIX, f"{PREFIX}default/", f"{PREFIX}other/"]
LABELS = ["", "app=a", "app!=a", "app in (a,b)"]
FIELDS = ["", "spec.nodeName=n1", "metadata.name=web-1", "spec.nodeName!=n1",
          "metadata.name=web-2,spec.nodeName=n2", "status.phase=Running"]  # fmt: skip
SELECTIONS = [
    Selection(scope, LabelSelector.parse(labels), FieldSelector.parse(fields))
    for scope in SCOPES
    for labels in LABELS
    for fields in FIELDS
]

State = dict[str, Object]
Told = list[tuple[str, str, int]]
"""Type, key and revision of events."""


def random_pod(random: Random, key: str) -> Object:
    _, _, _, namespace, name = key.split("/")
    obj = pod(name, nodeName=random.choice(["n1", "n2"]))
    obj["metadata"] |= {"namespace": namespace, "labels": {"app": random.choice("abc")}}
    obj["status"] = {"phase": random.choice(["Pending", "Running"])}
    return obj


def selected(selection: Selection, key: str, obj: Object | None) -> bool:
    if obj is None or not key.startswith(selection.prefix):
        return False
    return selection.labels.matches(obj["metadata"]["labels"]) and selection.fields.matches(obj)


def expected(selection: Selection, states: list[State], first: int) -> Told:
    """What a watcher hears, by comparing each state with the one before."""
    told: Told = []
    for number, (before, after) in enumerate(pairwise(states)):
        for key in sorted({*before, *after}):
            old, new = before.get(key), after.get(key)
            was, now = selected(selection, key, old), selected(selection, key, new)
            if old is not new and (was or now):
                type = "DELETED" if not now else "MODIFIED" if was else "ADDED"
                told.append((type, key, first + number))
    return told


def heard(watcher: Watcher) -> Told:
    return [(event.type, event.stored.key, event.stored.revision) for event in watcher.take(1000)]


@pytest.mark.parametrize("seed", range(1, 9))
def test_watchers_and_lists_see_what_a_look_at_everything_would_show(seed: int) -> None:
    random = Random(seed)
    keys = [f"{PREFIX}{ns}/web-{n}" for ns in ("default", "other") for n in range(4)]

    async def main() -> None:
        etcd = LocalEtcd()
        cache = WatchCache(Storage(etcd), PREFIX)  # type: ignore[arg-type]
        following = asyncio.create_task(cache.run())
        await cache.ready.wait()
        states: list[State] = [{}]
        first = etcd.revision + 1
        early = [cache.watch(selection, etcd.revision, initial=[]) for selection in SELECTIONS]
        for _ in range(120):
            key = random.choice(keys)
            state = dict(states[-1])
            if random.random() < 0.3 and state.pop(key, None) is not None:
                etcd.state.apply(DeleteRangeRequest(key.encode()))
            else:
                state[key] = random_pod(random, key)
                etcd.state.apply(PutRequest(key.encode(), json.dumps(state[key]).encode()))
            states.append(state)
        assert await cache.reach(etcd.revision)

        for selection, watcher in zip(SELECTIONS, early, strict=True):
            assert heard(watcher) == expected(selection, states, first)
            since = random.randrange(len(states))
            late = cache.watch(selection, first - 1 + since, initial=[])
            assert heard(late) == expected(selection, states[since:], first + since)
            for number in (since, len(states) - 1):
                found = cache.select(selection, revision=first - 1 + number)
                state = states[number]
                wanted = [key for key in sorted(state) if selected(selection, key, state[key])]
                assert [stored.key for stored in found.items] == wanted
            late.stop()
            watcher.stop()
        following.cancel()

    asyncio.run(main())


def test_what_everybody_has_read_is_held_by_nobody() -> None:
    async def main() -> None:
        audience = Audience(PREFIX)
        everything = Selection(PREFIX, LabelSelector(), FieldSelector())
        quick, slow = (audience.join(everything, 0, [], []) for _ in range(2))
        told = []
        for revision in range(1, 10):
            kv = KeyValue(f"{PREFIX}default/web".encode(), 1, revision, revision, b"{}")
            change = Change(kv.key.decode(), revision, Decoder().stored(kv), None)
            audience.tell(change)
            told.append(weakref.ref(change.event("ADDED")))
        del change
        assert len(quick.take(1000)) == 9
        assert all(event() is not None for event in told)
        assert len(slow.take(8)) == 8
        gc.collect()
        assert [event() is not None for event in told[:7]] == [False] * 7
        assert [event.stored.revision for event in slow.take(1000)] == [9]

    asyncio.run(main())

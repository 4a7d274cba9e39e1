"""A student's watch cache inside the API server: lists and watches of ConfigMaps come from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_edu import Cluster
from kube_edu.api.status import ApiError
from kube_edu.apiserver.selection import Selection
from kube_edu.apiserver.storage import Storage
from kube_edu.apiserver.stored import Change, Stored
from kube_edu.apiserver.watchcache import Found, WatchCache
from kube_edu.apiserver.watchers import Audience, Watcher
from kube_edu.classroom.apiserver.onlookers import Onlookers
from kube_edu.classroom.apiserver.requests import PATH, Api, configmap
from kube_edu.classroom.guard import untouched

CONFIGMAPS = "/registry/configmaps/"


def cached_by(answer: Callable[..., Any], size: int = 100) -> dict[str, Any]:
    """Roles for a Cluster whose API server serves ConfigMaps from a cache of this class, which
    keeps `size` changes. Nothing is replaced by a stub."""
    if untouched(answer):
        return {}

    def watch_cache(storage: Storage, prefix: str) -> WatchCache:
        if prefix != CONFIGMAPS:
            return WatchCache(storage, prefix)
        return Another(storage, prefix, lambda found, at: answer(found, at, size))

    return {"apiserver.watch_cache": watch_cache}


class Another(WatchCache):
    """Ours follows the store; what is shown of it comes from a cache that is made of a state and
    its version."""

    def __init__(self, storage: Storage, prefix: str, made: Callable[..., Any]) -> None:
        super().__init__(storage, prefix)
        self._prefix = prefix
        self._made = made
        self._watching: list[Watcher] = []

    def begin(self, found: list[Stored], revision: int) -> None:
        super().begin(found, revision)
        for watcher in self._watching:
            watcher.stop()
        self._watching = []
        self._cache = self._made({stored.key: stored for stored in found}, revision)

    def learn(self, change: Change) -> None:
        super().learn(change)
        self._cache.apply(change)

    def holds(self, revision: int) -> bool:
        try:
            return self.ready.is_set() and self._cache.list(revision) is not None
        except ApiError:
            return False

    def select(
        self, selection: Selection, *, start: str = "", limit: int = 0, revision: int = 0
    ) -> Found:
        revision = revision or self.revision
        objects = self._cache.list(revision)
        first = start or selection.prefix
        keys = sorted(key for key in objects if first <= key < selection.end)
        items: list[Stored] = []
        for position, key in enumerate(keys):
            if limit and len(items) == limit:
                return Found(items, revision, key, len(keys) - position)
            if selection.matches(objects[key]):
                items.append(objects[key])
        return Found(items, revision)

    def watch(self, selection: Selection, since: int, *, initial: list[Stored]) -> Watcher:
        self.check_ready()
        audience = Audience(self._prefix)
        watcher = audience.join(selection, since, initial, ())
        self._cache.watch(Told(audience, watcher), since)
        self._watching.append(watcher)
        return watcher


class Told:
    """A watcher as the student's cache knows it. It gets every change; its client those of them
    that it has selected."""

    def __init__(self, audience: Audience, watcher: Watcher) -> None:
        self._watcher = watcher
        self.put = audience.tell
        self.stop = watcher.stop

    @property
    def full(self) -> bool:
        return self._watcher.stopped  # for our audience stops who is too slow


def live(answer: Callable[..., Any]) -> str:
    """What goes wrong in a running cluster, or nothing."""
    try:
        return _seen_through(cached_by(answer, size=5))
    except Exception as error:  # the student's own, out of the API server
        return f"in a running API server it came to {type(error).__name__}: {error}"


def _seen_through(roles: dict[str, Any]) -> str:
    cluster = Cluster(nodes=0, etcd_members=1, seed=7, roles=roles)
    onlookers = Onlookers(cluster, "ann", "bob")
    api = Api(cluster)
    first = api("POST", PATH, configmap("red")).version
    api("POST", PATH, configmap("blue"))
    api("DELETE", f"{PATH}/red")
    cluster.run_for(1)
    exact = f"{PATH}?resourceVersion={first}&resourceVersionMatch=Exact"
    if "red" not in api("GET", exact).names:
        return "in a running cluster a list at an older version does not show what was there then."
    cluster.partition(["ann"], ["control-1"])
    for number in range(8):
        api("POST", PATH, configmap(f"green-{number}"))
    cluster.run_for(40)
    cluster.heal()
    cluster.run_for(40)
    there = sorted(each["metadata"]["name"] for each in cluster.objects("configmaps", "default"))
    for who in ("bob", "ann"):
        if onlookers.sees(who) != there:
            return (
                f"in a running cluster {who}'s informer has {', '.join(onlookers.sees(who))}, and "
                f"there are {', '.join(there)}."
            )
    return ""

"""Answers to lab 06: wrong watch caches, each with the reason to give, and right ones."""

from collections import deque

from kube_edu.api.status import too_old_resource_version


class Base:
    """A right one; the wrong ones go wrong in one of its parts."""

    def __init__(self, objects, version, size):
        self.objects = dict(objects)
        self.oldest = version
        self.size = size
        self.changes = deque()
        self.watchers = []

    def apply(self, change):
        self.keep(change)
        self.remember(change)
        self.tell(change)

    def keep(self, change):
        if change.now is None:
            del self.objects[change.key]
        else:
            self.objects[change.key] = change.now

    def remember(self, change):
        self.changes.append(change)
        if len(self.changes) > self.size:
            self.oldest = self.changes.popleft().revision

    def tell(self, change):
        for watcher in list(self.watchers):
            if watcher.full:
                watcher.stop()
                self.watchers.remove(watcher)
            else:
                watcher.put(change)

    def list(self, version):
        self.check(version)
        objects = dict(self.objects)
        for change in reversed(self.changes):
            if change.revision > version:
                self.undo(objects, change)
        return objects

    def undo(self, objects, change):
        if change.before is None:
            del objects[change.key]
        else:
            objects[change.key] = change.before

    def watch(self, watcher, since):
        self.check(since)
        for change in self.changes:
            if change.revision > since:
                watcher.put(change)
        self.watchers.append(watcher)

    def check(self, version):
        if version < self.oldest:
            raise too_old_resource_version(version, self.oldest)


def always_now():
    class WatchCache(Base):
        def list(self, version):
            self.check(version)
            return dict(self.objects)

    return WatchCache


def hands_out_its_own():
    class WatchCache(Base):
        def list(self, version):
            self.check(version)
            if all(change.revision <= version for change in self.changes):
                return self.objects
            return super().list(version)

    return WatchCache


def goes_back_from_the_wrong_end():
    class WatchCache(Base):
        def list(self, version):
            self.check(version)
            objects = dict(self.objects)
            for change in self.changes:
                if change.revision > version:
                    objects.pop(change.key, None)
                    if change.before is not None:
                        objects[change.key] = change.before
            return objects

    return WatchCache


def brings_nothing_back():
    class WatchCache(Base):
        def undo(self, objects, change):
            objects.pop(change.key, None)
            if change.before is not None and change.now is not None:
                objects[change.key] = change.before

    return WatchCache


def keeps_everything():
    class WatchCache(Base):
        def remember(self, change):
            self.changes.append(change)

    return WatchCache


def answers_with_a_hole():
    class WatchCache(Base):
        def watch(self, watcher, since):
            for change in self.changes:
                if change.revision > since:
                    watcher.put(change)
            self.watchers.append(watcher)

    return WatchCache


def refuses_too_much():
    class WatchCache(Base):
        def check(self, version):
            if self.changes and version < self.changes[0].revision:
                raise too_old_resource_version(version, self.changes[0].revision)

    return WatchCache


def raises_what_it_likes():
    class WatchCache(Base):
        def check(self, version):
            if version < self.oldest:
                raise ValueError("too old")

    return WatchCache


def from_now_on():
    class WatchCache(Base):
        def watch(self, watcher, since):
            self.check(since)
            self.watchers.append(watcher)

    return WatchCache


def from_the_version_itself():
    class WatchCache(Base):
        def watch(self, watcher, since):
            self.check(since)
            for change in self.changes:
                if change.revision >= since:
                    watcher.put(change)
            self.watchers.append(watcher)

    return WatchCache


def latest_first():
    class WatchCache(Base):
        def watch(self, watcher, since):
            self.check(since)
            for change in reversed(self.changes):
                if change.revision > since:
                    watcher.put(change)
            self.watchers.append(watcher)

    return WatchCache


def waits_for_the_slowest():
    class WatchCache(Base):
        def tell(self, change):
            for watcher in self.watchers:
                watcher.put(change)

    return WatchCache


def leaves_out_whom_it_cannot_tell():
    class WatchCache(Base):
        def tell(self, change):
            for watcher in self.watchers:
                if not watcher.full:
                    watcher.put(change)

    return WatchCache


def skips_the_next():
    class WatchCache(Base):
        def tell(self, change):
            for watcher in self.watchers:
                if watcher.full:
                    watcher.stop()
                    self.watchers.remove(watcher)
                else:
                    watcher.put(change)

    return WatchCache


def stops_but_goes_on_telling():
    class WatchCache(Base):
        def tell(self, change):
            for watcher in self.watchers:
                if watcher.full:
                    watcher.stop()
                else:
                    watcher.put(change)

    return WatchCache


def lets_nobody_wait():
    class WatchCache(Base):
        def tell(self, change):
            for watcher in list(self.watchers):
                if watcher.waiting:
                    watcher.stop()
                    self.watchers.remove(watcher)
                else:
                    watcher.put(change)

    return WatchCache


def keeps_what_is_deleted():
    class WatchCache(Base):
        def keep(self, change):
            self.objects[change.key] = change.now

    return WatchCache


def with_a_state_for_every_version():
    """Spends memory on whole states; bounded all the same."""

    class WatchCache:
        def __init__(self, objects, version, size):
            self.states = deque([(version, dict(objects))], maxlen=size + 1)
            self.changes = deque(maxlen=size)
            self.watchers = {}

        def apply(self, change):
            state = {key: obj for key, obj in self.states[-1][1].items() if key != change.key}
            if change.now is not None:
                state[change.key] = change.now
            self.states.append((change.revision, state))
            self.changes.append(change)
            for number, watcher in [*self.watchers.items()]:
                if watcher.full:
                    self.watchers.pop(number).stop()
                else:
                    watcher.put(change)

        def list(self, version):
            found = [state for at, state in self.states if at <= version]
            if not found:
                raise too_old_resource_version(version, self.states[0][0])
            return dict(found[-1])

        def watch(self, watcher, since):
            if since < self.states[0][0]:
                raise too_old_resource_version(since, self.states[0][0])
            for change in self.changes:
                if change.revision > since:
                    watcher.put(change)
            self.watchers[len(self.watchers) + id(watcher)] = watcher

    return WatchCache


def as_kubernetes_counts():
    """The oldest version is the one before the first change that is kept, as in upstream."""

    class WatchCache(Base):
        def check(self, version):
            oldest = self.oldest
            if len(self.changes) == self.size:
                oldest = max(oldest, self.changes[0].revision - 1)
            if version < oldest:
                raise too_old_resource_version(version, oldest)

        def tell(self, change):
            fast = []
            for watcher in self.watchers:
                if watcher.full:
                    watcher.stop()
                else:
                    watcher.put(change)
                    fast.append(watcher)
            self.watchers = fast

    return WatchCache


WRONG = [
    (always_now, "as it is now"),
    (hands_out_its_own, "hand out a copy"),
    (goes_back_from_the_wrong_end, "says what stood there"),
    (brings_nothing_back, "as it is now"),
    (keeps_everything, "Without a bound"),
    (answers_with_a_hole, "a hole in it"),
    (refuses_too_much, "is refused, and all that happened since is still there"),
    (raises_what_it_likes, "ValueError"),
    (from_now_on, "Begin with what is in the ring"),
    (from_the_version_itself, "that is not after it"),
    (latest_first, "after a later change"),
    (waits_for_the_slowest, "wait for the slowest"),
    (leaves_out_whom_it_cannot_tell, "a hole that nobody"),
    (skips_the_next, "go through a copy"),
    (stops_but_goes_on_telling, "leaves the list"),
    (lets_nobody_wait, "only who is full"),
    (keeps_what_is_deleted, "and it is not there"),
]
RIGHT = [with_a_state_for_every_version, as_kubernetes_counts]

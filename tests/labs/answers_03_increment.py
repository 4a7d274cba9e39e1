"""Answers to lab 03: wrong ones, each with the reason to give, and right ones unlike ours."""

import asyncio

from kube_edu.classroom.keys import compare, delete, get, put


def number_of(kv):
    return int(kv.value) if kv else 0


def get_and_put():
    async def increment(etcd, key):
        count = number_of(await etcd.get(key)) + 1
        await etcd.put(key, str(count))
        return count

    return increment


def compares_nothing():
    async def increment(etcd, key):
        count = number_of(await etcd.get(key)) + 1
        await etcd.txn([], [put(key, str(count))])
        return count

    return increment


def is_still_there():
    async def increment(etcd, key):
        while True:
            kv = await etcd.get(key)
            there = compare("create", key, "=", kv.create_revision if kv else 0)
            count = number_of(kv) + 1
            if (await etcd.txn([there], [put(key, str(count))])).succeeded:
                return count

    return increment


def by_version():
    async def increment(etcd, key):
        while True:
            kv = await etcd.get(key)
            same = compare("version", key, "=", kv.version if kv else 0)
            count = number_of(kv) + 1
            if (await etcd.txn([same], [put(key, str(count))])).succeeded:
                return count

    return increment


def does_not_look_whether_it_succeeded():
    async def increment(etcd, key):
        kv = await etcd.get(key)
        count = number_of(kv) + 1
        await etcd.txn([compare("mod", key, "=", kv.mod_revision if kv else 0)],
                       [put(key, str(count))])  # fmt: skip
        return count

    return increment


def reads_once():
    async def increment(etcd, key):
        kv = await etcd.get(key)
        count = number_of(kv) + 1
        while True:
            same = compare("mod", key, "=", kv.mod_revision if kv else 0)
            if (await etcd.txn([same], [put(key, str(count))])).succeeded:
                return count

    return increment


def asks_again_when_there_is_no_answer():
    async def increment(etcd, key):
        while True:
            try:
                kv = await etcd.get(key)
                same = compare("mod", key, "=", kv.mod_revision if kv else 0)
                count = number_of(kv) + 1
                if (await etcd.txn([same], [put(key, str(count))])).succeeded:
                    return count
            except ConnectionError:
                await asyncio.sleep(0.1)

    return increment


def no_key_yet():
    async def increment(etcd, key):
        while True:
            kv = await etcd.get(key)
            same = compare("mod", key, "=", kv.mod_revision)
            if (await etcd.txn([same], [put(key, str(int(kv.value) + 1))])).succeeded:
                return int(kv.value) + 1

    return increment


def creates_by_put():
    async def increment(etcd, key):
        while True:
            kv = await etcd.get(key)
            if kv is None:
                await etcd.put(key, "1")
                return 1
            same = compare("mod", key, "=", kv.mod_revision)
            if (await etcd.txn([same], [put(key, str(int(kv.value) + 1))])).succeeded:
                return int(kv.value) + 1

    return increment


def returns_what_it_read():
    async def increment(etcd, key):
        while True:
            kv = await etcd.get(key)
            same = compare("mod", key, "=", kv.mod_revision if kv else 0)
            if (await etcd.txn([same], [put(key, str(number_of(kv) + 1))])).succeeded:
                return number_of(kv)

    return increment


def not_less():
    async def increment(etcd, key):
        while True:
            kv = await etcd.get(key)
            since = compare("mod", key, ">", kv.mod_revision - 1 if kv else -1)
            count = number_of(kv) + 1
            if (await etcd.txn([since], [put(key, str(count))])).succeeded:
                return count

    return increment


def takes_it_away_first():
    async def increment(etcd, key):
        while True:
            kv = await etcd.get(key)
            if kv is None:
                same, count = compare("create", key, "=", 0), 1
            else:
                taken = await etcd.txn([compare("mod", key, "=", kv.mod_revision)], [delete(key)])
                same, count = compare("create", key, "=", 0), int(kv.value) + 1
                if not taken.succeeded:
                    continue
            if (await etcd.txn([same], [put(key, str(count))])).succeeded:
                return count

    return increment


def forgets_await():
    async def increment(etcd, key):
        return number_of(etcd.get(key)) + 1

    return increment


def raises_when_somebody_was_faster():
    async def increment(etcd, key):
        kv = await etcd.get(key)
        seen = kv.mod_revision if kv else 0
        answer = await etcd.txn([compare("mod", key, "=", seen)], [put(key, number_of(kv) + 1)])
        if not answer.succeeded:
            raise ConnectionError("somebody else has counted")
        return number_of(kv) + 1

    return increment


def counts_from_nothing():
    async def increment(etcd, key):
        while True:
            kv = await etcd.get(key)
            count = number_of(kv) + 1 if kv else 0
            seen = kv.mod_revision if kv else 0
            if (await etcd.txn([compare("mod", key, "=", seen)], [put(key, count)])).succeeded:
                return count

    return increment


def only_looks():
    async def increment(etcd, key):
        while True:
            await etcd.get(key)

    return increment


def requests_for_operations():
    async def increment(etcd, key):
        async def later():
            return await etcd.put(key, "1")

        await etcd.txn([compare("mod", key, "=", 0)], [later])
        return 1

    return increment


def counts_elsewhere():
    async def increment(etcd, key):
        await etcd.put(key + "/one", "")
        return len((await etcd.list(key + "/")).kvs)

    return increment


WRONG = [
    (get_and_put, "a get and then a put"),
    (compares_nothing, "no comparison about the counter"),
    (is_still_there, "the create revision is the same"),
    (by_version, "begins at version 1 again"),
    (does_not_look_whether_it_succeeded, "without having counted"),
    (reads_once, "never gets done"),
    (asks_again_when_there_is_no_answer, "counts 2 times"),
    (no_key_yet, "raised AttributeError"),
    (creates_by_put, "a get and then a put"),
    (returns_what_it_read, "returns 0; it should return the number 1"),
    (not_less, "the comparison held, though"),
    (takes_it_away_first, "it deletes the counter"),
    (forgets_await, "is an `await` missing?"),
    (raises_when_somebody_was_faster, "without having counted"),
    (counts_from_nothing, "nobody has counted since it was read"),
    (only_looks, "never writes"),
    (requests_for_operations, "are requests of their own"),
    (counts_elsewhere, "without having counted"),
]


def by_value():
    """The value tells as well: the counter means nothing but its value."""

    async def increment(etcd, key):
        for _ in range(1000):
            kv = await etcd.get(key)
            same = compare("value", key, "=", kv.value) if kv else compare("create", key, "=", 0)
            answer = await etcd.txn([same], [put(key, number_of(kv) + 1)])
            if answer.succeeded:
                return number_of(kv) + 1
        raise ConnectionError("too many others")

    return increment


def reads_in_the_failure():
    """A Txn that fails reads what is there for the next attempt."""

    async def increment(etcd, key):
        kv = None
        while True:
            seen = kv.mod_revision if kv is not None else 0
            count = number_of(kv) + 1
            answer = await etcd.txn(
                [compare("mod", key, "=", seen), compare("mod", key, "<", seen + 1)],
                [put(key, str(count)), get("elsewhere")],
                [get(key)],
            )
            if answer.succeeded:
                return count
            (kv,) = answer.results

    return increment


def by_create_and_version():
    async def increment(etcd, key):
        kv = await etcd.get(key)
        created, version = (kv.create_revision, kv.version) if kv else (0, 0)
        same = [compare("create", key, "=", created), compare("version", key, "=", version)]
        answer = await etcd.txn(same, [put(key, str(number_of(kv) + 1))])
        return number_of(kv) + 1 if answer.succeeded else await increment(etcd, key)

    return increment


RIGHT = [by_value, reads_in_the_failure, by_create_and_version]

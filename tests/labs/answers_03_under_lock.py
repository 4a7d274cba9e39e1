"""Answers to lab 03: wrong ones, each with the reason to give, and right ones unlike ours."""

import asyncio

from kube_edu.classroom.keys import compare, delete, get, put


async def take(etcd, lock, me, lease):
    """Take the lock as one should; returns the revision at which it was taken."""
    while True:
        taken = await etcd.txn([compare("create", lock, "=", 0)], [put(lock, me, lease)])
        if taken.succeeded:
            return taken.revision
        await gone(etcd, lock, taken.revision + 1)


async def gone(etcd, lock, since=0):
    async for answer in etcd.watch(lock, since):
        if any(event.type == "DELETE" for event in answer.events):
            return


async def finish(etcd, lock, token, key, result):
    same = [compare("create", lock, "=", token)]
    return (await etcd.txn(same, [put(key, result), delete(lock)])).succeeded


def looks_and_puts():
    async def under_lock(etcd, lock, me, lease, key, work):
        while await etcd.get(lock):
            await gone(etcd, lock)
        token = await etcd.put(lock, me, lease)
        return await finish(etcd, lock, token, key, await work())

    return under_lock


def takes_it_from_whoever_has_it():
    async def under_lock(etcd, lock, me, lease, key, work):
        token = await etcd.put(lock, me, lease)
        return await finish(etcd, lock, token, key, await work())

    return under_lock


def without_the_lease():
    async def under_lock(etcd, lock, me, lease, key, work):
        token = await take(etcd, lock, me, 0)
        return await finish(etcd, lock, token, key, await work())

    return under_lock


def gives_up_at_once():
    async def under_lock(etcd, lock, me, lease, key, work):
        taken = await etcd.txn([compare("create", lock, "=", 0)], [put(lock, me, lease)])
        if not taken.succeeded:
            return False
        return await finish(etcd, lock, taken.revision, key, await work())

    return under_lock


def watches_from_now_on():
    async def under_lock(etcd, lock, me, lease, key, work):
        while True:
            taken = await etcd.txn([compare("create", lock, "=", 0)], [put(lock, me, lease)])
            if taken.succeeded:
                break
            await gone(etcd, lock)
        return await finish(etcd, lock, taken.revision, key, await work())

    return under_lock


def asks_again_and_again():
    async def under_lock(etcd, lock, me, lease, key, work):
        while True:
            taken = await etcd.txn([compare("create", lock, "=", 0)], [put(lock, me, lease)])
            if taken.succeeded:
                break
            await asyncio.sleep(0.1)
        return await finish(etcd, lock, taken.revision, key, await work())

    return under_lock


def works_first():
    async def under_lock(etcd, lock, me, lease, key, work):
        result = await work()
        token = await take(etcd, lock, me, lease)
        return await finish(etcd, lock, token, key, result)

    return under_lock


def plain_put_in_the_end():
    async def under_lock(etcd, lock, me, lease, key, work):
        token = await take(etcd, lock, me, lease)
        await etcd.put(key, await work())
        await etcd.txn([compare("create", lock, "=", token)], [delete(lock)])
        return True

    return under_lock


def looks_before_it_writes():
    async def under_lock(etcd, lock, me, lease, key, work):
        token = await take(etcd, lock, me, lease)
        result = await work()
        holder = await etcd.get(lock)
        if holder is None or holder.create_revision != token:
            return False
        await etcd.put(key, result)
        await etcd.txn([compare("create", lock, "=", token)], [delete(lock)])
        return True

    return under_lock


def compares_nothing():
    async def under_lock(etcd, lock, me, lease, key, work):
        await take(etcd, lock, me, lease)
        done = await etcd.txn([], [put(key, await work()), delete(lock)])
        return done.succeeded

    return under_lock


def anybodys_lock():
    async def under_lock(etcd, lock, me, lease, key, work):
        await take(etcd, lock, me, lease)
        locked = compare("create", lock, ">", 0)
        return (await etcd.txn([locked], [put(key, await work()), delete(lock)])).succeeded

    return under_lock


def whoever_is_first():
    async def under_lock(etcd, lock, me, lease, key, work):
        await take(etcd, lock, me, lease)
        locked = compare("version", lock, "=", 1)
        return (await etcd.txn([locked], [put(key, await work()), delete(lock)])).succeeded

    return under_lock


def deletes_whatever_is_there():
    async def under_lock(etcd, lock, me, lease, key, work):
        token = await take(etcd, lock, me, lease)
        same = [compare("create", lock, "=", token)]
        done = await etcd.txn(same, [put(key, await work())])
        await etcd.delete(lock)
        return done.succeeded

    return under_lock


def keeps_it():
    async def under_lock(etcd, lock, me, lease, key, work):
        token = await take(etcd, lock, me, lease)
        same = [compare("create", lock, "=", token)]
        return (await etcd.txn(same, [put(key, await work())])).succeeded

    return under_lock


def always_content():
    async def under_lock(etcd, lock, me, lease, key, work):
        token = await take(etcd, lock, me, lease)
        await finish(etcd, lock, token, key, await work())
        return True

    return under_lock


def never_its_own():
    """The revision before: nobody's token."""

    async def under_lock(etcd, lock, me, lease, key, work):
        token = await take(etcd, lock, me, lease)
        done = await finish(etcd, lock, token - 1, key, await work())
        await etcd.revoke(lease)
        return done

    return under_lock


def by_name():
    """Another worker may have the same name: a program that was started anew."""

    async def under_lock(etcd, lock, me, lease, key, work):
        await take(etcd, lock, me, lease)
        result = await work()
        mine = [compare("value", lock, "=", me)]
        return (await etcd.txn(mine, [put(key, result), delete(lock)])).succeeded

    return under_lock


def forgets_to_await_the_work():
    async def under_lock(etcd, lock, me, lease, key, work):
        token = await take(etcd, lock, me, lease)
        return await finish(etcd, lock, token, key, work)

    return under_lock


def puts_its_name():
    async def under_lock(etcd, lock, me, lease, key, work):
        token = await take(etcd, lock, me, lease)
        await work()
        return await finish(etcd, lock, token, key, me)

    return under_lock


def everything_on_the_lease():
    async def under_lock(etcd, lock, me, lease, key, work):
        token = await take(etcd, lock, me, lease)
        result = await work()
        mine = [compare("create", lock, "=", token)]
        return (await etcd.txn(mine, [put(key, result, lease), delete(lock)])).succeeded

    return under_lock


WRONG = [
    (looks_and_puts, "a look and a put are two steps"),
    (takes_it_from_whoever_has_it, "asks nobody"),
    (without_the_lease, "does not hang on the lease"),
    (gives_up_at_once, "without having worked"),
    (watches_from_now_on, "deleted between your look and your watch"),
    (asks_again_and_again, "watch the lock"),
    (works_first, "without having the lock"),
    (plain_put_in_the_end, "a put asks nothing"),
    (looks_before_it_writes, "looks first, and then writes"),
    (compares_nothing, "compares nothing about the lock"),
    (anybodys_lock, "holds for anybody's lock"),
    (whoever_is_first, "holds for anybody's lock"),
    (deletes_whatever_is_there, "gives the lock back"),
    (keeps_it, "is done, and keeps the lock"),
    (always_content, "the caller must be told"),
    (never_its_own, "had the lock all the time"),
    (by_name, "holds for anybody's lock"),
    (forgets_to_await_the_work, "so await it"),
    (puts_its_name, "not what work() returns"),
    (everything_on_the_lease, "is gone when that ends"),
]


def by_lease_and_in_two_steps():
    """The lease tells whose the lock is, as well as its revision; and to end the lease is a way to
    give the lock back."""

    async def under_lock(etcd, lock, me, lease, key, work):
        taken = False
        while not taken:
            answer = await etcd.txn(
                [compare("version", lock, "=", 0)], [put(lock, me, lease)], [get(lock)]
            )
            taken = answer.succeeded
            if not taken:
                await gone(etcd, lock, answer.results[0].mod_revision + 1)
        result = await work()
        mine = compare("lease", lock, "=", lease)
        written = (await etcd.txn([mine], [put(key, result)])).succeeded
        await etcd.revoke(lease)
        return written

    return under_lock


def looks_and_watches():
    async def under_lock(etcd, lock, me, lease, key, work):
        while True:
            listing = await etcd.list(lock)
            if not listing.kvs:
                free = [compare("mod", lock, "=", 0)]
                taken = await etcd.txn(free, [put(lock, me, lease)])
                if taken.succeeded:
                    break
                continue
            async for answer in etcd.watch(lock, listing.revision + 1):
                if answer.events[-1].type == "DELETE":
                    break
        mine = compare("mod", lock, "=", taken.revision)
        result = await work()
        wrote = await etcd.txn([mine], [put(key, result)])
        await etcd.txn([mine], [delete(lock)])
        return wrote.succeeded

    return under_lock


RIGHT = [by_lease_and_in_two_steps, looks_and_watches]

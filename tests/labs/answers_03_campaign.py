"""Answers to lab 03: wrong ones, each with the reason to give, and right ones unlike ours."""

import asyncio

from kube_edu.classroom.keys import compare, put


async def stand(etcd, election, me, lease):
    await etcd.put(election + me, me, lease)
    return election + me


async def gone(etcd, key, since):
    async for answer in etcd.watch(key, since):
        if any(event.type == "DELETE" for event in answer.events):
            return


async def queue_up(etcd, election, mine, by="create_revision", since=1, again=True, kept=gone):
    """The right way, with something to get wrong at each step."""
    while True:
        listing = await etcd.list(election)
        queue = [kv.key for kv in sorted(listing.kvs, key=lambda kv: getattr(kv, by))]
        if mine not in queue:
            return False
        place = queue.index(mine)
        if place == 0:
            return True
        await kept(etcd, queue[place - 1], listing.revision + 1 if since else 0)
        if not again:
            return True


def stands_nowhere():
    async def campaign(etcd, election, me, lease):
        return not (await etcd.list(election)).kvs

    return campaign


def without_the_lease():
    async def campaign(etcd, election, me, lease):
        return await queue_up(etcd, election, await stand(etcd, election, me, 0))

    return campaign


def elects_itself():
    async def campaign(etcd, election, me, lease):
        await stand(etcd, election, me, lease)
        return True

    return campaign


def by_name():
    async def campaign(etcd, election, me, lease):
        mine = await stand(etcd, election, me, lease)
        return await queue_up(etcd, election, mine, by="key")

    return campaign


def by_mod_revision():
    async def campaign(etcd, election, me, lease):
        mine = await stand(etcd, election, me, lease)
        return await queue_up(etcd, election, mine, by="mod_revision")

    return campaign


def heir_to_the_one_ahead():
    async def campaign(etcd, election, me, lease):
        mine = await stand(etcd, election, me, lease)
        return await queue_up(etcd, election, mine, again=False)

    return campaign


def from_now_on():
    async def campaign(etcd, election, me, lease):
        mine = await stand(etcd, election, me, lease)
        return await queue_up(etcd, election, mine, since=0)

    return campaign


def gives_up_at_once():
    async def campaign(etcd, election, me, lease):
        mine = await stand(etcd, election, me, lease)
        listing = await etcd.list(election)
        return min(listing.kvs, key=lambda kv: kv.create_revision).key == mine

    return campaign


def asks_again_and_again():
    async def wait(etcd, key, since):
        await asyncio.sleep(0.1)

    async def campaign(etcd, election, me, lease):
        mine = await stand(etcd, election, me, lease)
        return await queue_up(etcd, election, mine, kept=wait)

    return campaign


def wakes_at_every_proclamation():
    async def anything(etcd, key, since):
        async for _ in etcd.watch(key, since):
            return

    async def campaign(etcd, election, me, lease):
        mine = await stand(etcd, election, me, lease)
        return await queue_up(etcd, election, mine, kept=anything)

    return campaign


def watches_everybody():
    async def campaign(etcd, election, me, lease):
        mine = await stand(etcd, election, me, lease)
        while True:
            listing = await etcd.list(election)
            queue = [kv.key for kv in sorted(listing.kvs, key=lambda kv: kv.create_revision)]
            if mine not in queue or queue[0] == mine:
                return mine in queue
            async for answer in etcd.watch(election, listing.revision + 1, prefix=True):
                if any(event.type == "DELETE" for event in answer.events):
                    break

    return campaign


def never_looks_at_itself():
    async def campaign(etcd, election, me, lease):
        mine = await stand(etcd, election, me, lease)
        while True:
            listing = await etcd.list(election)
            queue = [kv.key for kv in sorted(listing.kvs, key=lambda kv: kv.create_revision)]
            ahead = queue[: queue.index(mine)] if mine in queue else []
            if not ahead:
                return True
            await gone(etcd, ahead[-1], listing.revision + 1)

    return campaign


def says_its_place():
    async def campaign(etcd, election, me, lease):
        mine = await stand(etcd, election, me, lease)
        await queue_up(etcd, election, mine)

    return campaign


def all_watch_the_leader():
    async def campaign(etcd, election, me, lease):
        mine = await stand(etcd, election, me, lease)
        while True:
            listing = await etcd.list(election)
            queue = sorted(listing.kvs, key=lambda kv: kv.create_revision)
            if mine not in [kv.key for kv in queue]:
                return False
            if queue[0].key == mine:
                return True
            await gone(etcd, queue[0].key, listing.revision + 1)

    return campaign


def watches_the_one_behind():
    async def campaign(etcd, election, me, lease):
        mine = await stand(etcd, election, me, lease)
        while True:
            listing = await etcd.list(election)
            queue = [kv.key for kv in sorted(listing.kvs, key=lambda kv: -kv.create_revision)]
            if mine not in queue:
                return False
            if queue[-1] == mine:
                return True
            await gone(etcd, queue[queue.index(mine) - 1], listing.revision + 1)

    return campaign


WRONG = [
    (stands_nowhere, "does not stand"),
    (without_the_lease, "does not hang on the lease"),
    (elects_itself, "does not look who else stands"),
    (by_name, "a list is sorted by key"),
    (by_mod_revision, "the mod revision changes"),
    (heir_to_the_one_ahead, "list again"),
    (from_now_on, "between its list and its watch"),
    (gives_up_at_once, "though it still stands"),
    (asks_again_and_again, "looks"),
    (wakes_at_every_proclamation, "that a leader writes its key is none"),
    (watches_everybody, "watches all who stand"),
    (never_looks_at_itself, "though its own key is gone"),
    (says_its_place, "returns None"),
    (all_watch_the_leader, "all wake up when it goes"),
    (watches_the_one_behind, "just ahead of it stands"),
]


def knows_its_number():
    """Its own create revision is that of its put; whoever has a lower one is ahead."""

    async def campaign(etcd, election, me, lease):
        mine = election + me
        stood = await etcd.txn([compare("version", mine, "=", 0)], [put(mine, me, lease)])
        while True:
            there = await etcd.list(election)
            numbers = {kv.create_revision: kv.key for kv in there.kvs}
            if numbers.get(stood.revision) != mine:
                return False
            ahead = [number for number in numbers if number < stood.revision]
            if not ahead:
                return True
            await gone(etcd, numbers[max(ahead)], there.revision + 1)

    return campaign


def again_and_again():
    async def campaign(etcd, election, me, lease, stood=False):
        if not stood:
            await etcd.put(election + me, me, lease)
        listing = await etcd.list(election)
        me_now = [kv for kv in listing.kvs if kv.value == me]
        before = [kv for kv in listing.kvs if me_now and kv.create_revision
                  < me_now[0].create_revision]  # fmt: skip
        if not before:
            return bool(me_now)
        last = max(before, key=lambda kv: kv.create_revision)
        async for answer in etcd.watch(last.key, start_revision=last.mod_revision + 1):
            if answer.events[-1].type == "DELETE":
                break
        return await campaign(etcd, election, me, lease, True)

    return campaign


RIGHT = [knows_its_number, again_and_again]

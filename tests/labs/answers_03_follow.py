"""Answers to lab 03: wrong ones, each with the reason to give, and right ones unlike ours."""


def carry(mirror, event):
    if event.type == "PUT":
        mirror[event.kv.key] = event.kv
    else:
        mirror.pop(event.kv.key, None)


async def list_into(etcd, prefix, mirror):
    listing = await etcd.list(prefix)
    kept = {kv.key for kv in listing.kvs}
    for key in [key for key in mirror if key not in kept]:
        del mirror[key]
    for kv in listing.kvs:
        mirror[kv.key] = kv
    return listing.revision


def from_now_on():
    async def follow(etcd, prefix, mirror):
        await list_into(etcd, prefix, mirror)
        while True:
            async for answer in etcd.watch(prefix, prefix=True):
                for event in answer.events:
                    carry(mirror, event)

    return follow


def only_lists():
    async def follow(etcd, prefix, mirror):
        await list_into(etcd, prefix, mirror)

    return follow


def watches_once():
    async def follow(etcd, prefix, mirror):
        revision = await list_into(etcd, prefix, mirror)
        async for answer in etcd.watch(prefix, revision + 1, prefix=True):
            for event in answer.events:
                carry(mirror, event)

    return follow


def begins_where_it_began():
    async def follow(etcd, prefix, mirror):
        revision = await list_into(etcd, prefix, mirror)
        while True:
            async for answer in etcd.watch(prefix, revision + 1, prefix=True):
                for event in answer.events:
                    carry(mirror, event)
                if answer.canceled:
                    revision = await list_into(etcd, prefix, mirror)

    return follow


def never_deletes():
    async def follow(etcd, prefix, mirror):
        revision = await list_into(etcd, prefix, mirror)
        while True:
            async for answer in etcd.watch(prefix, revision + 1, prefix=True):
                for event in answer.events:
                    if event.type == "PUT":
                        mirror[event.kv.key] = event.kv
                    revision = event.kv.mod_revision
                if answer.canceled:
                    revision = await list_into(etcd, prefix, mirror)

    return follow


def puts_what_is_deleted():
    async def follow(etcd, prefix, mirror):
        revision = await list_into(etcd, prefix, mirror)
        while True:
            async for answer in etcd.watch(prefix, revision + 1, prefix=True):
                for event in answer.events:
                    mirror[event.kv.key] = event.kv
                    revision = event.kv.mod_revision
                if answer.canceled:
                    revision = await list_into(etcd, prefix, mirror)

    return follow


def lists_but_keeps():
    """A list after a compaction only adds."""

    async def follow(etcd, prefix, mirror):
        while True:
            listing = await etcd.list(prefix)
            for kv in listing.kvs:
                mirror[kv.key] = kv
            revision, canceled = listing.revision, False
            while not canceled:
                async for answer in etcd.watch(prefix, revision + 1, prefix=True):
                    for event in answer.events:
                        carry(mirror, event)
                        revision = event.kv.mod_revision
                    canceled = answer.canceled

    return follow


def goes_on_at_the_compact_revision():
    async def follow(etcd, prefix, mirror):
        revision = await list_into(etcd, prefix, mirror)
        while True:
            async for answer in etcd.watch(prefix, revision + 1, prefix=True):
                for event in answer.events:
                    carry(mirror, event)
                    revision = event.kv.mod_revision
                if answer.canceled:
                    revision = answer.compact_revision - 1

    return follow


def does_not_look_whether_it_is_canceled():
    async def follow(etcd, prefix, mirror):
        revision = await list_into(etcd, prefix, mirror)
        while True:
            async for answer in etcd.watch(prefix, revision + 1, prefix=True):
                for event in answer.events:
                    carry(mirror, event)
                    revision = event.kv.mod_revision

    return follow


def lists_each_time():
    async def follow(etcd, prefix, mirror):
        while True:
            revision = await list_into(etcd, prefix, mirror)
            async for answer in etcd.watch(prefix, revision + 1, prefix=True):
                for event in answer.events:
                    carry(mirror, event)

    return follow


def trusts_the_header():
    """The revision of an answer is that of the store, not that of its last event."""

    async def follow(etcd, prefix, mirror):
        revision = await list_into(etcd, prefix, mirror)
        while True:
            async for answer in etcd.watch(prefix, revision + 1, prefix=True):
                for event in answer.events:
                    carry(mirror, event)
                revision = answer.revision
                if answer.canceled:
                    revision = await list_into(etcd, prefix, mirror)

    return follow


def one_key():
    async def follow(etcd, prefix, mirror):
        revision = await list_into(etcd, prefix, mirror)
        while True:
            async for answer in etcd.watch(prefix, revision + 1):
                for event in answer.events:
                    carry(mirror, event)

    return follow


def values_only():
    async def follow(etcd, prefix, mirror):
        for kv in (await etcd.list(prefix)).kvs:
            mirror[kv.key] = kv.value

    return follow


def counts_what_it_is_told():
    """Takes every change for a revision of its own."""

    async def follow(etcd, prefix, mirror):
        while True:
            revision, canceled = await list_into(etcd, prefix, mirror) + 1, False
            while not canceled:
                async for answer in etcd.watch(prefix, revision, prefix=True):
                    for event in answer.events:
                        carry(mirror, event)
                        revision += 1
                    canceled = answer.canceled

    return follow


def only_the_first_of_an_answer():
    async def follow(etcd, prefix, mirror):
        while True:
            revision, canceled = await list_into(etcd, prefix, mirror), False
            while not canceled:
                async for answer in etcd.watch(prefix, revision + 1, prefix=True):
                    for event in answer.events[:1]:
                        carry(mirror, event)
                        revision = event.kv.mod_revision
                    canceled = answer.canceled

    return follow


def behind_the_newest_key():
    """The newest key of a list may be much older than the list."""

    async def follow(etcd, prefix, mirror):
        while True:
            await list_into(etcd, prefix, mirror)
            revision = max((kv.mod_revision for kv in mirror.values()), default=0)
            canceled = False
            while not canceled:
                async for answer in etcd.watch(prefix, revision + 1, prefix=True):
                    for event in answer.events:
                        carry(mirror, event)
                        revision = event.kv.mod_revision
                    canceled = answer.canceled

    return follow


def deletes_while_it_looks():
    async def follow(etcd, prefix, mirror):
        while True:
            listing = await etcd.list(prefix)
            for key in mirror:
                if key not in [kv.key for kv in listing.kvs]:
                    del mirror[key]
            mirror.update({kv.key: kv for kv in listing.kvs})
            revision, canceled = listing.revision, False
            while not canceled:
                async for answer in etcd.watch(prefix, revision + 1, prefix=True):
                    for event in answer.events:
                        carry(mirror, event)
                        revision = event.kv.mod_revision
                    canceled = answer.canceled

    return follow


WRONG = [
    (from_now_on, "begins now"),
    (only_lists, "it came to its end"),
    (watches_once, "it came to its end"),
    (begins_where_it_began, "goes back in time"),
    (never_deletes, "was not carried over"),
    (puts_what_is_deleted, "still in the mirror"),
    (lists_but_keeps, "a list does not say what is gone"),
    (goes_on_at_the_compact_revision, "forgotten"),
    (does_not_look_whether_it_is_canceled, "the watch was canceled"),
    (lists_each_time, "it lists 2 times"),
    (trusts_the_header, "went on behind it"),
    (one_key, "say prefix=True"),
    (values_only, "should be a Kv"),
    (counts_what_it_is_told, "went on behind it"),
    (only_the_first_of_an_answer, "was not carried over"),
    (behind_the_newest_key, "refused again and again"),
    (deletes_while_it_looks, "changed size during iteration"),
]


def twice_does_no_harm():
    """Begins at the last change and not behind it: to see one again changes nothing."""

    async def follow(etcd, prefix, mirror):
        while True:
            revision = await list_into(etcd, prefix, mirror)
            seen = {key: mirror[key].mod_revision for key in mirror}
            while revision:
                async for answer in etcd.watch(prefix, revision, prefix=True):
                    if answer.canceled:
                        revision = 0
                        break
                    for event in answer.events:
                        if event.kv.mod_revision > seen.get(event.kv.key, 0):
                            carry(mirror, event)
                            seen[event.kv.key] = event.kv.mod_revision
                        revision = event.kv.mod_revision

    return follow


def everything_after_a_list():
    """Clears the mirror and fills it again; and computes the revision from what it has seen."""

    async def follow(etcd, prefix, mirror):
        revision = None
        while True:
            if revision is None:
                listing = await etcd.list(prefix)
                mirror.clear()
                mirror.update({kv.key: kv for kv in listing.kvs})
                revision = listing.revision
            async for answer in etcd.watch(prefix, start_revision=revision + 1, prefix=True):
                revision = max([revision, *(event.kv.mod_revision for event in answer.events)])
                for event in answer.events:
                    carry(mirror, event)
                if answer.canceled:
                    revision = None
                    break

    return follow


RIGHT = [twice_does_no_harm, everything_after_a_list]

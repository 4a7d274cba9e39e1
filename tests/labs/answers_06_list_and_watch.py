"""Answers to lab 06: wrong reflectors, each with the reason to give, and right ones unlike ours."""

from kube_edu.api.status import ApiError


def version_of(obj):
    return obj["metadata"]["resourceVersion"]


def carry(store, change, obj):
    if change == "DELETED":
        store.delete(obj)
    elif change != "BOOKMARK":
        store.update(obj)


async def fill(source, store):
    found = await source.list()
    store.replace(found["items"])
    return version_of(found)


def only_lists():
    async def list_and_watch(source, store):
        await fill(source, store)

    return list_and_watch


def watches_once():
    async def list_and_watch(source, store):
        async for change, obj in source.watch(await fill(source, store)):
            carry(store, change, obj)

    return list_and_watch


def lists_after_every_break():
    async def list_and_watch(source, store):
        version = await fill(source, store)
        while True:
            async for change, obj in source.watch(version):
                carry(store, change, obj)
                version = version_of(obj)

    return list_and_watch


def lists_after_every_end():
    async def list_and_watch(source, store):
        while True:
            version = await fill(source, store)
            try:
                async for change, obj in source.watch(version):
                    carry(store, change, obj)
            except (ApiError, ConnectionError):
                await source.pause()

    return list_and_watch


def begins_where_it_began():
    async def list_and_watch(source, store):
        version = await fill(source, store)
        while True:
            try:
                async for change, obj in source.watch(version):
                    carry(store, change, obj)
            except ConnectionError:
                await source.pause()

    return list_and_watch


def behind_the_newest_object():
    async def list_and_watch(source, store):
        found = await source.list()
        store.replace(found["items"])
        version = max(map(version_of, found["items"]), key=int, default="0")
        while True:
            try:
                async for change, obj in source.watch(version):
                    carry(store, change, obj)
                    version = version_of(obj)
            except ConnectionError:
                await source.pause()

    return list_and_watch


def does_not_believe_in_410():
    async def list_and_watch(source, store):
        version = await fill(source, store)
        while True:
            try:
                async for change, obj in source.watch(version):
                    carry(store, change, obj)
                    version = version_of(obj)
            except (ApiError, ConnectionError):
                await source.pause()

    return list_and_watch


def a_list_only_adds():
    async def list_and_watch(source, store):
        found = await source.list()
        for obj in found["items"]:
            store.update(obj)
        version = version_of(found)
        while True:
            try:
                async for change, obj in source.watch(version):
                    carry(store, change, obj)
                    version = version_of(obj)
            except ConnectionError:
                await source.pause()

    return list_and_watch


def keeps_bookmarks():
    async def list_and_watch(source, store):
        version = await fill(source, store)
        while True:
            try:
                async for change, obj in source.watch(version):
                    if change == "DELETED":
                        store.delete(obj)
                    else:
                        store.update(obj)
                    version = version_of(obj)
            except ConnectionError:
                await source.pause()

    return list_and_watch


def passes_bookmarks_by():
    async def list_and_watch(source, store):
        version = await fill(source, store)
        while True:
            try:
                async for change, obj in source.watch(version):
                    if change == "BOOKMARK":
                        continue
                    carry(store, change, obj)
                    version = version_of(obj)
            except ConnectionError:
                await source.pause()

    return list_and_watch


def never_deletes():
    async def list_and_watch(source, store):
        version = await fill(source, store)
        while True:
            try:
                async for change, obj in source.watch(version):
                    if change in ("ADDED", "MODIFIED"):
                        store.update(obj)
                    version = version_of(obj)
            except ConnectionError:
                await source.pause()

    return list_and_watch


def one_more():
    """As in lab 03, where a watch was told the first revision that it wants."""

    async def list_and_watch(source, store):
        version = int(await fill(source, store))
        while True:
            try:
                async for change, obj in source.watch(version + 1):
                    carry(store, change, obj)
                    version = int(version_of(obj))
            except ConnectionError:
                await source.pause()

    return list_and_watch


def from_nowhere():
    async def list_and_watch(source, store):
        await fill(source, store)
        while True:
            try:
                async for change, obj in source.watch(""):
                    carry(store, change, obj)
            except ConnectionError:
                await source.pause()

    return list_and_watch


def never_pauses():
    async def list_and_watch(source, store):
        version = await fill(source, store)
        while True:
            try:
                async for change, obj in source.watch(version):
                    carry(store, change, obj)
                    version = version_of(obj)
            except ConnectionError:
                pass

    return list_and_watch


def in_one_loop():
    """Lists by itself when it must, and never returns."""

    async def list_and_watch(source, store):
        version = None
        while True:
            try:
                if version is None:
                    version = await fill(source, store)
                async for change, obj in source.watch(version):
                    if change == "DELETED":
                        store.delete(obj)
                    if change in ("ADDED", "MODIFIED"):
                        store.update(obj)
                    version = version_of(obj)
            except ConnectionError:
                await source.pause()
            except ApiError as error:
                if error.code == 410:
                    version = None
                await source.pause()

    return list_and_watch


def with_a_wait_of_its_own():
    """Its waits grow; numbers for versions; what else is refused ends it."""

    async def list_and_watch(source, store):
        import asyncio

        found = await source.list()
        store.replace(found["items"])
        version, wait = int(version_of(found)), 0.5
        while True:
            try:
                async for change, obj in source.watch(str(version)):
                    version, wait = max(version, int(version_of(obj))), 0.5
                    carry(store, change, obj)
            except ConnectionError:
                await asyncio.sleep(wait)
                wait = min(2 * wait, 8)

    return list_and_watch


WRONG = [
    (only_lists, "it came to its end"),
    (watches_once, "it came to its end"),
    (lists_after_every_break, "is resumed"),
    (lists_after_every_end, "is resumed"),
    (begins_where_it_began, "goes back in time"),
    (behind_the_newest_object, "again and again"),
    (does_not_believe_in_410, "can only be listed"),
    (a_list_only_adds, "a list does not say what is gone"),
    (keeps_bookmarks, "a BOOKMARK is no object"),
    (passes_bookmarks_by, "though a bookmark had told it"),
    (never_deletes, "was not carried over"),
    (one_more, "there is nothing to add to it"),
    (from_nowhere, "told to nobody"),
    (never_pauses, "while the server was away"),
]
RIGHT = [in_one_loop, with_a_wait_of_its_own]

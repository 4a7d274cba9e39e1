"""Answers to lab 02's third exercise: wrong ones, each with the reason to give, and right ones that
are unlike ours."""

import asyncio


def wanted_of(replicaset):
    return replicaset["spec"]["replicas"]


def ready(pod):
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def delete_all(pods, control):
    for pod in pods:
        await control.delete(pod)


def creates_all_each_time():
    async def manage_replicas(pods, replicaset, control):
        for _ in range(wanted_of(replicaset)):
            await control.create(replicaset)

    return manage_replicas


def never_deletes():
    async def manage_replicas(pods, replicaset, control):
        for _ in range(wanted_of(replicaset) - len(pods)):
            await control.create(replicaset)

    return manage_replicas


def never_creates():
    async def manage_replicas(pods, replicaset, control):
        for pod in pods[wanted_of(replicaset) :]:
            await control.delete(pod)

    return manage_replicas


def edge_triggered():
    made = {}

    async def manage_replicas(pods, replicaset, control):
        name = replicaset["metadata"]["uid"]
        for _ in range(wanted_of(replicaset) - made.get(name, 0)):
            await control.create(replicaset)
        await delete_all(
            sorted(pods, key=ready)[: made.get(name, 0) - wanted_of(replicaset)], control
        )
        made[name] = wanted_of(replicaset)

    return manage_replicas


def deletes_any():
    async def manage_replicas(pods, replicaset, control):
        missing = wanted_of(replicaset) - len(pods)
        for _ in range(missing):
            await control.create(replicaset)
        await delete_all(sorted(pods, key=ready, reverse=True)[: max(-missing, 0)], control)

    return manage_replicas


def one_too_many():
    async def manage_replicas(pods, replicaset, control):
        while len(pods) <= wanted_of(replicaset):
            pods.append(None)
            await control.create(replicaset)

    return manage_replicas


def forgets_await():
    async def manage_replicas(pods, replicaset, control):
        for _ in range(wanted_of(replicaset) - len(pods)):
            control.create(replicaset)

    return manage_replicas


def plain_def():
    def manage_replicas(pods, replicaset, control):
        for _ in range(wanted_of(replicaset) - len(pods)):
            control.create(replicaset)

    return manage_replicas


def trusts_the_status():
    async def manage_replicas(pods, replicaset, control):
        missing = wanted_of(replicaset) - replicaset.get("status", {}).get("readyReplicas", 0)
        for _ in range(missing):
            await control.create(replicaset)
        await delete_all(sorted(pods, key=ready)[: max(-missing, 0)], control)

    return manage_replicas


def deletes_by_name():
    async def manage_replicas(pods, replicaset, control):
        missing = wanted_of(replicaset) - len(pods)
        for _ in range(missing):
            await control.create(replicaset)
        await delete_all([pod["metadata"]["name"] for pod in pods][: max(-missing, 0)], control)

    return manage_replicas


def writes_into_the_object():
    async def manage_replicas(pods, replicaset, control):
        while wanted_of(replicaset) > len(pods):
            replicaset["spec"]["replicas"] -= 1
            await control.create(replicaset)

    return manage_replicas


def never_ends():
    async def manage_replicas(pods, replicaset, control):
        while len(pods) != wanted_of(replicaset):  # noqa: ASYNC110
            await asyncio.sleep(0.5)

    return manage_replicas


def starts_over():
    """Deletes all when the number is not right, and begins again."""

    async def manage_replicas(pods, replicaset, control):
        if len(pods) > wanted_of(replicaset):
            await delete_all(pods, control)
        for _ in range(wanted_of(replicaset) - len(pods)):
            await control.create(replicaset)

    return manage_replicas


def only_grows_at_first():
    """Replaces nothing that is lost: it acts only while there are no pods at all."""

    async def manage_replicas(pods, replicaset, control):
        if not pods:
            for _ in range(wanted_of(replicaset)):
                await control.create(replicaset)
        await delete_all(
            sorted(pods, key=ready)[: max(len(pods) - wanted_of(replicaset), 0)], control
        )

    return manage_replicas


WRONG = [
    (only_grows_at_first, "does not follow a larger number"),
    (creates_all_each_time, "more than are missing"),
    (never_deletes, "does not follow a smaller number"),
    (never_creates, "does not make the first pods"),
    (edge_triggered, "it remembers what it did"),
    (deletes_any, "which is Ready, and keeps"),
    (one_too_many, "and it creates"),
    (forgets_await, "was not awaited"),
    (plain_def, "not an `async def`"),
    (trusts_the_status, "more than are missing"),
    (deletes_by_name, "control.delete wants a pod"),
    (writes_into_the_object, "changed an object that it was given: replicaset.spec.replicas"),
    (never_ends, "does not make the first pods"),
    (starts_over, "more than are too many"),
]


def one_at_a_time():
    """A single step each call: it is called again when that has had its effect."""

    async def manage_replicas(pods, replicaset, control):
        if len(pods) < wanted_of(replicaset):
            await control.create(replicaset)
        elif len(pods) > wanted_of(replicaset):
            await control.delete(min(pods, key=ready))

    return manage_replicas


def all_at_once():
    async def manage_replicas(pods, replicaset, control):
        missing = wanted_of(replicaset) - len(pods)
        await asyncio.gather(*(control.create(replicaset) for _ in range(missing)))
        pods.sort(key=ready)
        surplus = pods[: max(-missing, 0)]
        await asyncio.gather(*(control.delete(pod) for pod in surplus))

    return manage_replicas


def in_a_task_group():
    async def manage_replicas(pods, replicaset, control):
        async with asyncio.TaskGroup() as group:
            for _ in range(wanted_of(replicaset) - len(pods)):
                group.create_task(control.create(replicaset))
        by_need = sorted(pods, key=lambda pod: (not ready(pod), pod["metadata"]["name"]))
        while len(by_need) > wanted_of(replicaset):
            await control.delete(by_need.pop())

    return manage_replicas


RIGHT = [one_at_a_time, all_at_once, in_a_task_group]

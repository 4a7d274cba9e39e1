"""What lab 03 says in so many words is so, whatever becomes of the seeds."""

import asyncio
from typing import Any

import pytest

from kube_edu.classroom.etcd.cluster import EtcdCluster
from kube_edu.classroom.keys import compare, frozen_at_work, put


@pytest.mark.parametrize("crash", [False, True])
def test_a_lease_is_never_over_before_its_time_and_a_new_leader_gives_it_all_of_it(
    crash: bool,
) -> None:
    etcd = EtcdCluster(members=3, seed=7)
    lease = str(etcd.etcdctl("lease grant 5")).split()[1]
    granted = etcd.now
    etcd.etcdctl(f"put present/ann yes --lease {lease}")
    etcd.run_for(4)
    if crash:
        etcd.crash(etcd.leader)
    etcd.run_until(lambda: len(etcd.changes()) == 2)
    assert etcd.now - granted > (9 if crash else 5)


def test_who_was_frozen_overwrites_what_the_next_one_wrote() -> None:
    async def careless(etcd: Any, lock: str, me: str, lease: int, key: str, work: Any) -> bool:
        free = [compare("create", lock, "=", 0)]
        while not (await etcd.txn(free, [put(lock, me, lease)])).succeeded:
            await asyncio.sleep(0.5)
        await etcd.put(key, await work())
        await etcd.delete(lock)
        return True

    words = frozen_at_work(careless, seed=12).text
    assert "lock deleted  by (lease)" in words
    assert words.index("result = of bob") < words.index("result = of ann  by ann   <- here")
